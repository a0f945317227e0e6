//! What to do when refs were pushed: branches and tags, created, moved and deleted, one by one.
//!
//! Every push of a matching ref gets its run, late or not, since each commit wants its status; the
//! same push told twice gets one. It must never take a head from the list of commits.

use serde::{Deserialize, Serialize};

use super::super::check::{Check, Trigger};
use super::super::event::{Event, Repository, short};
use super::super::fact::{Push, RefUpdate};
use super::super::id::RunId;
use super::super::run::{self, Advance, Run, State};
use super::super::time::Timestamp;
use super::{Decision, Outcome, Plan, Source, Told, answers, is_of, plan, sentence};

/// A ref as we keep it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedRef {
    pub repository: Repository,
    pub name: String,
    /// None once deleted.
    pub head: Option<String>,
    pub push_id: Option<i64>,
}

/// What we know of a ref when a push to it is told to us.
#[derive(Clone, Debug, Default)]
pub struct KnownRef {
    pub remembered: Option<RememberedRef>,
    /// The push runs of this ref: those that go on, and the latest ended ones.
    pub runs: Vec<Run>,
}

/// Decides about a push; `known` has one entry per update, in the same order.
pub fn on_push(
    checks: &[Check],
    told: &Told<'_>,
    push: &Push,
    known: &[KnownRef],
    new_id: &mut dyn FnMut() -> RunId,
    now: Timestamp,
) -> Decision {
    let event = push.updates.first().map_or(Event::OtherRefUpdated, RefUpdate::event);
    let mut decision = Decision::nothing(Outcome::Ignored, event, "the push moves no ref");
    let (mut findings, mut repeats) = (Vec::new(), 0_usize);
    for (update, known) in push.updates.iter().zip(known) {
        let mut step = Step { checks, told, push, update, known, now, new_id };
        if step.is_repeat() {
            repeats += 1;
            findings.push(format!("{} known already", step.headline()));
            continue;
        }
        decision.refs.extend(step.remember());
        let found = step.run(&mut decision);
        findings.push(sentence(&step.headline(), &found, &step.otherwise()));
    }
    if !findings.is_empty() {
        decision.reason = findings.join(". ");
    }
    decision.outcome = match () {
        () if !decision.planned.is_empty() => Outcome::Started,
        () if repeats > 0 && repeats == push.updates.len() => Outcome::Duplicate,
        () => Outcome::Ignored,
    };
    decision
}

/// The working set for one ref of the push.
struct Step<'a, 'n> {
    checks: &'a [Check],
    told: &'a Told<'a>,
    push: &'a Push,
    update: &'a RefUpdate,
    known: &'a KnownRef,
    now: Timestamp,
    new_id: &'n mut dyn FnMut() -> RunId,
}

impl Step<'_, '_> {
    /// The ref stands where this push put it: somebody told us before.
    fn is_repeat(&self) -> bool {
        let same_head = |known: &RememberedRef| known.head == self.update.new;
        self.told.source != Source::Replay && self.known.remembered.as_ref().is_some_and(same_head)
    }

    /// A push that was overtaken by a later one which we know already.
    fn is_overtaken(&self) -> bool {
        let Some(known) = &self.known.remembered else { return false };
        match (self.push.push_id, known.push_id) {
            (Some(told), Some(known)) => told < known,
            // Catch-up tells a head without a number: what does not go on from it came before it.
            (Some(_), None) => self.update.old != known.head,
            (None, _) => false,
        }
    }

    fn remember(&self) -> Option<RememberedRef> {
        if self.is_overtaken() {
            return None;
        }
        Some(RememberedRef {
            repository: self.push.repository.clone(),
            name: self.update.name.clone(),
            head: self.update.new.clone(),
            push_id: self.push.push_id,
        })
    }

    fn run(&mut self, decision: &mut Decision) -> Vec<String> {
        let mut found = Vec::new();
        let Some(commit) = self.update.new.as_deref() else {
            if self.is_overtaken() {
                return vec!["nothing cancelled, since the ref was created again".into()];
            }
            for run in self.known.runs.iter().filter(|run| !run.state.is_final()) {
                let why = format!("{} was deleted", self.update.name);
                if let Advance::To(run) = run::end(run, State::Cancelled, why, self.now) {
                    found.push(format!("{} cancelled", run.check));
                    decision.ended.push(*run);
                }
            }
            return found;
        };
        let Told { organization, former_names, .. } = self.told;
        for check in self.checks {
            if !check.watches(organization, &self.push.repository, former_names) {
                continue;
            }
            match self.start(check, commit) {
                None => {}
                Some(Ok(run)) => {
                    found.push(format!("{} started", check.name));
                    decision.planned.push(run);
                }
                Some(Err(why)) => found.push(format!("{} not started, since {why}", check.name)),
            }
        }
        found
    }

    fn start(&mut self, check: &Check, commit: &str) -> Option<Result<Run, String>> {
        let admitted = match self.update.branch() {
            Some(branch) if check.is_on(Trigger::Push) => {
                check.admits_branch(branch, &self.push.messages)
            }
            None if check.is_on(Trigger::Tag) && self.update.name.starts_with("refs/tags/") => {
                check.admits_messages(self.push.messages.iter())
            }
            _ => return None,
        };
        if let Err(why) = admitted {
            return Some(Err(why));
        }
        let ran = |run: &Run| is_of(run, check) && run.commit == commit;
        let has_run = match self.told.source {
            // Whoever replays wants what has no answer yet: what was cancelled or broke, too.
            Source::Replay => self.known.runs.iter().any(|run| answers(run, check, commit)),
            // It may have looked before the push that we know came.
            Source::CatchUp => self.known.runs.iter().any(ran),
            Source::Hook => self.is_overtaken() && self.known.runs.iter().any(ran),
        };
        if has_run {
            return Some(Err(format!("it ran on {} already", short(commit))));
        }
        let work = Plan {
            organization: self.told.organization,
            repository: &self.push.repository,
            commit,
            git_ref: &self.update.name,
            pull_request: None,
            reason: self.headline(),
        };
        Some(Ok(plan(check, work, (self.new_id)(), self.now)))
    }

    /// `branch main pushed at 1234abcd`.
    fn headline(&self) -> String {
        let name = self.update.name.as_str();
        let name = name
            .strip_prefix("refs/heads/")
            .or_else(|| name.strip_prefix("refs/tags/"))
            .unwrap_or(name);
        let event = self.update.event();
        let event = event.as_str().replace('_', " ");
        let (kind, what) = event.rsplit_once(' ').unwrap_or(("ref", "updated"));
        match &self.update.new {
            Some(commit) => format!("{kind} {name} {what} at {}", short(commit)),
            None => format!("{kind} {name} {what}"),
        }
    }

    fn otherwise(&self) -> String {
        if self.update.new.is_none() {
            return "nothing to run".into();
        }
        let Repository { project, name, .. } = &self.push.repository;
        format!("no check watches {project}/{name} for this")
    }
}
