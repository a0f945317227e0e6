//! What to do about the difference between the subscriptions that there are to be and those that
//! there are: step by step, each with its reason.
//!
//! Level-triggered: the plan follows from what is there now, so a step that failed, or that
//! somebody else did meanwhile, needs no memory. One rule is above all others: what delivers is
//! kept until something else has proved that it delivers, too. It must never carry a step out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::time::Timestamp;
use super::{Found, HookName, HookScope, State, Topic, Wanted};

/// The wait before a hook_scope is healed once more, doubled each time.
const HEAL_AGAIN: Duration = Duration::from_secs(60);
const HEAL_AGAIN_MAX: Duration = Duration::from_secs(3_600);

/// A subscription that delivers to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedHook {
    pub found: Found,
    /// The last part of its URL.
    pub hook: String,
}

/// What our own hook_state say of a hook_scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Counts secrets; the wanted hook has this one.
    pub generation: u32,
    /// Secrets from this one on are still taken.
    pub live_from: u32,
    /// Something was delivered to the wanted hook.
    pub is_proved: bool,
    /// When the newest secret came, and how many came in a row to heal.
    pub renewed_at: Timestamp,
    pub healings: u32,
}

/// What a step does, in one word for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Addition,
    Change,
    Healing,
    Removal,
    /// Goes on by itself when something has happened.
    Wait,
    /// Is left to a person.
    Report,
}

impl Kind {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Addition => "add",
            Kind::Change => "change",
            Kind::Healing => "heal",
            Kind::Removal => "remove",
            Kind::Wait => "wait",
            Kind::Report => "leave",
        }
    }
}

/// One setting that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub field: String,
    pub from: String,
    pub to: String,
}

/// What is to be done at Azure DevOps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Create the wanted one.
    Create,
    /// Count the secret on, and create the wanted one with the new secret.
    Renew,
    /// Replace this one by the wanted one.
    Change {
        id: String,
        changes: Vec<Change>,
    },
    /// Have a test notification delivered.
    Test {
        id: String,
    },
    Remove {
        id: String,
    },
    Nothing,
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub kind: Kind,
    pub act: Act,
    /// None for one that is about the whole organization.
    pub hook_scope: Option<HookScope>,
    /// The subscription that it is about, where there is one.
    pub id: Option<String>,
    pub why: String,
}

impl Step {
    /// Whether there is something to do that is not left to a person.
    pub fn is_due(&self) -> bool {
        self.kind != Kind::Report
    }
}

/// The differences that count: in what we set ourselves, a value that is not there being empty.
pub fn differences(wanted: &Wanted, found: &Found) -> Vec<Change> {
    let of = |field: &String| found.settings.get(field).cloned().unwrap_or_default();
    let differs = wanted.settings.iter().filter(|(field, to)| of(field) != **to);
    differs
        .map(|(field, to)| Change { field: field.clone(), from: of(field), to: to.clone() })
        .collect()
}

/// The whole plan. `known` answers for each wanted hook_scope; `projects` are those that our
/// identity sees: what lies elsewhere is not touched, since it may only be hidden.
pub fn plan(
    wanted: &[Wanted],
    ours: &[OwnedHook],
    known: &dyn Fn(&HookScope) -> Known,
    projects: &BTreeSet<String>,
    now: Timestamp,
) -> Vec<Step> {
    let mut steps = Vec::new();
    for wanted in wanted {
        let hook_scope = &wanted.hook_scope;
        let mut candidates: Vec<&OwnedHook> =
            ours.iter().filter(|one| is_at(&one.found, hook_scope)).collect();
        candidates.sort_by_key(|one| (one.found.created_at, one.found.id.clone()));
        let at = At { wanted, known: known(hook_scope), now };
        steps.extend(at.plan(&candidates));
    }
    let is_wanted = |found: &Found| wanted.iter().any(|wanted| is_at(found, &wanted.hook_scope));
    // What one hook tells of all projects is told by each project's own before it goes.
    let lacking: BTreeSet<Topic> = steps
        .iter()
        .filter_map(|step| step.hook_scope.as_ref())
        .map(|hook_scope| hook_scope.topic)
        .collect();
    let orphans = ours.iter().filter(|one| !is_wanted(&one.found));
    steps.extend(orphans.map(|one| orphan(one, projects, &lacking)));
    steps
}

