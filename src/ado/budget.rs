//! The rate budget of one organization: which lanes may call now, decided from the headers of
//! earlier answers.
//!
//! Azure DevOps asks for pauses, reports the remaining budget only near the limit, and sometimes
//! does neither and drops connections (docs/azure-devops.md §8). Decisions are pure functions with
//! `now` and a random number passed in.

use std::time::Duration;

use super::rate_headers::{RateHeaders, Remaining};
use crate::domain::time::Timestamp;

/// The shortest pause after the first 429 without `Retry-After`. It may mean one moment of much
/// load, so the pause begins short, doubles with each further one, and ends with a success.
const REFUSED_WAIT: Duration = Duration::from_secs(2);
/// The first of those pauses is longer by a random part of this, so that the replicas and other
/// users of the identity do not come back together.
const REFUSED_WAIT_SPREAD: Duration = Duration::from_secs(3);
/// The longest of those pauses.
const REFUSED_WAIT_MAX: Duration = Duration::from_secs(60);
/// A longer `Retry-After` is cut to this.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long a low remaining budget stops lanes when the answer has no reset time.
const SHARE_HOLDS: Duration = Duration::from_secs(60);
/// How long the remaining budget is remembered. Azure DevOps reports it only near the limit, so an
/// answer without it does not say that the budget has recovered.
const SHARE_KNOWN: Duration = Duration::from_secs(300);
/// So many dropped connections within [`BROKEN_WITHIN`] are treated as a rate limit.
const BROKEN_MAX: usize = 3;
const BROKEN_WITHIN: Duration = Duration::from_secs(60);
/// First pause of the lower lanes after dropped connections; doubles up to [`BROKEN_WAIT_MAX`].
const BROKEN_WAIT: Duration = Duration::from_secs(30);
const BROKEN_WAIT_MAX: Duration = Duration::from_secs(360);
/// Pause of the upper lanes after dropped connections.
const BROKEN_WAIT_UPPER: Duration = Duration::from_secs(5);

/// The reason of a pause after a 429.
const LIMITED: &str = "Azure DevOps limits the rate";

/// The priority class of a call, highest first: a lane never waits because a lower one used the
/// budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Statuses,
    /// Starting runs, where that is a call to Azure DevOps.
    Triggers,
    Subscriptions,
    CatchUp,
}

impl Lane {
    /// The lane stops when less than this share of the budget is left.
    fn stops_below(self) -> f64 {
        match self {
            Lane::Statuses => 0.0,
            Lane::Triggers => 0.1,
            Lane::Subscriptions => 0.25,
            Lane::CatchUp => 0.5,
        }
    }

    fn is_lower(self) -> bool {
        self >= Lane::Subscriptions
    }
}

/// A period in which no call of a lane is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    pub until: Timestamp,
    /// For people whose statuses wait.
    pub reason: String,
    /// A rate limit. Otherwise the credential is refused; tokens may still be revoked then.
    pub is_limit: bool,
}

/// Why a pause began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An answer named the duration.
    Asked,
    /// 429 without `Retry-After`.
    Refused,
    /// The remaining budget is below the share at which a lane stops.
    Share,
    /// Connections were dropped.
    Broken,
    /// The credential is refused.
    LockedOut,
}

impl Cause {
    /// Its name in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Cause::Asked => "asked",
            Cause::Refused => "refused",
            Cause::Share => "share",
            Cause::Broken => "broken",
            Cause::LockedOut => "locked_out",
        }
    }
}

/// The remaining budget as last reported, in the time of this machine.
#[derive(Clone, Copy, Debug)]
struct Known {
    left: Remaining,
    /// Lanes are stopped by it until then.
    stops_until: Timestamp,
    /// It is forgotten then.
    forgotten_at: Timestamp,
}

/// The pause after a 429 without `Retry-After`.
#[derive(Clone, Copy, Debug)]
struct Refused {
    wait: Duration,
    until: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Stops every lane.
    pause: Option<Pause>,
    /// Stops every lane; the last such pause since the last success.
    refused: Option<Refused>,
    known: Option<Known>,
    /// Times of dropped connections since the last success, within [`BROKEN_WITHIN`].
    broken: Vec<Timestamp>,
    /// Pauses for dropped connections since the last success.
    broken_pauses: u32,
    broken_until: Timestamp,
    broken_until_upper: Timestamp,
    /// The clock of Azure DevOps minus ours, in microseconds.
    ahead_micros: i64,
}

/// Clocks that differ by less count as equal.
const SKEW_IGNORED_MICROS: u64 = 5_000_000;

impl Budget {
    /// Applies the rate headers of an answer; returns the causes of the pauses that began with it.
    /// `random` is any uniformly distributed number.
    pub(super) fn apply(
        &mut self,
        headers: &RateHeaders,
        now: Timestamp,
        random: u64,
    ) -> Vec<Cause> {
        if let Some(date) = headers.date {
            // `Date` has whole seconds and is as old as the answer was under way. A smaller
            // difference than that is no clock skew.
            let ahead = date.micros().saturating_sub(now.micros());
            self.ahead_micros = if ahead.unsigned_abs() < SKEW_IGNORED_MICROS { 0 } else { ahead };
        }
        let mut causes = Vec::new();
        if let Some(left) = headers.left {
            causes.extend(self.know(left, now));
        }
        match (headers.is_refused, headers.wait) {
            (true, Some(wait)) => {
                self.hold(wait, LIMITED, true, now);
                causes.push(Cause::Asked);
            }
            (true, None) => causes.extend(self.refused(now, random)),
            (false, Some(wait)) => {
                self.hold(wait, "Azure DevOps asks to slow down", true, now);
                causes.push(Cause::Asked);
            }
            (false, None) => {}
        }
        causes
    }

