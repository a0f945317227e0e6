//! The passes of one reconciler in one organization: who may run the next one, when it is due, and
//! what the last one came to.
//!
//! A store keeps one `State` for each organization and reconciler and applies these functions to
//! it, each within one transaction. So all replicas share one schedule, and every engine follows
//! the same rules.

use std::time::Duration;

use super::time::Timestamp;

/// The wait after the first pass in a row that leaves something to do, doubled with each further
/// one.
const SOON: Duration = Duration::from_secs(1);
/// So many passes that changed something are followed by another one without a longer wait: more
/// than a healing takes.
const CHANGING_SOON_MAX: u32 = 5;
/// So long the process that ran the last pass has the next one to itself: it knows what that one
/// saw, and need not ask for it again.
const OTHERS_WAIT: Duration = Duration::from_secs(3);
/// The longest wait where a person has to act first.
const REFUSED_MAX: Duration = Duration::from_secs(3_600);

/// What a pass came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When it began.
    pub at: Timestamp,
    /// How many things were changed at Azure DevOps, or found there.
    pub changes: u32,
    /// There is more to do, and it can be tried soon.
    pub has_more: bool,
    /// What did not work, and what to do about it.
    pub problem: Option<String>,
}

impl Outcome {
    /// A pass that had nothing to do.
    pub fn nothing(at: Timestamp) -> Self {
        Self { at, changes: 0, has_more: false, problem: None }
    }
}

/// The last pass that ended with an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastPass {
    /// The process that ran it.
    pub instance: String,
    pub outcome: Outcome,
}

/// What somebody asked a pass for; a later value includes the earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// Nobody has asked.
    #[default]
    Nothing,
    /// A pass as soon as possible.
    Pass,
    /// One that also decides again what was decided before.
    Recheck,
}

impl Asked {
    /// The number in the store.
    pub fn number(self) -> i64 {
        match self {
            Asked::Nothing => 0,
            Asked::Pass => 1,
            Asked::Recheck => 2,
        }
    }

    /// The value of that number.
    pub fn of_number(number: i64) -> Self {
        match number {
            0 => Asked::Nothing,
            1 => Asked::Pass,
            _ => Asked::Recheck,
        }
    }
}

/// How many passes there were since the last one that left nothing to do. The waits between two
/// passes grow with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// Passes that changed something.
    pub changing: u32,
    /// Passes in a row that changed nothing.
    pub idle: u32,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The fencing number: grows with each claim. A process with an older number has lost the pass.
    pub number: i64,
    /// The process that claimed the pass, until it releases it.
    pub holder: Option<String>,
    /// When another process may claim the pass although it was not released.
    pub leased_until: Timestamp,
    pub due_at: Timestamp,
    /// What somebody has asked for since the last pass was claimed.
    pub asked: Asked,
    pub repeats: Repeats,
    pub last: Option<LastPass>,
}

impl Default for State {
    /// No pass is due until somebody asks for the first one.
    fn default() -> Self {
        Self {
            number: 0,
            holder: None,
            leased_until: Timestamp::ZERO,
            due_at: Timestamp::NEVER,
            asked: Asked::Nothing,
            repeats: Repeats::default(),
            last: None,
        }
    }
}

/// The answer to a process that wants to run a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassClaim {
    /// The pass is that process' own until its lease ends.
    Claimed(ClaimedPass),
    NotDue {
        until: Timestamp,
    },
    /// Another process runs it.
    HeldBy {
        instance: String,
        until: Timestamp,
    },
}

/// A pass that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClaimedPass {
    pub number: i64,
    /// What it was asked for: everything where the pass before was never released, since what that
    /// one was asked for is not known any more.
    pub asked: Asked,
    pub repeats: Repeats,
}

/// How a pass is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub due_at: Timestamp,
    pub repeats: Repeats,
    /// The request that was not fulfilled: the next pass, at `due_at`, counts as asked for it.
    pub asked: Asked,
    /// None leaves the outcome of the pass before.
    pub last: Option<LastPass>,
}

impl State {
    /// Claims the pass for `instance` until `now` plus `lease`, where it is due and no other
    /// process holds it. A pass that nobody asked for is due a moment later for a process that did
    /// not run the last one.
    pub fn claim(&mut self, instance: &str, now: Timestamp, lease: Duration) -> PassClaim {
        if let Some(holder) = &self.holder
            && holder != instance
            && now < self.leased_until
        {
            return PassClaim::HeldBy { instance: holder.clone(), until: self.leased_until };
        }
        let asked = if self.holder.is_some() { Asked::Recheck } else { self.asked };
        let is_of_other = self.last.as_ref().is_some_and(|last| last.instance != instance);
        let waits = asked == Asked::Nothing && is_of_other;
        let due_at = if waits { self.due_at.plus(OTHERS_WAIT) } else { self.due_at };
        if now < due_at {
            return PassClaim::NotDue { until: due_at };
        }
        self.number += 1;
        self.holder = Some(instance.to_owned());
        self.leased_until = now.plus(lease);
        // Due until it is released: another process repeats it if this one dies.
        self.due_at = self.due_at.min(now);
        self.asked = Asked::Nothing;
        PassClaim::Claimed(ClaimedPass { number: self.number, asked, repeats: self.repeats })
    }