/// The plan that leaves none of ours.
pub fn farewell(ours: &[OwnedHook]) -> Vec<Step> {
    ours.iter().map(|one| removal(one, "an operator took the hooks away".into())).collect()
}

fn is_at(found: &Found, hook_scope: &HookScope) -> bool {
    found.topic == hook_scope.topic && found.project_id.as_ref() == Some(&hook_scope.project_id)
}

fn place_of(found: &Found) -> Option<HookScope> {
    let project_id = found.project_id.clone()?;
    Some(HookScope { project_id, topic: found.topic })
}

fn orphan(one: &OwnedHook, projects: &BTreeSet<String>, lacking: &BTreeSet<Topic>) -> Step {
    let found = &one.found;
    match &found.project_id {
        _ if found.state == State::DisabledByUser => by_user(one),
        None if lacking.contains(&found.topic) => {
            let why = "it is removed when every project has one of its own";
            step(Kind::Wait, Act::Nothing, one, why.into())
        }
        None => removal(one, "it is about the whole organization; ours are about projects".into()),
        Some(project) if projects.contains(project) => {
            removal(one, format!("no check needs {} of this project", found.topic))
        }
        Some(_) => {
            let why = "its project is not visible: let the identity read it, or remove the hook";
            report(one, why.into())
        }
    }
}

fn step(kind: Kind, act: Act, one: &OwnedHook, why: String) -> Step {
    Step { kind, act, hook_scope: place_of(&one.found), id: Some(one.found.id.clone()), why }
}

fn removal(one: &OwnedHook, why: String) -> Step {
    step(Kind::Removal, Act::Remove { id: one.found.id.clone() }, one, why)
}

fn report(one: &OwnedHook, why: String) -> Step {
    step(Kind::Report, Act::Nothing, one, why)
}

fn by_user(one: &OwnedHook) -> Step {
    let why = "a person switched it off: switch it on in Project settings > Service hooks, or \
               delete it there and the gateway makes a new one";
    report(one, why.into())
}

fn is_broken(one: &&OwnedHook) -> bool {
    matches!(
        one.found.state,
        State::OnProbation | State::DisabledBySystem | State::DisabledByInactiveIdentity
    )
}

/// One hook_scope and what is to be there.
struct At<'a> {
    wanted: &'a Wanted,
    known: Known,
    now: Timestamp,
}

