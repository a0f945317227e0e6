//! How fast the reports of one run are applied: some at once, then one each second.
//!
//! Each report that is applied is a durable write, and most are posted. Final reports are not
//! limited, since the first one ends the run.

use std::time::Duration;

use super::time::Timestamp;

/// Reports that are applied without a wait between them.
const BURST: u32 = 10;
/// How long it takes until one more may be applied.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module. Of one run; a new one allows the whole burst.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportRate {
    /// When the whole burst is allowed again.
    whole_at: Timestamp,
}

impl ReportRate {
    /// Whether a report may be applied now.
    pub fn allows(&self, now: Timestamp) -> bool {
        self.whole_at(now) <= now.plus(INTERVAL * (BURST - 1))
    }

    /// A report was applied.
    pub fn count(&mut self, now: Timestamp) {
        self.whole_at = self.whole_at(now).max(now).plus(INTERVAL);
    }

    /// Whether the whole burst is allowed, as if there had been no report.
    pub fn is_whole(&self, now: Timestamp) -> bool {
        self.whole_at(now) <= now
    }

    /// A time that no burst leads to means that the clock was set back.
    fn whole_at(&self, now: Timestamp) -> Timestamp {
        if self.whole_at > now.plus(INTERVAL * BURST) { now } else { self.whole_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_790_000_000_000 + ms)
    }

    /// How many reports are applied of those that come each millisecond from `from` on.
    fn applied(rate: &mut ReportRate, from: i64, to: i64) -> usize {
        let mut count = 0;
        for now in (from..to).map(at) {
            if rate.allows(now) {
                rate.count(now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn ten_are_applied_at_once_and_then_one_each_second() {
        let mut rate = ReportRate::default();
        assert_eq!(applied(&mut rate, 0, 1_000), 10);
        assert_eq!(applied(&mut rate, 1_000, 60_000), 59);
        assert!(!rate.is_whole(at(60_000)));
    }

    #[test]
    fn after_ten_quiet_seconds_ten_are_applied_at_once_again() {
        let mut rate = ReportRate::default();
        applied(&mut rate, 0, 5_000);
        assert!(!rate.is_whole(at(13_999)) && rate.is_whole(at(14_000)));
        assert_eq!(applied(&mut rate, 14_000, 14_100), 10);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_delay_reports() {
        let mut rate = ReportRate::default();
        applied(&mut rate, 3_600_000, 3_600_100);
        assert!(rate.is_whole(at(0)));
        assert_eq!(applied(&mut rate, 0, 1_000), 10);
    }
}
