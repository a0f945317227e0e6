//! Decides about a push: branches and tags that were created, moved and deleted, one by one.
//!
//! Every push of a matching ref gets a run, a late one too, since each commit needs its status; a
//! push that is delivered twice gets one.

use serde::{Deserialize, Serialize};

use super::super::changed_files::{Base, ChangedFiles, Comparison};
use super::super::check::{Check, Mismatch, Trigger};
use super::super::check_outcome::CheckOutcome;
use super::super::event::{Event, Repository, short};
use super::super::fact::{Push, RefUpdate};
use super::super::id::RunId;
use super::super::question::Question;
use super::super::run::{self, Advance, Run, State};
use super::super::time::Timestamp;
use super::pull_request::although_unknown;
use super::{Decision, Observation, Outcome, Plan, Source, answers, is_of, plan, sentence};

/// The stored state of a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RememberedRef {
    pub repository: Repository,
    pub name: String,
    /// None once deleted.
    pub head: Option<String>,
    pub push_id: Option<i64>,
    /// Ids of the latest pushes that catch-up found, ascending: a late hook delivery of one of them
    /// is a duplicate.
    #[serde(default)]
    pub settled: Vec<i64>,
}

/// Ids that are kept: a hook delivery is not expected to be later than so many pushes of one ref.
const SETTLED_MAX: usize = 64;

/// The stored state that a decision is based on.
#[derive(Clone, Debug, Default)]
pub struct KnownRef {
    pub remembered: Option<RememberedRef>,
    /// The push runs of this ref: live ones, and the latest final ones.
    pub runs: Vec<Run>,
}

/// Decides about a push; `known` has one entry per update, in the same order.
pub fn on_push(
    checks: &[Check],
    observation: &Observation<'_>,
    push: &Push,
    known: &[KnownRef],
    new_id: &mut dyn FnMut() -> RunId,
    now: Timestamp,
) -> Decision {
    if let Some(since) = observation.is_past() {
        return past(observation, push, known, since);
    }
    let event = push.updates.first().map_or(Event::OtherRefUpdated, RefUpdate::event);
    let mut decision = Decision::nothing(Outcome::Ignored, event, "the push moves no ref");
    let (mut findings, mut repeats) = (Vec::new(), 0_usize);
    for (update, known) in push.updates.iter().zip(known) {
        let mut step = Step { checks, at: At { observation, push, update, known }, now, new_id };
        if step.at.is_repeat() {
            repeats += 1;
            findings.push(format!("{} is known already", headline(update)));
            continue;
        }
        decision.refs.extend(step.at.remember());
        let found = step.run(&mut decision);
        findings.push(sentence(&headline(update), &found, &step.otherwise()));
    }
    if !findings.is_empty() {
        decision.reason = findings.join(". ");
    }
    decision.outcome = if !decision.planned.is_empty() {
        Outcome::Started
    } else if repeats > 0 && repeats == push.updates.len() {
        Outcome::Duplicate
    } else {
        Outcome::Ignored
    };
    decision
}

/// A push that is older than the watch: stored, so that it is known later, and starts nothing.
fn past(
    observation: &Observation<'_>,
    push: &Push,
    known: &[KnownRef],
    since: Timestamp,
) -> Decision {
    let event = push.updates.first().map_or(Event::OtherRefUpdated, RefUpdate::event);
    let Repository { project, name, .. } = &push.repository;
    let what = match push.updates.as_slice() {
        [only] => headline(only),
        several => format!("{} refs", several.len()),
    };
    let reason =
        format!("{what}: older than the watch on {project}/{name} (since {since}): recorded only");
    let updates = push.updates.iter().zip(known);
    let updates = updates.map(|(update, known)| At { observation, push, update, known });
    Decision {
        refs: updates.filter(|at| !at.is_repeat()).filter_map(|at| at.remember()).collect(),
        ..Decision::nothing(Outcome::Ignored, event, reason)
    }
}

