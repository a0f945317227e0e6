//! What is to be asked of a CI about a run, and when.
//!
//! A run that its CI may have started without saying so is looked up before it is started again.
//! One that was started is polled until it ends. One that the gateway has ended is cancelled.

use std::time::Duration;

use super::run::{Run, State, Verdict};
use super::time::Timestamp;

/// After an attempt to start a run whose outcome is in doubt: when the CI is asked for the run. It
/// may list a run some seconds after it has accepted it, so only the last answer proves that there
/// is none.
const LOOK_UPS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];
/// How often a CI is told to cancel a run, at most.
pub const CANCEL_ATTEMPTS_MAX: u32 = 4;
/// A run that the CI does not know so soon after its start may not be listed yet.
const LISTED_WITHIN: Duration = Duration::from_secs(60);

/// What a CI can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// For a run, by the id that the gateway gave it.
    pub finds: bool,
    /// How a run is.
    pub polls: bool,
    /// To cancel a run.
    pub cancels: bool,
    /// It knows a run by the gateway's id: it has none of its own.
    pub knows_our_id: bool,
    /// Runners take its runs, and keep them by heartbeats.
    pub leases: bool,
}

/// What to ask next about a run that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// To start it.
    Start,
    /// Whether it has it.
    Find,
    /// How it is.
    Poll,
    /// To cancel it.
    Cancel,
    /// Nobody is asked: its runner has to have sent a heartbeat by now.
    Heartbeat,
    /// Nothing that this CI could be asked.
    Nothing,
}

/// What to ask next about a run that is due.
pub fn question(run: &Run, can: Abilities) -> Question {
    let is_known = run.ci_id.is_some() || can.knows_our_id;
    match run.state {
        State::Planned if run.look_ups.is_some() && can.finds => Question::Find,
        State::Planned => Question::Start,
        State::Dispatched | State::Running if can.leases => Question::Heartbeat,
        State::Dispatched | State::Running if can.polls && is_known => Question::Poll,
        State::Dispatched | State::Running if can.polls && can.finds => Question::Find,
        State::Dispatched | State::Running => Question::Nothing,
        _ if run.cancel_attempts.is_none() || !can.cancels => Question::Nothing,
        _ if is_known => Question::Cancel,
        // It was never sent to the CI, or the CI said that it has not started it.
        _ if run.look_ups.is_none() || !can.finds => Question::Nothing,
        _ => Question::Find,
    }
}

/// The run after an attempt to start it whose outcome is in doubt, and when the CI is asked for it.
pub fn doubt(run: &Run, reason: String, now: Timestamp) -> (Run, Timestamp) {
    let next = Run { attempts: run.attempts.saturating_add(1), look_ups: Some(0), ..run.clone() };
    let next = match run.state {
        State::Planned => Run { reason, updated_at: now, ..next },
        // It was ended meanwhile, for a reason of its own.
        _ => next,
    };
    let [first, _] = LOOK_UPS;
    (next, now.plus(first))
}

/// The run after a CI was asked for it and does not have it, and when it is asked next. In doubt
/// about its start, it is started again after the last answer; and one that was ended is left.
pub fn not_found(run: &Run, now: Timestamp) -> (Run, Option<Timestamp>) {
    let asked = run.look_ups.unwrap_or(0).saturating_add(1);
    let [first, last] = LOOK_UPS;
    if asked < 2 {
        let next = Run { look_ups: Some(asked), ..run.clone() };
        return (next, Some(now.plus(last.saturating_sub(first))));
    }
    match run.state {
        State::Planned => (Run { look_ups: None, ..run.clone() }, Some(now)),
        _ => (Run { look_ups: None, cancel_attempts: None, ..run.clone() }, None),
    }
}

/// How often a CI is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollIntervals {
    /// At first.
    pub first: Duration,
    /// At last.
    pub last: Duration,
    /// Moves the polls of this CI against those of others.
    pub offset: Duration,
}

/// When a run is polled next. The wait grows with the time for which nothing has changed. The polls
/// of one CI fall on a grid of half of its first interval, so that one list serves many runs.
pub fn next_poll(run: &Run, intervals: PollIntervals, now: Timestamp) -> Timestamp {
    let unchanged_for = now.since(run.updated_at);
    let least = intervals.first.min(intervals.last);
    let wait = (unchanged_for / 4).clamp(least, intervals.last.max(least));
    let step_ms = i64::try_from((least / 2).as_millis()).unwrap_or(i64::MAX).max(1);
    let offset_ms = i64::try_from(intervals.offset.as_millis()).unwrap_or(0);
    let wanted_ms = now.plus(wait).ms() - offset_ms;
    // The nearest point of the grid, which is at least half of the wait from now.
    let nearest_ms = (wanted_ms + step_ms / 2).div_euclid(step_ms) * step_ms + offset_ms;
    Timestamp::from_ms(nearest_ms)
}

/// When the gateway asks the CI about a run next, as far as its state decides it: a run is followed
/// while it is at the CI, and once it was ended at once. None where there is nothing to ask, or
/// where the time stays as it is.
pub fn due_after_change(run: &Run) -> Option<Timestamp> {
    (run.state.is_final() && run.cancel_attempts.is_some()).then_some(run.updated_at)
}

/// Whether the CI is to be asked about a run that it was asked to start.
pub fn is_followed(run: &Run) -> bool {
    match run.state {
        State::Planned => false,
        State::Dispatched | State::Running => true,
        _ => run.cancel_attempts.is_some(),
    }
}

/// Whether its CI is asked about a run at once when something is said to have happened to it there.
pub fn obeys_hints(run: &Run) -> bool {
    matches!(run.state, State::Dispatched | State::Running)
}

/// Whether a run is lost that its CI says it does not know: it was listed long ago.
pub fn is_lost(run: &Run, now: Timestamp) -> bool {
    now.since(run.updated_at) >= LISTED_WITHIN
}

/// The run after the CI was asked about it in vain: why, for people; the state stays.
pub fn with_problem(run: &Run, problem: Option<String>) -> Run {
    Run { ci_problem: problem, ..run.clone() }
}

/// The run after the CI was told to cancel it: `again` while it is to be told once more.
pub fn cancelled(run: &Run, again: bool, problem: Option<String>) -> Run {
    let attempts = run.cancel_attempts.unwrap_or(0).saturating_add(1);
    let goes_on = again && attempts < CANCEL_ATTEMPTS_MAX;
    Run { cancel_attempts: goes_on.then_some(attempts), ..with_problem(run, problem) }
}

/// Who gives the verdict on runs where the configuration does not say it.
pub fn default_verdict(can: Abilities) -> Verdict {
    if can.polls { Verdict::Poll } else { Verdict::Report }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
