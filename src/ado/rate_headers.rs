//! The rate-limit headers of an answer: pause, remaining budget, and the clock of Azure DevOps.
//!
//! Source: Microsoft Learn, "Rate and usage limits", and docs/azure-devops.md §8. A header that is
//! no number in its range counts as absent.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::domain::time::Timestamp;

/// The usual limit in TSTU per five minutes, for answers without `X-RateLimit-Limit`
/// (docs/azure-devops.md §8).
const LIMIT_USUAL: f64 = 200.0;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RateHeaders {
    /// The status is 429.
    pub(super) is_refused: bool,
    /// `Retry-After`, else the delay that Azure DevOps put on this answer.
    pub(super) wait: Option<Duration>,
    pub(super) left: Option<Remaining>,
    /// The clock of Azure DevOps, to the second.
    pub(super) date: Option<Timestamp>,
}

/// The remaining budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Remaining {
    /// TSTU (Azure DevOps throughput units).
    pub(super) remaining: f64,
    /// Share of the limit, from 0 to 1.
    pub(super) share: f64,
    /// When the whole budget is available again, by the clock of Azure DevOps.
    pub(super) reset: Option<Timestamp>,
}

impl RateHeaders {
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let is_refused = status == StatusCode::TOO_MANY_REQUESTS;
        let delayed = number(headers, "x-ratelimit-delay", 86_400.0).map(Duration::from_secs_f64);
        let wait = retry_after(headers).or(delayed).filter(|wait| !wait.is_zero());
        // `Retry-After` of a server error is about that call, not about the budget.
        let wait = wait.filter(|_| is_refused || status.is_success());
        Self { is_refused, wait, left: left(headers), date: date(headers) }
    }
}

/// Retry-After in seconds, the form that Azure DevOps uses.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    number(headers, RETRY_AFTER, 86_400.0).map(Duration::from_secs_f64)
}

fn left(headers: &HeaderMap) -> Option<Remaining> {
    let remaining = number(headers, "x-ratelimit-remaining", 1e9)?;
    let limit = number(headers, "x-ratelimit-limit", 1e9).filter(|limit| *limit > 0.0);
    let share = (remaining / limit.unwrap_or(LIMIT_USUAL)).clamp(0.0, 1.0);
    let reset = number(headers, "x-ratelimit-reset", 1e11);
    let reset = reset.map(|seconds| Timestamp::ZERO.plus(Duration::from_secs_f64(seconds)));
    Some(Remaining { remaining, share, reset })
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let seconds = OffsetDateTime::parse(text, &Rfc2822).ok()?.unix_timestamp();
    Some(Timestamp::from_ms(seconds.saturating_mul(1_000)))
}

fn number(headers: &HeaderMap, name: impl TryInto<HeaderName>, max: f64) -> Option<f64> {
    let value = headers.get(name.try_into().ok()?)?.to_str().ok()?.trim().parse::<f64>().ok()?;
    (value.is_finite() && (0.0..=max).contains(&value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, headers: &[(&'static str, &str)]) -> RateHeaders {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        RateHeaders::of(StatusCode::from_u16(status).unwrap(), &pairs.collect())
    }

    #[test]
    fn reads_the_remaining_budget_and_its_reset() {
        let headers = [
            ("x-ratelimit-limit", "400"),
            ("x-ratelimit-remaining", "100"),
            ("x-ratelimit-reset", "1790000060"),
        ];
        let reset = Some(Timestamp::from_ms(1_790_000_060_000));
        let left = Remaining { remaining: 100.0, share: 0.25, reset };
        assert_eq!(read(200, &headers).left, Some(left));
        assert_eq!(read(200, &headers[1..2]).left.map(|left| left.share), Some(0.5));
        assert_eq!(read(200, &headers[..1]).left, None);
        assert_eq!(read(200, &[("x-ratelimit-remaining", "-1")]).left, None);
        assert_eq!(read(200, &[("x-ratelimit-remaining", "NaN")]).left, None);
        let zero = [("x-ratelimit-limit", "0"), ("x-ratelimit-remaining", "50")];
        assert_eq!(read(200, &zero).left.map(|left| left.share), Some(0.25));
    }

    #[test]
    fn retry_after_of_a_server_error_does_not_pause_the_budget() {
        let wait = |status, headers: &[(&'static str, &str)]| read(status, headers).wait;
        assert_eq!(wait(200, &[("retry-after", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(wait(429, &[("x-ratelimit-delay", "0.5")]), Some(Duration::from_millis(500)));
        assert_eq!(wait(503, &[("retry-after", "3")]), None);
        // Zero counts as absent.
        assert_eq!(wait(429, &[("retry-after", "0")]), None);
        assert_eq!(wait(429, &[("retry-after", "soon")]), None);
    }

    #[test]
    fn reads_the_clock_of_azure_devops() {
        let date = |text| read(200, &[("date", text)]).date;
        let at = Some(Timestamp::from_ms(1_795_425_256_000));
        assert_eq!(date("Mon, 23 Nov 2026 09:14:16 GMT"), at);
        assert_eq!(date("2026-11-23"), None);
    }
}
