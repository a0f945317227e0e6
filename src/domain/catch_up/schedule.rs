//! When an organization is scanned again.

use std::time::Duration;

use super::super::time::Timestamp;

/// The longest wait after a scan that could not read everything.
const INCOMPLETE_MAX: Duration = Duration::from_secs(60);

/// The time of the next scan after one that has ended. `every` is the usual wait; without one a
/// scan runs only when somebody asks for it.
pub fn next_scan_at(now: Timestamp, every: Option<Duration>, is_complete: bool) -> Timestamp {
    let Some(every) = every else { return Timestamp::NEVER };
    now.plus(if is_complete { every } else { every.min(INCOMPLETE_MAX) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_scan_is_repeated_within_a_minute() {
        let (now, hour) = (Timestamp::ZERO, Duration::from_secs(3_600));
        let second = Duration::from_secs(1);
        assert_eq!(next_scan_at(now, Some(hour), true), now.plus(hour));
        assert_eq!(next_scan_at(now, Some(hour), false), now.plus(60 * second));
        assert_eq!(next_scan_at(now, Some(second), false), now.plus(second));
        assert_eq!(next_scan_at(now, None, false), Timestamp::NEVER);
    }
}