/// `branch main pushed at 1234abcd`.
fn headline(update: &RefUpdate) -> String {
    let name = update.name.as_str();
    let name = name
        .strip_prefix("refs/heads/")
        .or_else(|| name.strip_prefix("refs/tags/"))
        .unwrap_or(name);
    let event = update.event();
    let event = event.as_str().replace('_', " ");
    let (kind, what) = event.rsplit_once(' ').unwrap_or(("ref", "updated"));
    match &update.new {
        Some(commit) => format!("{kind} {name} {what} at {}", short(commit)),
        None => format!("{kind} {name} {what}"),
    }
}

/// One ref of a push, and its stored state.
#[derive(Clone, Copy)]
struct At<'a> {
    observation: &'a Observation<'a>,
    push: &'a Push,
    update: &'a RefUpdate,
    known: &'a KnownRef,
}

impl At<'_> {
    /// The push is known: the ref has its commit already, or catch-up found the push.
    fn is_repeat(&self) -> bool {
        let is_known = |known: &RememberedRef| {
            let is_settled =
                self.push.push_id.is_some_and(|observation| known.settled.contains(&observation));
            known.head == self.update.new || is_settled
        };
        self.observation.source != Source::Replay
            && self.known.remembered.as_ref().is_some_and(is_known)
    }

    /// Whether a later push of the ref is known already.
    fn is_overtaken(&self) -> bool {
        let Some(known) = &self.known.remembered else { return false };
        match (self.push.push_id, known.push_id) {
            (Some(observation), Some(known)) => observation < known,
            // Catch-up stores a head without a push id: a push that does not start from it is
            // older.
            (Some(_), None) => self.update.old != known.head,
            // Catch-up compared with a head that has changed since.
            (None, _) => self.observation.source != Source::Hook && self.update.old != known.head,
        }
    }

    fn remember(&self) -> Option<RememberedRef> {
        let known = self.known.remembered.as_ref();
        let is_caught_up = self.observation.source == Source::CatchUp;
        let news = self.push.push_id.filter(|_| is_caught_up);
        let mut settled = known.map_or_else(Vec::new, |known| known.settled.clone());
        settled.extend(news);
        settled.sort_unstable();
        settled.drain(..settled.len().saturating_sub(SETTLED_MAX));
        if self.is_overtaken() {
            // The newer head stays; only the id of this push is added.
            let known = known.filter(|_| news.is_some());
            return known.map(|known| RememberedRef { settled, ..known.clone() });
        }
        Some(RememberedRef {
            repository: self.push.repository.clone(),
            name: self.update.name.clone(),
            head: self.update.new.clone(),
            push_id: self.push.push_id,
            settled,
        })
    }

    /// Whether the ref was pushed again before catch-up found this push.
    fn is_passed_over(&self) -> bool {
        let is_it = |name: &String| *name == self.update.name;
        self.observation
            .caught_up
            .is_some_and(|found| found.catch_up_meta.passed_over.iter().any(is_it))
    }
}

impl At<'_> {
    /// The files that the push changes, where they matter to the check. What is not known yet is
    /// asked for.
    fn changed_files(
        &self,
        check: &Check,
        commit: &str,
        questions: &mut Vec<Question>,
    ) -> Option<ChangedFiles> {
        // A tag has no commits of its own.
        if !check.has_path_rules() || self.update.branch().is_none() {
            return None;
        }
        let Some(old) = &self.update.old else {
            return Some(ChangedFiles::Unknown("the branch is new".into()));
        };
        let base = Base::Commit(old.clone());
        let comparison = Comparison::new(&self.push.repository, base, commit, false);
        if let Some(files) = self.observation.answers.changed_files(&comparison) {
            return Some(files.clone());
        }
        let question = Question::ChangedFiles(comparison);
        if !questions.contains(&question) {
            questions.push(question);
        }
        None
    }
}

/// The working set for one ref of the push.
struct Step<'a, 'n> {
    checks: &'a [Check],
    at: At<'a>,
    now: Timestamp,
    new_id: &'n mut dyn FnMut() -> RunId,
}

