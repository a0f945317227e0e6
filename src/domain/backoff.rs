//! How long to wait before the next attempt: capped exponential backoff with full jitter.
//!
//! A wait is stored as a due time, so that it survives a restart; no task sleeps through it.

use std::time::Duration;

/// Parameters of a series of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first wait.
    pub base_ms: u64,
    /// The longest wait; a longer `Retry-After` is obeyed up to `retry_after_ms_max`.
    pub cap_ms: u64,
    /// A longer `Retry-After` is cut to this.
    pub retry_after_ms_max: u64,
}

impl Backoff {
    /// The wait before the next attempt, after `attempts` failed ones (at least one).
    ///
    /// `random` is any uniformly distributed number; `retry_after` is a lower bound, as the server
    /// asked for it.
    pub fn wait(self, attempts: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        let doublings = attempts.saturating_sub(1).min(32);
        let bound_ms = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        let jittered_ms = random % bound_ms.saturating_add(1);
        let asked_ms = retry_after
            .map(|asked| u64::try_from(asked.as_millis()).unwrap_or(u64::MAX))
            .unwrap_or(0)
            .min(self.retry_after_ms_max);
        if asked_ms == 0 {
            return Duration::from_millis(jittered_ms);
        }
        // Jitter on top of `Retry-After`, so that clients do not all come back at the same moment.
        Duration::from_millis(asked_ms.saturating_add(jittered_ms.min(asked_ms / 4)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const B: Backoff = Backoff { base_ms: 1_000, cap_ms: 60_000, retry_after_ms_max: 3_600_000 };

    proptest! {
        #[test]
        fn a_wait_is_within_its_bounds(attempts in 1u32.., random: u64, asked in 0u64..10_000_000) {
            let free = B.wait(attempts, random, None);
            prop_assert!(free <= Duration::from_millis(60_000));
            let obeyed = B.wait(attempts, random, Some(Duration::from_millis(asked)));
            let believed = asked.min(3_600_000);
            prop_assert!(obeyed >= Duration::from_millis(believed));
            prop_assert!(obeyed <= Duration::from_millis((believed + believed / 4).max(60_000)));
        }
    }

    #[test]
    fn the_bound_doubles_up_to_the_cap() {
        let longest =
            |attempts| (0..=B.cap_ms).rev().step_by(997).map(|r| B.wait(attempts, r, None)).max();
        assert!(longest(1) <= Some(Duration::from_secs(1)));
        assert!(longest(3) > Some(Duration::from_secs(2)));
        assert!(longest(20) > Some(Duration::from_secs(50)));
    }
}