    /// Stops all calls for `wait`: the credential is refused.
    pub(super) fn lock_out(&mut self, wait: Duration, reason: &str, now: Timestamp) {
        self.hold(wait, reason, false, now);
    }

    /// A call succeeded completely: ends the counting of failures. A success during a pause is that
    /// of a call that was made before, and says nothing about the next one.
    pub(super) fn succeeded(&mut self, now: Timestamp) {
        self.refused = self.refused.take().filter(|refused| now < refused.until);
        self.broken.clear();
        self.broken_pauses = 0;
    }

    /// A connection was dropped before the whole answer came. Returns the cause if a pause begins.
    pub(super) fn connection_dropped(&mut self, now: Timestamp) -> Option<Cause> {
        if self.broken_until_upper > now {
            // It was dropped together with the connections that began the pause.
            return None;
        }
        self.broken.retain(|at| now.since(*at) <= BROKEN_WITHIN);
        self.broken.push(now);
        if self.broken.len() < BROKEN_MAX {
            return None;
        }
        self.broken.clear();
        let doubled = BROKEN_WAIT.saturating_mul(2_u32.saturating_pow(self.broken_pauses));
        self.broken_until = now.plus(doubled.min(BROKEN_WAIT_MAX));
        self.broken_until_upper = now.plus(BROKEN_WAIT_UPPER);
        self.broken_pauses = self.broken_pauses.saturating_add(1);
        Some(Cause::Broken)
    }

    /// The pause of a lane at `now`; none when calls may be made.
    pub(super) fn pause(&self, lane: Lane, now: Timestamp) -> Option<Pause> {
        let broken_until =
            if lane.is_lower() { self.broken_until } else { self.broken_until_upper };
        let broken = (broken_until > now).then(|| Pause {
            until: broken_until,
            reason: "Azure DevOps drops connections".to_owned(),
            is_limit: true,
        });
        let refused = self.refused.map(|refused| Pause {
            until: refused.until,
            reason: LIMITED.to_owned(),
            is_limit: true,
        });
        let asked = self.pause.clone();
        let all = [asked, refused, broken, self.share_pause(lane)].into_iter().flatten();
        all.filter(|pause| pause.until > now).max_by_key(|pause| pause.until)
    }

    /// The remaining budget, unless it was reported too long ago.
    pub(super) fn left(&self, now: Timestamp) -> Option<Remaining> {
        self.known.filter(|known| known.forgotten_at > now).map(|known| known.left)
    }

    /// `now` by the clock of Azure DevOps.
    pub(super) fn their_now(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_add(self.ahead_micros))
    }

    fn hold(&mut self, wait: Duration, reason: &str, is_limit: bool, now: Timestamp) {
        let until = now.plus(wait.min(WAIT_MAX));
        if self.pause.as_ref().is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause { until, reason: reason.to_owned(), is_limit });
        }
    }

    /// A 429 without `Retry-After`. During a pause it answers a call made before the pause.
    fn refused(&mut self, now: Timestamp, random: u64) -> Option<Cause> {
        let is_limited = |pause: &Pause| pause.is_limit && pause.until > now;
        if self.pause.as_ref().is_some_and(is_limited)
            || self.refused.is_some_and(|refused| refused.until > now)
        {
            return None;
        }
        let wait = match self.refused {
            Some(Refused { wait, .. }) => (wait * 2).min(REFUSED_WAIT_MAX),
            None => {
                let spread_ms = u64::try_from(REFUSED_WAIT_SPREAD.as_millis()).unwrap_or(0);
                REFUSED_WAIT + Duration::from_millis(random % (spread_ms + 1))
            }
        };
        self.refused = Some(Refused { wait, until: now.plus(wait) });
        Some(Cause::Refused)
    }

    /// Remembers the remaining budget; returns the cause if that stops another lane.
    fn know(&mut self, left: Remaining, now: Timestamp) -> Option<Cause> {
        let behind = |reset: Timestamp| {
            Timestamp::from_micros(reset.micros().saturating_sub(self.ahead_micros))
        };
        let reset = left.reset.map(behind);
        let reset = reset.filter(|reset| *reset > now && reset.since(now) <= WAIT_MAX);
        let stops_until = reset.unwrap_or_else(|| now.plus(SHARE_HOLDS));
        let forgotten_at = reset.unwrap_or_else(|| now.plus(SHARE_KNOWN));
        let stopped = |budget: &Self| {
            let lanes = [Lane::Triggers, Lane::Subscriptions, Lane::CatchUp];
            let pauses = lanes.into_iter().filter_map(|lane| budget.share_pause(lane));
            pauses.filter(|pause| pause.until > now).count()
        };
        let before = stopped(self);
        self.known = Some(Known { left, stops_until, forgotten_at });
        (stopped(self) > before).then_some(Cause::Share)
    }

    fn share_pause(&self, lane: Lane) -> Option<Pause> {
        let known = self.known.filter(|known| known.left.share < lane.stops_below())?;
        let percent = known.left.share * 100.0;
        let reason = format!("{percent:.0} % of the rate budget at Azure DevOps is left");
        Some(Pause { until: known.stops_until, reason, is_limit: true })
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