impl Step<'_, '_> {
    fn run(&mut self, decision: &mut Decision) -> Vec<String> {
        let At { observation, push, update, known } = self.at;
        let mut found = Vec::new();
        let Some(commit) = update.new.as_deref() else {
            if self.at.is_overtaken() {
                return vec!["nothing cancelled: the ref was created again".into()];
            }
            for run in known.runs.iter().filter(|run| !run.state.is_final()) {
                let why = format!("{} was deleted", update.name);
                if let Advance::To(run) = run::end(run, State::Cancelled, why, self.now) {
                    found.push(format!("{} cancelled", run.check));
                    decision.checks.push(CheckOutcome::cancelled(&run));
                    decision.ended.push(*run);
                }
            }
            return found;
        };
        if self.at.is_passed_over() {
            return vec![
                "passed over: it was pushed to again before catch-up found this push".into(),
            ];
        }
        let Observation { organization, former_names, .. } = observation;
        for check in self.checks {
            if !check.watches(organization, &push.repository, former_names) {
                continue;
            }
            let questions = &mut decision.questions;
            match self.start(check, commit, questions) {
                None => {}
                Some(Ok((run, although))) => {
                    found.push(format!("{} started{although}", check.name));
                    decision.checks.push(CheckOutcome::started(&run, &although));
                    decision.planned.push(run);
                }
                Some(Err(mismatch)) => {
                    found.push(format!("{} not started: {}", check.name, mismatch.why));
                    decision.checks.push(CheckOutcome::not_started(&check.name, &mismatch));
                }
            }
        }
        found
    }

    /// The run of a check that the push starts, and the addition to a reason; none where the push
    /// is of no concern to the check.
    fn start(
        &mut self,
        check: &Check,
        commit: &str,
        questions: &mut Vec<Question>,
    ) -> Option<Result<(Run, String), Mismatch>> {
        let At { observation, push, update, known } = self.at;
        let admitted = match update.branch() {
            Some(branch) if check.is_on(Trigger::Push) => {
                check.admits_branch(branch, &push.messages)
            }
            None if check.is_on(Trigger::Tag) && update.name.starts_with("refs/tags/") => {
                check.admits_messages(push.messages.iter())
            }
            _ => return None,
        };
        if let Err(mismatch) = admitted {
            return Some(Err(mismatch));
        }
        let ran = |run: &Run| is_of(run, check) && run.commit == commit;
        let is_answered = || known.runs.iter().any(|run| answers(run, check, commit));
        let late = self.at.is_overtaken() && known.runs.iter().any(ran);
        let has_result = || {
            let newest = known.runs.iter().filter(|run| ran(run)).max_by_key(|run| run.id);
            check.reuse_results && newest.is_some_and(|newest| newest.state.is_verdict())
        };
        let has_run = has_result()
            || match observation.source {
                // A replay repeats runs that were cancelled or errored.
                Source::Replay => is_answered(),
                Source::CatchUp if push.push_id.is_some() => late || is_answered(),
                // Catch-up may have read the head before the stored push.
                Source::CatchUp => known.runs.iter().any(ran),
                Source::Hook => late,
            };
        if has_run {
            let why = format!("it has already run on {}", short(commit));
            return Some(Err(Mismatch::other(why)));
        }
        let files = self.at.changed_files(check, commit, questions);
        if let Some(why) = files.as_ref().and_then(|files| files.mismatch(check)) {
            return Some(Err(Mismatch::of("paths", why)));
        }
        let although = although_unknown(check, files.as_ref());
        let work = Plan {
            organization: observation.organization,
            repository: &push.repository,
            commit,
            git_ref: &update.name,
            pull_request: None,
            happened_at: observation.happened_at(),
            reason: headline(update) + &although,
        };
        Some(Ok((plan(check, work, (self.new_id)(), self.now), although)))
    }

    fn otherwise(&self) -> String {
        if self.at.update.new.is_none() {
            return "nothing to run".into();
        }
        let Repository { project, name, .. } = &self.at.push.repository;
        format!("no check watches {project}/{name} for this")
    }
}