    /// Prolongs the lease of the pass with this number until `now` plus `lease`. False where
    /// another process has claimed it since.
    pub fn renew(&mut self, number: i64, now: Timestamp, lease: Duration) -> bool {
        let is_held = self.is_held(number);
        if is_held {
            self.leased_until = now.plus(lease);
        }
        is_held
    }

    /// Ends the pass with this number. False, and nothing changes, where another process has
    /// claimed it since.
    pub fn release(&mut self, number: i64, release: Release) -> bool {
        let is_held = self.is_held(number);
        if is_held {
            self.holder = None;
            self.leased_until = Timestamp::ZERO;
            let is_asked_again = self.asked != Asked::Nothing;
            self.due_at = if is_asked_again { Timestamp::ZERO } else { release.due_at };
            self.repeats = release.repeats;
            self.asked = self.asked.max(release.asked);
            self.last = release.last.or(self.last.take());
        }
        is_held
    }

    /// Asks for a pass as soon as possible. A pass that runs now does not count, since it may have
    /// looked already: another one follows it.
    pub fn ask(&mut self, asked: Asked) {
        self.asked = self.asked.max(asked);
        self.due_at = Timestamp::ZERO;
    }

    fn is_held(&self, number: i64) -> bool {
        self.holder.is_some() && self.number == number
    }
}

