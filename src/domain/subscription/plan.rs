//! The plan for the subscriptions of an organization: step by step, each with its reason.
//!
//! It follows from the current state alone. So a step that failed, or that somebody else did
//! meanwhile, needs no record. One rule is above all others: a subscription that delivers is kept
//! until another one has proved that it delivers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::time::Timestamp;
use super::desired::Desired;
use super::found::{Found, OwnedHook, State};
use super::hook_scope::{HookScope, Topic};
use super::name::HookName;
use super::step::{Action, Change, Kind, Step};

/// The wait before the second attempt to heal, doubled with each further one.
const HEAL_AGAIN: Duration = Duration::from_secs(60);
const HEAL_AGAIN_MAX: Duration = Duration::from_secs(3_600);

/// What the store knows of a hook scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Counts secrets; the desired hook has this one.
    pub generation: u32,
    /// Secrets from this one on are accepted.
    pub live_from: u32,
    /// Something was delivered to the desired hook.
    pub is_proved: bool,
    /// When the newest secret was made.
    pub renewed_at: Timestamp,
    /// How many secrets in a row were made to heal a subscription.
    pub healings: u32,
}

/// The settings that differ. Only what we set ourselves counts, and an absent setting is empty.
pub fn differences(desired: &Desired, found: &Found) -> Vec<Change> {
    let value = |field: &String| found.settings.get(field).cloned().unwrap_or_default();
    let differs = desired.settings.iter().filter(|(field, to)| value(field) != **to);
    differs
        .map(|(field, to)| Change { field: field.clone(), from: value(field), to: to.clone() })
        .collect()
}

/// Makes the plan. `known` answers for each desired scope. `is_seen` tells whether our identity
/// sees what a subscription covers; otherwise it is kept, since that may only be hidden.
pub fn plan(
    desired: &[Desired],
    owned: &[OwnedHook],
    known: &dyn Fn(&HookScope) -> Known,
    is_seen: &dyn Fn(&HookScope) -> bool,
    now: Timestamp,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for desired in desired {
        let hook_scope = &desired.hook_scope;
        let mut candidates: Vec<&OwnedHook> =
            owned.iter().filter(|one| one.found.is_at(hook_scope)).collect();
        candidates.sort_by_key(|one| (one.found.created_at, one.found.id.clone()));
        let scope_plan = ScopePlan { desired, known: known(hook_scope), now };
        steps.extend(scope_plan.steps(&candidates));
    }
    let is_desired = |found: &Found| desired.iter().any(|desired| found.is_at(&desired.hook_scope));
    // A hook of the whole organization stays until every project has a good one of its own.
    let unfinished: BTreeSet<Topic> = steps
        .iter()
        .filter_map(|step| step.hook_scope.as_ref())
        .map(|hook_scope| hook_scope.topic)
        .collect();
    let orphans = owned.iter().filter(|one| !is_desired(&one.found));
    steps.extend(orphans.map(|one| orphan(one, is_seen, &unfinished)));
    steps
}

/// The plan that removes every subscription of ours.
pub fn removal_of_all(owned: &[OwnedHook]) -> Vec<Step> {
    let reason = "an operator asked for the removal of all hooks";
    owned.iter().map(|one| Step::removal(one, reason.to_owned())).collect()
}

/// A subscription that no check needs.
fn orphan(
    one: &OwnedHook,
    is_seen: &dyn Fn(&HookScope) -> bool,
    unfinished: &BTreeSet<Topic>,
) -> Step {
    let found = &one.found;
    match found.hook_scope() {
        _ if found.state == State::DisabledByUser => disabled_by_user(one),
        None if unfinished.contains(&found.topic) => {
            let reason = "it is removed when every project has a hook of its own";
            Step::of(one, Kind::Wait, Action::Nothing, reason.into())
        }
        None => {
            let reason = "it covers the whole organization; each project has a hook of its own";
            Step::removal(one, reason.into())
        }
        Some(hook_scope) if is_seen(&hook_scope) => {
            Step::removal(one, format!("no check needs {} of this project", found.topic))
        }
        Some(_) => {
            let reason = "the identity cannot see its project, so the hook is kept: let the \
                          identity read the project, or delete the hook";
            Step::report(one, reason)
        }
    }
}

fn disabled_by_user(one: &OwnedHook) -> Step {
    let reason = "a person switched it off: switch it on in Project settings > Service hooks, or \
                  delete it there, and the gateway creates a new one";
    Step::report(one, reason)
}

/// One scope and its desired subscription.
struct ScopePlan<'a> {
    desired: &'a Desired,
    known: Known,
    now: Timestamp,
}

