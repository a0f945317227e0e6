//! The rate budgets of all organizations. A `Retry-After` on one answer holds for every call of the
//! identity, since all calls share its budget.
//!
//! The gateway has one identity per organization, so the organization's name is the key. Source:
//! Microsoft Learn, "Rate and usage limits": `Retry-After` also comes with successes, and a block
//! may come without any header.

use std::time::Duration;

use dashmap::DashMap;

use super::budget::{Budget, Cause};
pub use super::budget::{Lane, Pause};
use super::rate_headers::RateHeaders;
use crate::domain::time::Timestamp;
use crate::jitter;

/// See the module. Keyed by organization.
#[derive(Debug, Default)]
pub struct Throttle {
    budgets: DashMap<String, Budget>,
    is_of_people: bool,
}

impl Throttle {
    /// For calls as people, whose budgets are not those that the metrics of organizations show.
    pub fn of_people() -> Self {
        Self { is_of_people: true, ..Self::default() }
    }

    /// Stops all calls to the organization for `wait`: the credential is refused.
    pub fn lock_out(&self, organization: &str, wait: Duration, reason: &str, now: Timestamp) {
        self.of(organization, |budget| budget.lock_out(wait, reason, now));
        count(organization, Cause::LockedOut);
    }

    /// The pause of a lane at `now`; none when calls may be made.
    pub fn pause(&self, organization: &str, lane: Lane, now: Timestamp) -> Option<Pause> {
        self.budgets.get(organization)?.pause(lane, now)
    }

    /// `now` by the clock of Azure DevOps, to the second, from its last answer; `now` before the
    /// first answer. For comparison with times that Azure DevOps writes.
    pub fn their_now(&self, organization: &str, now: Timestamp) -> Timestamp {
        self.budgets.get(organization).map_or(now, |budget| budget.their_now(now))
    }

    /// What is left of the rate limit, in the units of Azure DevOps and as a share from 0 to 1;
    /// none where it has not said so lately.
    pub fn left(&self, organization: &str, now: Timestamp) -> Option<(f64, f64)> {
        let left = self.budgets.get(organization)?.left(now)?;
        Some((left.remaining, left.share))
    }

    /// Applies the rate headers of an answer to all later calls.
    pub(super) fn apply(&self, organization: &str, headers: &RateHeaders, now: Timestamp) {
        let random = jitter::random();
        let causes = self.of(organization, |budget| budget.apply(headers, now, random));
        causes.into_iter().for_each(|cause| count(organization, cause));
        if self.is_of_people {
            return;
        }
        // NaN means unknown: a report that is too old does not mean that the whole budget is left.
        let (remaining, share) = self.left(organization, now).unwrap_or((f64::NAN, f64::NAN));
        let name = || organization.to_owned();
        metrics::gauge!("azdo_gateway_ado_rate_limit_remaining", "organization" => name())
            .set(remaining);
        metrics::gauge!("azdo_gateway_ado_rate_limit_share", "organization" => name()).set(share);
    }

    /// A call succeeded completely.
    pub(super) fn succeeded(&self, organization: &str, now: Timestamp) {
        self.of(organization, |budget| budget.succeeded(now));
    }

    /// A connection was dropped before the whole answer came.
    pub(super) fn connection_dropped(&self, organization: &str, now: Timestamp) {
        if let Some(cause) = self.of(organization, |budget| budget.connection_dropped(now)) {
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
