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

/// What a call is for: the ones above are never held up by those below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Statuses,
    /// Starting runs, where that is a call to Azure DevOps.
    Triggers,
    Subscriptions,
    CatchUp,
}

/// See the module. Keyed by organization.
#[derive(Debug, Default)]
pub struct Throttle {
    pauses: DashMap<String, Pause>,
}

/// A time in which no call is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until: Timestamp,
    /// For the people whose statuses wait meanwhile.
    pub reason: String,
    /// Azure DevOps asked for it; otherwise it does not let us in, which tokens may still be
    /// revoked in.
    pub is_limit: bool,
}

impl Throttle {
    /// Leaves the organization in peace for this long: it does not let us in.
    pub fn lock_out(&self, organization: &str, wait: Duration, reason: &str, now: Timestamp) {
        self.pause_for(organization, wait, reason, false, now);
    }

    /// Leaves the organization in peace for this long, or for what is usual when untold.
    pub fn slow_down(
        &self,
        organization: &str,
        wait: Option<Duration>,
        reason: &str,
        now: Timestamp,
    ) {
        self.pause_for(organization, wait.unwrap_or(UNTOLD), reason, true, now);
    }

    fn pause_for(
        &self,
        organization: &str,
        wait: Duration,
        reason: &str,
        is_limit: bool,
        now: Timestamp,
    ) {
        let until = now.plus(wait.min(WAIT_MAX));
        let pause = Pause { until, reason: reason.to_owned(), is_limit };
        let mut entry = self.pauses.entry(organization.to_owned()).or_insert_with(|| pause.clone());
        if entry.until < until {
            *entry = pause;
        }
    }

    /// The pause that goes on now in a lane; none when calls may be made.
    pub fn pause(&self, organization: &str, _lane: Lane, now: Timestamp) -> Option<Pause> {
        let pause = self.pauses.get(organization).map(|pause| pause.clone())?;
        (pause.until > now).then_some(pause)
    }
}
