//! The budget of one organization: which lanes may call now, judged by what its answers told.
//!
//! Azure DevOps asks for pauses, tells what is left only near the limit, and sometimes says neither
//! and just breaks connections (docs/azure-devops.md §8). Decisions are pure, with `now` passed in;
//! it must never wait, nor know HTTP.

use std::time::Duration;

use super::pace::{Left, Pace};
use crate::domain::time::Timestamp;

/// How long to wait after the first 429 that does not say how long; then twice as long.
const UNTOLD: Duration = Duration::from_secs(60);
/// The longest of those waits: others cool down as long (docs/azure-devops.md §8).
const UNTOLD_MAX: Duration = Duration::from_secs(360);
/// The longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long what is left holds lanes back, when it is not told until when.
const SHARE_HOLDS: Duration = Duration::from_secs(60);
/// How long what is left is remembered: it is told only near the limit, so silence is no news.
const SHARE_KNOWN: Duration = Duration::from_secs(300);
/// So many broken connections within [`BROKEN_WITHIN`] are a limit that is not told.
const BROKEN_MAX: usize = 3;
const BROKEN_WITHIN: Duration = Duration::from_secs(60);
/// How long the lower lanes pause then, at first; then twice as long, up to [`UNTOLD_MAX`].
const BROKEN_WAIT: Duration = Duration::from_secs(30);
/// How long the upper lanes pause then.
const BROKEN_WAIT_UPPER: Duration = Duration::from_secs(5);

/// What a call is for: the ones above are never held up by those below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    Statuses,
    /// Starting runs, where that is a call to Azure DevOps.
    Triggers,
    Subscriptions,
    CatchUp,
}

impl Lane {
    /// It stops when less than this share of the budget is left.
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

/// Why a pause began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// An answer said how long.
    Asked,
    /// 429, without a time.
    Refused,
    /// So little is left that a lane stops.
    Share,
    /// Connections broke.
    Broken,
    /// We are not let in.
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

/// What was told to be left, in our time.
#[derive(Clone, Copy, Debug)]
struct Known {
    left: Left,
    /// It holds lanes back until here.
    holds: Timestamp,
    /// It is forgotten then.
    fades: Timestamp,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// Holds every lane.
    pause: Option<Pause>,
    /// Waits after 429s that did not say how long, since the last success.
    untold: u32,
    known: Option<Known>,
    /// Connections that broke of late, since the last success.
    broken: Vec<Timestamp>,
    /// Pauses for broken connections since the last success.
    broken_pauses: u32,
    broken_until: Timestamp,
    broken_until_upper: Timestamp,
    /// Their clock minus ours, in microseconds.
    ahead_micros: i64,
}

/// Clocks that differ by less are the same.
const SAME_MICROS: u64 = 5_000_000;

impl Budget {
    /// Takes in what an answer told; says which pauses began with it.
    pub(super) fn heed(&mut self, pace: &Pace, now: Timestamp) -> Vec<Cause> {
        if let Some(date) = pace.date {
            // A date has whole seconds, and took some time to come: clocks that differ by less
            // are taken for one, or what happened now would lie after what comes next.
            let ahead = date.micros().saturating_sub(now.micros());
            self.ahead_micros = if ahead.unsigned_abs() < SAME_MICROS { 0 } else { ahead };
        }
        let mut causes = Vec::new();
        if let Some(left) = pace.left {
            causes.extend(self.know(left, now));
        }
        match (pace.is_refused, pace.wait) {
            (true, Some(wait)) => {
                self.hold(wait, "Azure DevOps limits the rate", true, now);
                causes.push(Cause::Asked);
            }
            (true, None) => causes.extend(self.refused(now)),
            (false, Some(wait)) => {
                self.hold(wait, "Azure DevOps asks to slow down", true, now);
                causes.push(Cause::Asked);
            }
            (false, None) => {}
        }
        causes
    }

    /// Leaves the organization in peace: it does not let us in.
    pub(super) fn lock_out(&mut self, wait: Duration, reason: &str, now: Timestamp) {
        self.hold(wait, reason, false, now);
    }

