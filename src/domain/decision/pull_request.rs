//! Decides about a delivery of a pull request: compares states, matches the checks, supersedes
//! runs.
//!
//! Level-triggered where possible: a fact that is delivered twice changes nothing the second time.

use super::super::changed_files::{Base, ChangedFiles, Comparison};
use super::super::check::{Check, Mismatch, Trigger};
use super::super::check_outcome::CheckOutcome;
use super::super::event::{Event, Repository, short};
use super::super::id::RunId;
use super::super::pull_request::{PullRequest, Status, changes};
use super::super::question::Question;
use super::super::run::{self, Advance, OfPullRequest, Run, State};
use super::super::status;
use super::super::time::{CLOCKS_DIFFER, Timestamp};
use super::{Decision, Observation, Outcome, Plan, Source, answers, is_of, plan, sentence};

/// The stored state of a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub pull_request: PullRequest,
    /// A delivery about an earlier time is stale.
    pub as_of: Timestamp,
}

impl Remembered {
    /// When a new head was last delivered.
    pub fn head_as_of(&self) -> Timestamp {
        self.pull_request.head_as_of.unwrap_or(self.as_of)
    }
}

/// The stored state that a decision is based on.
#[derive(Clone, Debug, Default)]
pub struct KnownPullRequest {
    pub remembered: Option<Remembered>,
    /// The runs of this pull request: live ones, and the latest final ones.
    pub runs: Vec<Run>,
    /// The latest runs of other pull requests of the repository on the same commit, where a check
    /// reuses results.
    pub elsewhere: Vec<Run>,
}

/// Why a check may start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Occasion {
    /// There is something new to build: earlier runs do not count.
    New,
    /// An obstacle is gone: starts a run unless one already has the result.
    Renewed,
    /// The branch may have moved and come back: starts a run unless one was made for the commit.
    Doubtful,
}

/// Decides about a pull request as `seen`.
pub fn on_pull_request(
    checks: &[Check],
    observation: &Observation<'_>,
    seen: &PullRequest,
    known: &KnownPullRequest,
    new_id: &mut dyn FnMut() -> RunId,
    now: Timestamp,
) -> Decision {
    let before = known.remembered.as_ref();
    let events = changes(before.map(|before| &before.pull_request), seen);
    let event = events.first().copied().unwrap_or(Event::PullRequestUnchanged);
    if let Some(before) = before.filter(|before| observation.as_of() < before.as_of) {
        let reason = format!(
            "pull request {}: the delivery is of {}, and a state of {} is stored already",
            seen.id, observation.at, before.as_of
        );
        return Decision::nothing(Outcome::Stale, event, reason);
    }
    let mut next = PullRequest::merged(seen, before.map(|before| &before.pull_request));
    next.head_as_of = Some(head_as_of(observation, &next, before));
    let as_of = before.map_or(observation.as_of(), |before| before.as_of.max(observation.as_of()));
    let mut step = Step::new(observation, &next, known, &events, (new_id, now));
    let past = observation.is_past();
    let (planned, ended) = match (next.status, past) {
        (Status::Active, Some(_)) => step.past(checks),
        (_, Some(_)) => Default::default(),
        (Status::Active, None) => {
            let (planned, ended) = step.active(checks);
            step.summarize_nothing(checks, &planned);
            (planned, ended)
        }
        (Status::Abandoned | Status::Completed, None) => step.closed(checks),
    };
    let reason = match past {
        Some(since) => was_there_before(seen, since),
        None => step.reason(event),
    };
    let Step { shown_again, without_run, questions, checks, .. } = step;
    let outcome = if planned.is_empty() { Outcome::Ignored } else { Outcome::Started };
    Decision {
        questions,
        pull_request: Some(Remembered { pull_request: next, as_of }),
        planned,
        ended,
        shown_again,
        without_run,
        checks,
        ..Decision::nothing(outcome, event, reason)
    }
}

