//! Requests per minute of the account. Too many lock it out for five minutes.

const LOCK_OUT_MS: i64 = 300_000;

/// The limit and what was sent in the present minute.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) requests_per_minute: u32,
    minute: i64,
    sent: u32,
    locked_until_ms: i64,
}

impl Default for Limit {
    fn default() -> Self {
        Self { requests_per_minute: 5_000, minute: 0, sent: 0, locked_until_ms: i64::MIN }
    }
}

impl Limit {
    /// Counts one request; false when it is refused. Requests during a lock-out do not extend it.
    pub(super) fn count(&mut self, now_ms: i64) -> bool {
        if now_ms < self.locked_until_ms {
            return false;
        }
        let minute = now_ms.div_euclid(60_000);
        if minute != self.minute {
            (self.minute, self.sent) = (minute, 0);
        }
        self.sent += 1;
        if self.sent > self.requests_per_minute {
            self.lock_out(now_ms);
            return false;
        }
        true
    }

    pub(super) fn lock_out(&mut self, now_ms: i64) {
        self.locked_until_ms = now_ms + LOCK_OUT_MS;
        self.sent = 0;
    }
}
