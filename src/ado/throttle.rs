//! Until when an organization is left in peace: one answer that says "slow down" counts for every
//! call of the identity, since they all share its budget.
//!
//! Source: Microsoft Learn, "Rate and usage limits": Retry-After also comes on successes, and a
//! block may come without any header. It must never wait itself.

use std::time::Duration;

use dashmap::DashMap;

use crate::domain::time::Timestamp;

/// How long to wait after a 429 that does not say how long.
const UNTOLD: Duration = Duration::from_secs(60);
/// The longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// See the module. Keyed by organization.
#[derive(Debug, Default)]
pub struct Throttle {
    until: DashMap<String, Timestamp>,
}

impl Throttle {
    /// Leaves the organization in peace for this long, or for what is usual when untold.
    pub fn slow_down(&self, organization: &str, wait: Option<Duration>, now: Timestamp) {
        let until = now.plus(wait.unwrap_or(UNTOLD).min(WAIT_MAX));
        let mut entry = self.until.entry(organization.to_owned()).or_insert(until);
        *entry = until.max(*entry);
    }

    /// Until when no call should be made; none when calls may be made.
    pub fn blocked_until(&self, organization: &str, now: Timestamp) -> Option<Timestamp> {
        let until = self.until.get(organization).map(|until| *until)?;
        (until > now).then_some(until)
    }
}