/// When a new head was last delivered. Other changes do not count: they say nothing about a branch
/// that moved and came back meanwhile.
fn head_as_of(
    observation: &Observation<'_>,
    next: &PullRequest,
    before: Option<&Remembered>,
) -> Timestamp {
    let Some(before) = before else { return observation.at };
    let has_moved = next.source_commit != before.pull_request.source_commit;
    let came_back = observation.caught_up.is_some_and(|found| found.catch_up_meta.came_back);
    if has_moved || came_back {
        observation.at.max(before.head_as_of())
    } else {
        before.head_as_of()
    }
}

fn was_there_before(seen: &PullRequest, since: Timestamp) -> String {
    let Repository { project, name, .. } = &seen.repository;
    let id = seen.id;
    format!(
        "pull request {id} is older than the watch on {project}/{name} (since {since}): recorded \
         only"
    )
}

/// The working set of one decision.
pub(super) struct Step<'a> {
    pub(super) observation: &'a Observation<'a>,
    pub(super) next: &'a PullRequest,
    pub(super) known: &'a KnownPullRequest,
    pub(super) events: &'a [Event],
    new_id: &'a mut dyn FnMut() -> RunId,
    now: Timestamp,
    pub(super) shown_again: Vec<Run>,
    pub(super) without_run: Vec<status::Status>,
    pub(super) questions: Vec<Question>,
    /// One finding per check, for the reason.
    found: Vec<String>,
    /// The same as data.
    checks: Vec<CheckOutcome>,
}

impl<'a> Step<'a> {
    /// Nothing decided yet.
    pub(super) fn new(
        observation: &'a Observation<'a>,
        next: &'a PullRequest,
        known: &'a KnownPullRequest,
        events: &'a [Event],
        (new_id, now): (&'a mut dyn FnMut() -> RunId, Timestamp),
    ) -> Self {
        Self {
            observation,
            next,
            known,
            events,
            new_id,
            now,
            shown_again: vec![],
            without_run: vec![],
            questions: vec![],
            found: vec![],
            checks: vec![],
        }
    }
}

impl Step<'_> {
    fn active(&mut self, checks: &[Check]) -> (Vec<Run>, Vec<Run>) {
        let (mut planned, mut ended) = (Vec::new(), Vec::new());
        for check in self.watching(checks, Trigger::PullRequest) {
            let Some(occasion) = self.occasion(check) else {
                if self.observation.is_guarded_anew() {
                    self.judge_again(check);
                }
                continue;
            };
            match self.start(check, occasion) {
                Ok(run) => {
                    if check.supersede {
                        ended.extend(
                            self.end_live(check, |old| run::supersede(old, &run, self.now)),
                        );
                    }
                    let although = self.although(check);
                    self.note_started(&run, &although);
                    planned.push(run);
                }
                Err(obstacle) => {
                    let why = &obstacle.mismatch.why;
                    let cancelled = match obstacle.reused.as_deref().filter(|_| check.supersede) {
                        Some(result) => {
                            self.end_live(check, |old| run::supersede(old, result, self.now))
                        }
                        None => self.cancelled(check, why),
                    };
                    let shown = self.show_without_run(check, &obstacle, &cancelled);
                    ended.extend(cancelled);
                    self.note_not_started(check, shown, &obstacle.mismatch);
                }
            }
        }
        (planned, ended)
    }

    /// The live runs to cancel because the pull request does not match their check any more.
    fn cancelled(&self, check: &Check, why: &str) -> Vec<Run> {
        let is_retargeted = self.events.contains(&Event::PullRequestRetargeted);
        let is_unlabelled =
            check.required && self.is_relabelled() && check.exempts(self.next).is_some();
        if !is_retargeted && !is_unlabelled {
            return Vec::new();
        }
        self.end_live(check, |old| run::end(old, State::Cancelled, why.to_owned(), self.now))
    }

    pub(super) fn is_relabelled(&self) -> bool {
        let before = self.known.remembered.as_ref();
        before.is_some_and(|before| before.pull_request.labels != self.next.labels)
    }

    pub(super) fn commit(&self) -> Option<String> {
        self.next.source_commit.clone()
    }

    fn note_started(&mut self, run: &Run, although: &str) {
        self.found.push(format!("{} started{although}", run.check));
        self.checks.push(CheckOutcome::started(run, although));
    }

