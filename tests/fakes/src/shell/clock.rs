//! The clock of Azure DevOps and Entra: that of the machine, and what a test has let pass besides.
//!
//! Time passes step by step, from one delivery that falls due to the next, so that hours of retries
//! take moments and still happen in order. The CI keeps the clock of the machine, as whoever calls
//! it does: it checks their signatures by the time. Nothing here sends anything.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Shared;

/// How far ahead of the machine Azure DevOps and Entra are.
#[derive(Debug, Default)]
pub(super) struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// Now, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        machine_ms().saturating_add(self.ahead_ms.load(Ordering::SeqCst))
    }

    /// Moves on to that moment, unless it is past.
    fn move_to(&self, moment_ms: i64) {
        let by_ms = moment_ms - self.now_ms();
        if by_ms > 0 {
            self.ahead_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

/// The wall clock, in milliseconds since 1970.
pub(super) fn machine_ms() -> i64 {
    let nanoseconds = time::OffsetDateTime::now_utc().unix_timestamp_nanos();
    i64::try_from(nanoseconds / 1_000_000).unwrap_or(i64::MAX)
}

impl Shared {
    /// Now at Azure DevOps and Entra, in milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Lets time pass, with everything that falls due in it.
    pub(super) async fn pass(&self, by: Duration) {
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let end_ms = self.now_ms().saturating_add(by_ms);
        self.tick();
        loop {
            // Merges are attempted by the tick; sending is the loop's work, and answers may make
            // further things due at once.
            self.until(|ado, _| {
                let next = ado.next_delivery_ms();
                let waits = next.is_some_and(|due_ms| due_ms <= self.clock.now_ms());
                !waits && ado.deliveries_under_way() == 0
            })
            .await;
            let next = self.ado().next_due_ms().filter(|due_ms| *due_ms <= end_ms);
            let Some(due_ms) = next else { break };
            self.clock.move_to(due_ms);
            self.tick();
        }
        self.clock.move_to(end_ms);
        self.tick();
    }

    /// Tells the worlds the time, and wakes the loop that sends what is due.
    fn tick(&self) {
        let now_ms = self.now_ms();
        self.ado().set_now(now_ms);
        self.entra().set_now(now_ms);
        self.changed();
    }
}