    /// A call succeeded, to the last byte: what went wrong before is over.
    pub(super) fn succeeded(&mut self) {
        self.untold = 0;
        self.broken.clear();
        self.broken_pauses = 0;
    }

    /// A connection broke before the whole answer came. The cause when that makes a pause.
    pub(super) fn broke(&mut self, now: Timestamp) -> Option<Cause> {
        if self.broken_until_upper > now {
            // Of the same moment as those that began the pause.
            return None;
        }
        self.broken.retain(|at| now.since(*at) <= BROKEN_WITHIN);
        self.broken.push(now);
        if self.broken.len() < BROKEN_MAX {
            return None;
        }
        self.broken.clear();
        self.broken_until = now.plus(doubled(BROKEN_WAIT, self.broken_pauses));
        self.broken_until_upper = now.plus(BROKEN_WAIT_UPPER);
        self.broken_pauses = self.broken_pauses.saturating_add(1);
        Some(Cause::Broken)
    }

    /// The pause that goes on now in a lane; none when calls may be made.
    pub(super) fn pause(&self, lane: Lane, now: Timestamp) -> Option<Pause> {
        let broken_until =
            if lane.is_lower() { self.broken_until } else { self.broken_until_upper };
        let broken = (broken_until > now).then(|| Pause {
            until: broken_until,
            reason: "Azure DevOps breaks the connections".to_owned(),
            is_limit: true,
        });
        let asked = self.pause.clone();
        let all = [asked, broken, self.share_pause(lane)].into_iter().flatten();
        all.filter(|pause| pause.until > now).max_by_key(|pause| pause.until)
    }

    /// What is known to be left, unless that is too long ago.
    pub(super) fn left(&self, now: Timestamp) -> Option<Left> {
        self.known.filter(|known| known.fades > now).map(|known| known.left)
    }

    /// Now, by their clock.
    pub(super) fn their_now(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros().saturating_add(self.ahead_micros))
    }

    fn hold(&mut self, wait: Duration, reason: &str, is_limit: bool, now: Timestamp) {
        let until = now.plus(wait.min(WAIT_MAX));
        if self.pause.as_ref().is_none_or(|pause| pause.until < until) {
            self.pause = Some(Pause { until, reason: reason.to_owned(), is_limit });
        }
    }

    /// A 429 without a time. One that comes in such a pause answers a call from before it.
    fn refused(&mut self, now: Timestamp) -> Option<Cause> {
        let goes_on = |pause: &Pause| pause.is_limit && pause.until > now;
        if self.pause.as_ref().is_some_and(goes_on) {
            return None;
        }
        self.hold(doubled(UNTOLD, self.untold), "Azure DevOps limits the rate", true, now);
        self.untold = self.untold.saturating_add(1);
        Some(Cause::Refused)
    }

    /// Remembers what is left; the cause when that stops a lane that was not stopped before.
    fn know(&mut self, left: Left, now: Timestamp) -> Option<Cause> {
        let behind = |reset: Timestamp| {
            Timestamp::from_micros(reset.micros().saturating_sub(self.ahead_micros))
        };
        let reset = left.reset.map(behind);
        let reset = reset.filter(|reset| *reset > now && reset.since(now) <= WAIT_MAX);
        let holds = reset.unwrap_or_else(|| now.plus(SHARE_HOLDS));
        let fades = reset.unwrap_or_else(|| now.plus(SHARE_KNOWN));
        let stopped = |budget: &Self| {
            let lanes = [Lane::Triggers, Lane::Subscriptions, Lane::CatchUp];
            let pauses = lanes.into_iter().filter_map(|lane| budget.share_pause(lane));
            pauses.filter(|pause| pause.until > now).count()
        };
        let before = stopped(self);
        self.known = Some(Known { left, holds, fades });
        (stopped(self) > before).then_some(Cause::Share)
    }

    fn share_pause(&self, lane: Lane) -> Option<Pause> {
        let known = self.known.filter(|known| known.left.share < lane.stops_below())?;
        let percent = known.left.share * 100.0;
        let reason = format!("{percent:.0} % of the budget at Azure DevOps is left");
        Some(Pause { until: known.holds, reason, is_limit: true })
    }
}

/// `first`, doubled so often, up to the longest.
fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(UNTOLD_MAX)
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