    /// `shown` is the addition to the reason that says what Azure DevOps shows instead.
    fn note_not_started(&mut self, check: &Check, shown: &str, mismatch: &Mismatch) {
        self.found.push(format!("{} not started{shown}: {}", check.name, mismatch.why));
        self.checks.push(CheckOutcome::not_started(&check.name, mismatch));
    }

    /// The addition to a reason where a required check ignores `[skip ci]`.
    fn although(&self, check: &Check) -> String {
        let ignored = match check.skips(self.next).filter(|_| check.required) {
            Some(spelling) => format!(" (it is required, so {spelling} is ignored)"),
            None => String::new(),
        };
        ignored + &although_unknown(check, self.changed_files())
    }

    fn closed(&mut self, checks: &[Check]) -> (Vec<Run>, Vec<Run>) {
        let (mut planned, mut ended) = (Vec::new(), Vec::new());
        let newly = self.events.iter().any(|event| {
            matches!(event, Event::PullRequestAbandoned | Event::PullRequestCompleted)
        });
        // A repeated delivery must not cancel runs that the first one started, nor a rerun.
        if newly && self.next.status == Status::Abandoned {
            for run in self.known.runs.iter().filter(|run| !run.state.is_final()) {
                let why = "the pull request was abandoned".to_owned();
                if let Advance::To(run) = run::end(run, State::Cancelled, why, self.now) {
                    self.found.push(format!("{} cancelled", run.check));
                    self.checks.push(CheckOutcome::cancelled(&run));
                    ended.push(*run);
                }
            }
        }
        for check in self.watching(checks, Trigger::PullRequestClosed) {
            if !newly {
                continue;
            }
            match self.start(check, Occasion::New) {
                Ok(run) => {
                    self.note_started(&run, "");
                    planned.push(run);
                }
                Err(Obstacle { mismatch, .. }) => self.note_not_started(check, "", &mismatch),
            }
        }
        (planned, ended)
    }

