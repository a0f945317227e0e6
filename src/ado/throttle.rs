//! Until when an organization is left in peace, and by whom: one answer that says "slow down"
//! counts for every call of the identity, since they all share its budget.
//!
//! An organization has one identity here, so that its name is the key. Source: Microsoft Learn,
//! "Rate and usage limits": Retry-After also comes on successes, and a block may come without any
//! header. It must never wait itself.

use std::time::Duration;

use dashmap::DashMap;

use super::budget::{Budget, Cause};
pub use super::budget::{Lane, Pause};
use super::pace::Pace;
use crate::domain::time::Timestamp;

/// See the module. Keyed by organization.
#[derive(Debug, Default)]
pub struct Throttle {
    budgets: DashMap<String, Budget>,
}

impl Throttle {
    /// Leaves the organization in peace for this long: it does not let us in.
    pub fn lock_out(&self, organization: &str, wait: Duration, reason: &str, now: Timestamp) {
        self.of(organization, |budget| budget.lock_out(wait, reason, now));
        count(organization, Cause::LockedOut);
    }

    /// The pause that goes on now in a lane; none when calls may be made.
    pub fn pause(&self, organization: &str, lane: Lane, now: Timestamp) -> Option<Pause> {
        self.budgets.get(organization)?.pause(lane, now)
    }

    /// Now by the clock of Azure DevOps, to the second, as its last answer told it; `now` while
    /// nothing is known. For comparing with times that it writes.
    pub fn their_now(&self, organization: &str, now: Timestamp) -> Timestamp {
        self.budgets.get(organization).map_or(now, |budget| budget.their_now(now))
    }

    /// Whatever an answer is, what it says about the pace counts for every later call.
    pub(super) fn heed(&self, organization: &str, pace: &Pace, now: Timestamp) {
        let (causes, left) =
            self.of(organization, |budget| (budget.heed(pace, now), budget.left(now)));
        causes.into_iter().for_each(|cause| count(organization, cause));
        // Unknown is no number: what was told has faded, which does not mean that all is well.
        let (remaining, share) = left.map_or((f64::NAN, f64::NAN), |it| (it.remaining, it.share));
        let name = || organization.to_owned();
        metrics::gauge!("azdo_gateway_ado_rate_limit_remaining", "organization" => name())
            .set(remaining);
        metrics::gauge!("azdo_gateway_ado_rate_limit_share", "organization" => name()).set(share);
    }

    /// A call succeeded, to the last byte.
    pub(super) fn succeeded(&self, organization: &str) {
        self.of(organization, Budget::succeeded);
    }

    /// A connection broke before the whole answer came.
    pub(super) fn broke(&self, organization: &str, now: Timestamp) {
        if let Some(cause) = self.of(organization, |budget| budget.broke(now)) {
            count(organization, cause);
        }
    }

    fn of<T>(&self, organization: &str, act: impl FnOnce(&mut Budget) -> T) -> T {
        if let Some(mut budget) = self.budgets.get_mut(organization) {
            return act(&mut budget);
        }
        act(&mut self.budgets.entry(organization.to_owned()).or_default())
    }
}

fn count(organization: &str, cause: Cause) {
    metrics::counter!("azdo_gateway_ado_pauses_total", "organization" => organization.to_owned(),
        "cause" => cause.as_str())
    .increment(1);
}
