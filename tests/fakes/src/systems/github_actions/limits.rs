//! How often a token may ask: the hourly budget, and the secondary limits.

use std::collections::{BTreeMap, VecDeque};

use super::refusal::{error, too_fast};
use crate::http::Response;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

/// The limits of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub requests_per_hour: u32,
    /// A GET costs one point, any other request five.
    pub points_per_minute: u32,
    /// Requests that create something.
    pub writes_per_minute: u32,
    pub writes_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_per_hour: 5_000,
            points_per_minute: 900,
            writes_per_minute: 80,
            writes_per_hour: 500,
        }
    }
}

/// What one token has used.
#[derive(Debug, Clone, Default)]
struct Used {
    /// When the present hour of the budget began.
    began_ms: i64,
    requests: u32,
    /// Recent requests: when, and whether it was one that creates.
    recent: VecDeque<(i64, bool)>,
}

/// What all tokens have used.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage(BTreeMap<String, Used>);

impl Usage {
    /// Counts a request, or refuses it.
    pub(super) fn spend(
        &mut self,
        token: &str,
        is_write: bool,
        limits: &Limits,
        now_ms: i64,
    ) -> Result<(), Response> {
        let used = self.0.entry(token.to_owned()).or_default();
        if used.requests == 0 || now_ms - used.began_ms >= HOUR_MS {
            (used.began_ms, used.requests) = (now_ms, 0);
        }
        if used.requests >= limits.requests_per_hour {
            return Err(error(403, "API rate limit exceeded for user ID 1."));
        }
        used.recent.retain(|(at_ms, _)| now_ms - at_ms < HOUR_MS);
        let minute = || used.recent.iter().filter(|(at_ms, _)| now_ms - at_ms < MINUTE_MS);
        let count = |writes: usize| u32::try_from(writes).unwrap_or(u32::MAX);
        let points: u32 = minute().map(|(_, is_write)| points_of(*is_write)).sum();
        let writes = count(minute().filter(|(_, is_write)| *is_write).count());
        let all_writes = count(used.recent.iter().filter(|(_, is_write)| *is_write).count());
        let too_many = is_write
            && (writes >= limits.writes_per_minute || all_writes >= limits.writes_per_hour);
        if too_many || points + points_of(is_write) > limits.points_per_minute {
            return Err(too_fast(MINUTE_MS / 1_000));
        }
        used.requests += 1;
        used.recent.push_back((now_ms, is_write));
        Ok(())
    }

    /// The headers about the hourly budget.
    pub(super) fn headers(&self, token: &str, limits: &Limits) -> Vec<(String, String)> {
        let Some(used) = self.0.get(token) else { return Vec::new() };
        let left = limits.requests_per_hour.saturating_sub(used.requests);
        let reset_s = (used.began_ms + HOUR_MS).div_euclid(1_000);
        [
            ("x-ratelimit-limit", limits.requests_per_hour.to_string()),
            ("x-ratelimit-remaining", left.to_string()),
            ("x-ratelimit-used", used.requests.to_string()),
            ("x-ratelimit-reset", reset_s.to_string()),
            ("x-ratelimit-resource", "core".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }
}

fn points_of(is_write: bool) -> u32 {
    if is_write { 5 } else { 1 }
}