    pub(super) fn watching<'c>(&self, checks: &'c [Check], trigger: Trigger) -> Vec<&'c Check> {
        let Observation { organization, former_names, .. } = self.observation;
        checks
            .iter()
            .filter(|check| check.is_on(trigger))
            .filter(|check| check.watches(organization, &self.next.repository, former_names))
            .collect()
    }

    fn occasion(&self, check: &Check) -> Option<Occasion> {
        let happened = |event: Event| self.events.contains(&event);
        let new = happened(Event::PullRequestOpened)
            || happened(Event::PullRequestPushed)
            || happened(Event::PullRequestRetargeted);
        let renewed = happened(Event::PullRequestPublished)
            || happened(Event::PullRequestReactivated)
            || (happened(Event::PullRequestEdited) && !check.labels.is_empty())
            || self.observation.source == Source::Replay;
        if new {
            return Some(Occasion::New);
        }
        if renewed { Some(Occasion::Renewed) } else { self.came_back() }
    }

    /// Catch-up found that the source branch moved and came back since the stored head. That is
    /// doubtful where it came back at about the time of the stored head: it may be the same push.
    fn came_back(&self) -> Option<Occasion> {
        self.observation.caught_up.filter(|found| found.catch_up_meta.came_back)?;
        let at = self.observation.at;
        let head_as_of = self.known.remembered.as_ref().map(Remembered::head_as_of);
        match head_as_of {
            // What is stored is precise to the millisecond.
            Some(head_as_of) if at.ms() <= head_as_of.ms() => None,
            Some(head_as_of) if at <= head_as_of.plus(CLOCKS_DIFFER) => Some(Occasion::Doubtful),
            _ => Some(Occasion::Renewed),
        }
    }

    pub(super) fn start(&mut self, check: &Check, occasion: Occasion) -> Result<Run, Obstacle> {
        check.admits(self.next).map_err(Obstacle::of)?;
        let Some(commit) = &self.next.source_commit else {
            return Err(Obstacle::other("the delivery does not name its source commit"));
        };
        let known = match occasion {
            Occasion::New => None,
            Occasion::Renewed => self.answer(check, commit),
            // One that was cancelled or errored was so for this push.
            Occasion::Doubtful => {
                self.newest(check, commit).filter(|newest| newest.state != State::Superseded)
            }
        };
        if let Some(run) = known {
            let why = format!("it has already run on {}", short(commit));
            self.shown_again.push(run.clone());
            return Err(Obstacle::other(why));
        }
        if let Some(result) = self.reusable(check, commit).cloned() {
            let why = already(&result, self.next.id);
            self.show_result(&result);
            let obstacle = Obstacle::of(Mismatch::of("reuse_results", why));
            return Err(Obstacle { reused: Some(Box::new(result)), ..obstacle });
        }
        if let Some(why) = self.path_mismatch(check) {
            return Err(Obstacle { is_by_path: true, ..Obstacle::of(Mismatch::of("paths", why)) });
        }
        let work = Plan {
            organization: self.observation.organization,
            repository: &self.next.repository,
            commit,
            git_ref: &self.next.source_ref,
            pull_request: Some(of(self.next, commit)),
            happened_at: self.observation.happened_at(),
            reason: self.headline(self.events.first().copied()) + &self.although(check),
        };
        let run = plan(check, work, (self.new_id)(), self.now);
        Ok(Run { verdict: check.verdict_on(self.next), ..run })
    }

    /// The run whose result stands for another run: the newest of this commit and target branch, on
    /// whichever pull request, if the check reuses results and that run has one. What a fork's code
    /// has reported stands for forks only.
    pub(super) fn reusable(&self, check: &Check, commit: &str) -> Option<&Run> {
        if !check.reuse_results {
            return None;
        }
        let counts = |run: &&Run| {
            is_of(run, check)
                && run.commit == commit
                && run.pull_request.as_ref().is_some_and(|of| {
                    of.target_ref == self.next.target_ref && (!of.is_fork || self.next.is_fork)
                })
        };
        let runs = self.known.runs.iter().chain(&self.known.elsewhere);
        runs.filter(counts).max_by_key(|run| run.id).filter(|newest| newest.state.is_verdict())
    }

    /// Has this pull request show the result of a run, which may be that of another one. A run that
    /// is not the newest here does not own the slot any more: its status is shown without it.
    pub(super) fn show_result(&mut self, result: &Run) {
        let of_slot = |run: &&Run| run.commit == result.commit && same_context(run, result);
        let owner = self.known.runs.iter().filter(of_slot).max_by_key(|run| run.id);
        if owner.is_some_and(|owner| owner.id == result.id) {
            self.shown_again.push(result.clone());
            return;
        }
        let of_result = result.pull_request.clone().unwrap_or_default();
        let of_this = OfPullRequest { id: self.next.id, ..of_result };
        let run = Run { pull_request: Some(of_this), ..result.clone() };
        let is_here =
            |one: &status::Status| matches!(one.target, status::Target::PullRequest { .. });
        let shown = status::of(&run).into_iter().filter(is_here);
        self.without_run.extend(shown.map(|one| status::Status { run: None, ..one }));
    }

    /// Why the rules of a check about paths keep it from running: a clause. Where it is not known
    /// which files change, that is to be asked.
    pub(super) fn path_mismatch(&mut self, check: &Check) -> Option<String> {
        if !check.has_path_rules() {
            return None;
        }
        if let Some(files) = self.changed_files() {
            return files.mismatch(check);
        }
        let question = Question::ChangedFiles(self.comparison()?);
        if !self.questions.contains(&question) {
            self.questions.push(question);
        }
        None
    }

    pub(super) fn changed_files(&self) -> Option<&ChangedFiles> {
        self.observation.answers.changed_files(&self.comparison()?)
    }

    /// The whole pull request: from the merge base to the head.
    fn comparison(&self) -> Option<Comparison> {
        let head = self.next.source_commit.as_ref()?;
        let is_retargeted = self.events.contains(&Event::PullRequestRetargeted);
        let base = match &self.next.target_commit {
            Some(commit) if !is_retargeted => Base::Commit(commit.clone()),
            // The delivery may name the head of the former target.
            _ => Base::Branch(self.next.target_branch().to_owned()),
        };
        Some(Comparison::new(&self.next.repository, base, head, true))
    }

    /// The run that makes another one needless: the newest of this commit, if it is live, or
    /// succeeded or failed.
    pub(super) fn answer(&self, check: &Check, commit: &str) -> Option<&Run> {
        self.newest(check, commit).filter(|newest| answers(newest, check, commit))
    }

    /// The newest run of this commit, if it has the same target branch. Run ids sort by time.
    fn newest(&self, check: &Check, commit: &str) -> Option<&Run> {
        let target = &self.next.target_ref;
        let of_commit = |run: &&Run| is_of(run, check) && run.commit == commit;
        let newest = self.known.runs.iter().filter(of_commit).max_by_key(|run| run.id)?;
        let into_target = newest.pull_request.as_ref().is_some_and(|of| of.target_ref == *target);
        Some(newest).filter(|_| into_target)
    }

    fn end_live(&self, check: &Check, end: impl Fn(&Run) -> Advance) -> Vec<Run> {
        let live = self.known.runs.iter().filter(|run| is_of(run, check) && !run.state.is_final());
        live.filter_map(|run| match end(run) {
            Advance::To(run) => Some(*run),
            Advance::Not(_) => None,
        })
        .collect()
    }

    /// `pull request 7 pushed at 1234abcd`.
    fn headline(&self, event: Option<Event>) -> String {
        let what = match event {
            Some(event) => event.as_str().trim_start_matches("pull_request_").replace('_', " "),
            None => self.observation.source.as_str().replace('_', " "),
        };
        match &self.next.source_commit {
            Some(commit) => format!("pull request {} {what} at {}", self.next.id, short(commit)),
            None => format!("pull request {} {what}", self.next.id),
        }
    }

    fn reason(&self, event: Event) -> String {
        let repository = &self.next.repository;
        let otherwise = match event {
            Event::PullRequestUnchanged => "nothing that could start a check".to_owned(),
            Event::PullRequestVoted | Event::PullRequestEdited | Event::PullRequestDrafted => {
                "starts no check".to_owned()
            }
            _ => format!("no check watches {}/{} for this", repository.project, repository.name),
        };
        sentence(&self.headline(Some(event)), &self.found, &otherwise)
    }
}

