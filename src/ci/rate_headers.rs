//! How long an answer asks to wait: `Retry-After` (RFC 9110, 10.2.3) and the headers of rate
//! limits, as GitHub, GitLab and Buildkite send them.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::domain::time::Timestamp;

/// Longer waits are not believed.
const WAIT_S_MAX: u64 = 86_400;
/// Greater numbers are points in time, in seconds since 1970; smaller ones are seconds from now.
const POINT_S_MIN: u64 = 1_000_000_000;

/// `Retry-After`, in seconds or as a date.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
            Timestamp::from_ms(at.saturating_mul(1_000)).since(now)
        }
    };
    Some(wait.min(Duration::from_secs(WAIT_S_MAX)))
}

/// How long the budget of calls lasts to be used up, where it is.
pub(super) fn exhausted_for(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    ["", "x-", "ratelimit-user-"].iter().find_map(|prefix| {
        let name = |what: &str| match *prefix {
            "ratelimit-user-" => format!("{prefix}{what}"),
            prefix => format!("{prefix}ratelimit-{what}"),
        };
        let number = |what: &str| headers.get(name(what))?.to_str().ok()?.trim().parse().ok();
        let (remaining, reset_s): (u64, u64) = (number("remaining")?, number("reset")?);
        if remaining > 0 {
            return None;
        }
        let wait = match reset_s {
            POINT_S_MIN.. => {
                let at_ms = i64::try_from(reset_s.saturating_mul(1_000)).ok()?;
                Timestamp::from_ms(at_ms).since(now)
            }
            seconds => Duration::from_secs(seconds),
        };
        Some(wait.min(Duration::from_secs(WAIT_S_MAX)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn waits_are_seconds_or_dates() {
        for (text, seconds) in [
            ("17", Some(17)),
            ("Mon, 21 Sep 2026 14:13:50 GMT", Some(30)),
            ("Mon, 21 Sep 2020 14:13:50 GMT", Some(0)),
            ("99999999", Some(86_400)),
            ("soon", None),
        ] {
            let found = retry_after(&headers(&[("retry-after", text)]), NOW);
            assert_eq!(found, seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn an_exhausted_budget_says_for_how_long() {
        for (pairs, seconds) in [
            ([("ratelimit-remaining", "0"), ("ratelimit-reset", "42")], Some(42)),
            ([("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1790000060")], Some(60)),
            ([("ratelimit-user-remaining", "0"), ("ratelimit-user-reset", "7")], Some(7)),
            ([("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "1790000060")], None),
            ([("x-ratelimit-remaining", "0"), ("x-other", "1")], None),
        ] {
            let found = exhausted_for(&headers(&pairs), NOW);
            assert_eq!(found, seconds.map(Duration::from_secs), "{pairs:?}");
        }
    }
}