/// How long to wait after a pass with this outcome, and how many there were then. `every` is the
/// usual wait and `repeats` how many there were before. A pass that changed something is soon
/// followed by one that sees what it came to, unless this never ends.
pub fn next(outcome: &Outcome, repeats: Repeats, every: Duration) -> (Duration, Repeats) {
    if !outcome.has_more && outcome.problem.is_none() {
        return (every, Repeats::default());
    }
    let doubled = |wait: Duration, times: u32| wait.saturating_mul(1 << times.min(16));
    let Repeats { changing, idle } = repeats;
    let (after, times) = match outcome.changes {
        0 => (Repeats { changing, idle: idle.saturating_add(1) }, idle),
        _ => {
            let after = Repeats { changing: changing.saturating_add(1), idle: 0 };
            (after, changing.saturating_sub(CHANGING_SOON_MAX))
        }
    };
    let wait = if outcome.has_more {
        doubled(SOON, times).min(every)
    } else {
        doubled(every, times).min(REFUSED_MAX.max(every))
    };
    (wait, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(300);
    const LEASE: Duration = Duration::from_secs(120);
    const NOW: Timestamp = Timestamp::from_ms(1_790_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn outcome(has_more: bool) -> Outcome {
        Outcome { has_more, ..Outcome::nothing(NOW) }
    }

    fn release(due_at: Timestamp, outcome: Option<Outcome>) -> Release {
        let last = outcome.map(|outcome| LastPass { instance: "a".into(), outcome });
        Release { due_at, repeats: Repeats::default(), asked: Asked::Nothing, last }
    }

    fn asked() -> State {
        let mut state = State::default();
        state.ask(Asked::Pass);
        state
    }

    fn claimed(claim: PassClaim) -> ClaimedPass {
        match claim {
            PassClaim::Claimed(claimed) => claimed,
            other => panic!("it is not claimed: {other:?}"),
        }
    }

    /// The waits in seconds after passes with this outcome, one after the other.
    fn waits(outcome: &Outcome, passes: usize) -> Vec<u64> {
        waits_of(&vec![outcome.clone(); passes])
    }

    /// The waits in seconds after passes with these outcomes.
    fn waits_of(outcomes: &[Outcome]) -> Vec<u64> {
        let mut repeats = Repeats::default();
        let wait = |outcome| {
            let (wait, after) = next(outcome, repeats, EVERY);
            repeats = after;
            wait.as_secs()
        };
        outcomes.iter().map(wait).collect()
    }

    #[test]
    fn a_pass_that_leaves_nothing_to_do_is_repeated_after_the_usual_wait() {
        assert_eq!(waits(&outcome(false), 3), [300, 300, 300]);
        let many = Repeats { changing: 7, idle: 7 };
        assert_eq!(next(&outcome(false), many, EVERY), (EVERY, Repeats::default()));
    }

    #[test]
    fn a_pass_that_leaves_something_to_do_is_repeated_soon_and_then_ever_later() {
        let waited = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300];
        assert_eq!(waits(&outcome(true), 11), waited);
    }

    #[test]
    fn a_pass_that_changed_something_is_soon_followed_by_another_one() {
        let (waiting, changed) = (outcome(true), Outcome { changes: 1, ..outcome(true) });
        let outcomes =
            [&waiting, &waiting, &waiting, &changed, &waiting, &changed].map(Outcome::clone);
        assert_eq!(waits_of(&outcomes), [1, 2, 4, 1, 1, 1]);
    }

    #[test]
    fn passes_that_change_something_every_time_become_rarer() {
        let changed = Outcome { changes: 1, ..outcome(true) };
        assert_eq!(waits(&changed, 9), [1, 1, 1, 1, 1, 1, 2, 4, 8]);
    }

    #[test]
    fn a_problem_that_a_person_has_to_solve_is_tried_ever_later() {
        let refused = Outcome { problem: Some("no".into()), ..outcome(false) };
        assert_eq!(waits(&refused, 6), [300, 600, 1200, 2400, 3600, 3600]);
    }

    #[test]
    fn the_first_pass_is_due_when_somebody_asks() {
        let until = Timestamp::NEVER;
        assert_eq!(State::default().claim("a", NOW, LEASE), PassClaim::NotDue { until });
        let expected = ClaimedPass { number: 1, asked: Asked::Pass, repeats: Repeats::default() };
        assert_eq!(claimed(asked().claim("a", NOW, LEASE)), expected);
    }

    #[test]
    fn after_a_pass_the_next_one_is_due_at_its_time() {
        let mut state = asked();
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        assert!(state.release(number, release(after(300), Some(outcome(false)))));
        assert_eq!(state.last.as_ref().map(|last| &last.outcome), Some(&outcome(false)));
        assert_eq!(state.claim("a", after(299), LEASE), PassClaim::NotDue { until: after(300) });
        assert_eq!(claimed(state.claim("a", after(300), LEASE)).asked, Asked::Nothing);
    }

    #[test]
    fn the_process_that_ran_the_last_pass_is_first_unless_somebody_asks() {
        let mut state = asked();
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        state.release(number, release(after(300), Some(outcome(false))));
        assert_eq!(state.claim("b", after(302), LEASE), PassClaim::NotDue { until: after(303) });
        let mut asked = state.clone();
        asked.ask(Asked::Pass);
        assert_eq!(claimed(asked.claim("b", after(1), LEASE)).asked, Asked::Pass);
        assert_eq!(claimed(state.claim("b", after(303), LEASE)).asked, Asked::Nothing);
    }

    #[test]
    fn one_process_at_a_time_runs_a_pass() {
        let mut state = asked();
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        let held = |until| PassClaim::HeldBy { instance: "a".into(), until };
        assert_eq!(state.claim("b", after(119), LEASE), held(after(120)));
        assert!(state.renew(number, after(119), LEASE));
        assert_eq!(state.claim("b", after(238), LEASE), held(after(239)));
        let asked = claimed(state.claim("b", after(239), LEASE)).asked;
        assert_eq!(asked, Asked::Recheck, "it may have been asked for");
        assert!(!state.renew(number, after(240), LEASE));
        assert!(!state.release(number, release(after(300), None)), "it is another's pass now");
        assert_eq!(state.holder.as_deref(), Some("b"));
    }

    #[test]
    fn a_process_that_claims_its_own_pass_again_begins_it_anew() {
        let mut state = asked();
        let first = claimed(state.claim("a", NOW, LEASE)).number;
        let second = claimed(state.claim("a", after(1), LEASE)).number;
        assert!(second > first && !state.renew(first, after(2), LEASE));
    }

    #[test]
    fn a_request_during_a_pass_leads_to_another_one() {
        let mut state = asked();
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        state.ask(Asked::Recheck);
        state.ask(Asked::Pass);
        assert!(state.release(number, release(after(300), None)));
        let second = claimed(state.claim("a", after(1), LEASE));
        assert_eq!(second.asked, Asked::Recheck);
        assert!(state.release(second.number, release(after(300), None)));
        assert_eq!(state.claim("a", after(2), LEASE), PassClaim::NotDue { until: after(300) });
    }

    #[test]
    fn a_pass_that_was_given_back_keeps_the_outcome_before_and_what_was_asked() {
        let mut state = asked();
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        state.release(number, release(NOW, Some(outcome(true))));
        let number = claimed(state.claim("a", NOW, LEASE)).number;
        let repeats = Repeats { changing: 1, idle: 3 };
        let given_back = Release { asked: Asked::Pass, repeats, ..release(NOW, None) };
        assert!(state.release(number, given_back));
        assert_eq!(state.last.as_ref().map(|last| &last.outcome), Some(&outcome(true)));
        let expected = ClaimedPass { number: 3, asked: Asked::Pass, repeats };
        assert_eq!(claimed(state.claim("b", NOW, LEASE)), expected);
    }
}