impl ScopePlan<'_> {
    fn steps(&self, candidates: &[&OwnedHook]) -> Vec<Step> {
        let (off, rest): (Vec<&OwnedHook>, Vec<&OwnedHook>) = candidates
            .iter()
            .partition(|one| matches!(one.found.state, State::DisabledByUser | State::Unknown));
        let mut steps: Vec<Step> = off.iter().map(|one| self.left(one)).collect();
        let stopped: Vec<&OwnedHook> =
            rest.iter().copied().filter(|one| one.found.state.is_stopped()).collect();
        if let Some(keeper) = rest.iter().find(|one| self.is_good(one)) {
            steps.extend(self.with_good(keeper, &rest));
        } else if let Some(closest) = self.closest(&rest) {
            steps.push(self.change(closest));
        } else if !off.is_empty() {
            // A person switched one off, so none is created, whichever others are stopped.
        } else if stopped.is_empty() {
            steps.push(self.creation(Kind::Addition, Action::Create, "there is none".into()));
        } else {
            steps.extend(self.healing(&stopped));
        }
        steps
    }

    fn is_good(&self, one: &OwnedHook) -> bool {
        one.found.state == State::Enabled
            && one.hook == self.desired.hook
            && differences(self.desired, &one.found).is_empty()
    }

    /// The enabled one that needs the fewest changes; of equals the oldest.
    fn closest<'o>(&self, rest: &[&'o OwnedHook]) -> Option<&'o OwnedHook> {
        let enabled = rest.iter().filter(|one| one.found.state == State::Enabled);
        enabled.min_by_key(|one| differences(self.desired, &one.found).len()).copied()
    }

    fn change(&self, one: &OwnedHook) -> Step {
        let changes = differences(self.desired, &one.found);
        let reason = match HookName::parse(&one.hook) {
            Some(name) if name.generation < self.known.generation => {
                "it still has an older secret".to_owned()
            }
            _ => {
                let fields: Vec<&str> = changes.iter().map(|one| one.field.as_str()).collect();
                format!("these settings differ: {}", fields.join(", "))
            }
        };
        let id = one.found.id.clone();
        Step::of(one, Kind::Change, Action::Change { id, changes }, reason)
    }

    fn left(&self, one: &OwnedHook) -> Step {
        match one.found.state {
            State::Unknown => {
                let reason = "it is in a state that this version does not know, so it is kept: \
                              look at it in Project settings > Service hooks";
                Step::report(one, reason)
            }
            _ => disabled_by_user(one),
        }
    }

    /// There is a good one: the others are removed once it has delivered.
    fn with_good(&self, keeper: &OwnedHook, rest: &[&OwnedHook]) -> Vec<Step> {
        let (mut steps, mut waiting) = (Vec::new(), 0);
        let kept = &keeper.found.id;
        for other in rest.iter().filter(|other| other.found.id != *kept) {
            if self.is_good(other) {
                steps.push(Step::removal(other, format!("it is a duplicate of {kept}")));
            } else if self.known.is_proved {
                let reason = format!("it is {} and {kept} delivers instead", other.found.state);
                steps.push(Step::removal(other, reason));
            } else {
                waiting += 1;
            }
        }
        let has_old_secret = self.known.live_from < self.known.generation;
        if !self.known.is_proved && (waiting > 0 || has_old_secret) {
            let what = if waiting > 0 { "the old one is removed" } else { "the old secret ends" };
            let reason = format!("{what} when a test notification to this one has arrived");
            let id = kept.clone();
            steps.push(Step::of(keeper, Kind::Wait, Action::Test { id }, reason));
        }
        steps
    }

    /// Azure DevOps has stopped all of them: a new one is created, and one of them stays until it
    /// delivers.
    fn healing(&self, stopped: &[&OwnedHook]) -> Vec<Step> {
        // The one with the newest secret shows that the last attempt to heal failed. One on
        // probation may still deliver the event that Azure DevOps repeats.
        let has_newest = |one: &&&OwnedHook| one.hook == self.desired.hook;
        let is_on_probation = |one: &&&OwnedHook| one.found.state == State::OnProbation;
        let kept = stopped.iter().find(has_newest).or(stopped.iter().find(is_on_probation));
        let Some(kept) = kept.or(stopped.first()) else { return Vec::new() };
        let id = &kept.found.id;
        let others = stopped.iter().filter(|other| other.found.id != *id);
        let mut steps: Vec<Step> = others
            .map(|other| Step::removal(other, format!("{id} is kept until a new one delivers")))
            .collect();
        let (state, again_at) = (kept.found.state, self.heal_again_at());
        let is_used = stopped.iter().any(|one| one.hook == self.desired.hook);
        if is_used && self.now < again_at {
            let reason = format!(
                "it is {state}; {} new ones in a row got no delivery: the next one is created \
                 after {again_at}",
                self.known.healings
            );
            steps.push(Step::of(kept, Kind::Wait, Action::Nothing, reason));
            return steps;
        }
        let action = if is_used { Action::Renew } else { Action::Create };
        let reason = format!("{id} is {state}: a new one is created beside it");
        steps.push(self.creation(Kind::Healing, action, reason));
        steps
    }

    /// At once where the newest one has delivered: then the last healing succeeded.
    fn heal_again_at(&self) -> Timestamp {
        if self.known.is_proved {
            return Timestamp::ZERO;
        }
        let Some(doublings) = self.known.healings.checked_sub(1) else { return Timestamp::ZERO };
        let wait = HEAL_AGAIN.saturating_mul(1 << doublings.min(16));
        self.known.renewed_at.plus(wait.min(HEAL_AGAIN_MAX))
    }

    fn creation(&self, kind: Kind, action: Action, reason: String) -> Step {
        Step { kind, action, hook_scope: Some(self.desired.hook_scope.clone()), id: None, reason }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