/// Why a check does not start.
pub(super) struct Obstacle {
    pub(super) mismatch: Mismatch,
    /// None of the changed files matches.
    pub(super) is_by_path: bool,
    /// The run whose result is shown instead.
    reused: Option<Box<Run>>,
}

impl Obstacle {
    fn of(mismatch: Mismatch) -> Self {
        Self { mismatch, is_by_path: false, reused: None }
    }

    fn other(why: impl Into<String>) -> Self {
        Self::of(Mismatch::other(why))
    }
}

fn same_context(one: &Run, other: &Run) -> bool {
    (&one.check, &one.genre) == (&other.check, &other.genre)
}

/// Why a result is shown again: a clause. `id` is the pull request that shows it.
fn already(result: &Run, id: i64) -> String {
    let (state, commit) = (result.state, short(&result.commit));
    match result.pull_request.as_ref().filter(|of| of.id != id) {
        Some(of) => format!("it has {state} on {commit} already, for pull request {}", of.id),
        None => format!("it has {state} on {commit} already"),
    }
}

/// The addition to a reason where a check runs because the changed files are not known.
pub(super) fn although_unknown(check: &Check, files: Option<&ChangedFiles>) -> String {
    match files.filter(|_| check.has_path_rules()).and_then(ChangedFiles::unknown) {
        Some(why) => format!(" (which files change is not known: {why})"),
        None => String::new(),
    }
}

fn of(seen: &PullRequest, commit: &str) -> OfPullRequest {
    OfPullRequest {
        id: seen.id,
        title: seen.title.clone(),
        source_ref: seen.source_ref.clone(),
        target_ref: seen.target_ref.clone(),
        merge_ref: seen.merge_ref(),
        source_commit: commit.to_owned(),
        target_commit: seen.target_commit.clone(),
        merge_commit: seen.merge_commit.clone(),
        is_draft: seen.is_draft,
        is_fork: seen.is_fork,
    }
}
