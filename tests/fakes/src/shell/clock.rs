//! The clock of ADO and Entra: the machine's clock plus what a test has advanced it by.
//!
//! The CI keeps the machine's clock, since it checks the timestamps of a gateway that does so, too.

use std::sync::atomic::{AtomicI64, Ordering};

/// How far ADO and Entra are ahead of the machine.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// The time at ADO and Entra, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        machine_ms().saturating_add(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// Advances to that time, unless it is past.
    pub(super) fn advance_to(&self, time_ms: i64) {
        let by_ms = time_ms - self.now_ms();
        if by_ms > 0 {
            self.ahead_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

/// The machine's wall clock, in milliseconds since 1970.
pub(super) fn machine_ms() -> i64 {
    let nanoseconds = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
    i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX)
}