impl At<'_> {
    fn plan(&self, candidates: &[&OwnedHook]) -> Vec<Step> {
        let (off, rest): (Vec<&OwnedHook>, Vec<&OwnedHook>) = candidates
            .iter()
            .partition(|one| matches!(one.found.state, State::DisabledByUser | State::Unknown));
        let mut steps: Vec<Step> = off.iter().map(|one| self.left(one)).collect();
        let is_good = |one: &&&OwnedHook| self.is_good(one);
        let broken: Vec<&OwnedHook> = rest.iter().copied().filter(is_broken).collect();
        if let Some(keeper) = rest.iter().find(is_good) {
            steps.extend(self.kept(keeper, &rest));
        } else if let Some(closest) = self.closest(&rest) {
            let changes = differences(self.wanted, &closest.found);
            let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
            let why = match HookName::parse(&closest.hook) {
                Some(name) if name.generation < self.known.generation => {
                    "its secret is an older one".to_owned()
                }
                _ => format!("{} not as it should be", fields.join(", ")),
            };
            let id = closest.found.id.clone();
            steps.push(step(Kind::Change, Act::Change { id, changes }, closest, why));
        } else if !off.is_empty() {
            // Somebody wants it so. Broken ones beside it change nothing about that.
        } else if broken.is_empty() {
            steps.push(self.creation(Kind::Addition, Act::Create, "there is none".into()));
        } else {
            steps.extend(self.healed(&broken));
        }
        steps
    }

    fn is_good(&self, one: &OwnedHook) -> bool {
        one.found.state == State::Enabled
            && one.hook == self.wanted.hook
            && differences(self.wanted, &one.found).is_empty()
    }

    /// The enabled one that needs the least change; of equals the oldest.
    fn closest<'o>(&self, rest: &[&'o OwnedHook]) -> Option<&'o OwnedHook> {
        let enabled = rest.iter().filter(|one| one.found.state == State::Enabled);
        enabled.min_by_key(|one| differences(self.wanted, &one.found).len()).copied()
    }

    fn left(&self, one: &OwnedHook) -> Step {
        match one.found.state {
            State::Unknown => {
                report(one, "it is in a state that this version does not know".into())
            }
            _ => by_user(one),
        }
    }

    /// There is a good one: nothing else is needed, once it has proved itself.
    fn kept(&self, keeper: &OwnedHook, rest: &[&OwnedHook]) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut waiting = 0;
        for other in rest.iter().filter(|other| other.found.id != keeper.found.id) {
            let kept = &keeper.found.id;
            if self.is_good(other) {
                steps.push(removal(other, format!("it is a duplicate of {kept}")));
            } else if self.known.is_proved {
                let state = other.found.state;
                steps.push(removal(other, format!("{kept} delivers in its hook_scope ({state})")));
            } else {
                waiting += 1;
            }
        }
        let retires = self.known.live_from < self.known.generation;
        if !self.known.is_proved && (waiting > 0 || retires) {
            let what = if waiting > 0 { "the old one is removed" } else { "the old secret ends" };
            let why = format!("when its test notification has arrived, {what}");
            let id = keeper.found.id.clone();
            steps.push(step(Kind::Wait, Act::Test { id }, keeper, why));
        }
        steps
    }

    /// Only broken ones: a new one is made beside one of them, the others go.
    fn healed(&self, broken: &[&OwnedHook]) -> Vec<Step> {
        // The one with the wanted secret tells how often a healing came to nothing; one on
        // probation may still deliver what it holds.
        let has_newest = |one: &&&OwnedHook| one.hook == self.wanted.hook;
        let is_on_probation = |one: &&&OwnedHook| one.found.state == State::OnProbation;
        let kept = broken.iter().find(has_newest).or(broken.iter().find(is_on_probation));
        let Some(kept) = kept.or(broken.first()) else { return Vec::new() };
        let others = broken.iter().filter(|other| other.found.id != kept.found.id);
        let mut steps: Vec<Step> = others
            .map(|other| {
                removal(other, format!("{} is kept until a new one delivers", kept.found.id))
            })
            .collect();
        let state = kept.found.state;
        let again_at = self.again_at();
        let is_used = broken.iter().any(|one| one.hook == self.wanted.hook);
        if is_used && self.now < again_at {
            let why = format!(
                "{state}, and healed {} times without a delivery: tried again after {again_at}",
                self.known.healings
            );
            steps.push(step(Kind::Wait, Act::Nothing, kept, why));
            return steps;
        }
        let act = if is_used { Act::Renew } else { Act::Create };
        let why = format!("{} is {state}: a new one is made beside it", kept.found.id);
        steps.push(self.creation(Kind::Healing, act, why));
        steps
    }

    /// At once, where the newest one has delivered: then that healing came to something.
    fn again_at(&self) -> Timestamp {
        if self.known.is_proved {
            return Timestamp::ZERO;
        }
        let Some(doublings) = self.known.healings.checked_sub(1) else { return Timestamp::ZERO };
        let wait = HEAL_AGAIN.saturating_mul(1 << doublings.min(16));
        self.known.renewed_at.plus(wait.min(HEAL_AGAIN_MAX))
    }

    fn creation(&self, kind: Kind, act: Act, why: String) -> Step {
        Step { kind, act, hook_scope: Some(self.wanted.hook_scope.clone()), id: None, why }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
