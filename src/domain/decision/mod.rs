//! Decides what to do about one delivery, and why.
//!
//! A decision is complete: it names the runs to plan and to end, the statuses, and the state to
//! store, so that committing it makes no choice.

mod build;
mod comment;
mod examine;
mod pull_request;
mod push;
mod waiting;

pub use build::{cis_of_build, on_build_completed};
pub use comment::on_comment;
pub use examine::{Expectation, Finding, examine};
pub use pull_request::{KnownPullRequest, Remembered, on_pull_request};
pub use push::{KnownRef, RememberedRef, on_push};

use std::time::Duration;

use super::audit;
use super::check::Check;
use super::check_outcome::CheckOutcome;
use super::event::{Event, Repository};
use super::fact::CatchUpMeta;
use super::id::RunId;
use super::question::{Answers, Question};
use super::run::{OfPullRequest, Run, State};
use super::runner_lease::RunnerLeases;
use super::status::Status;
use super::steps::{Steps, What};
use super::time::Timestamp;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pending,
    Started,
    Ignored,
    Stale,
    Duplicate,
    Quarantined,
}

impl Outcome {
    const ALL: [Outcome; 6] = [
        Outcome::Pending,
        Outcome::Started,
        Outcome::Ignored,
        Outcome::Stale,
        Outcome::Duplicate,
        Outcome::Quarantined,
    ];

    /// The name in answers, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pending => "pending",
            Outcome::Started => "started",
            Outcome::Ignored => "ignored",
            Outcome::Stale => "stale",
            Outcome::Duplicate => "duplicate",
            Outcome::Quarantined => "quarantined",
        }
    }

    /// The outcome of that name.
    pub fn parse(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Where a delivery comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Hook,
    CatchUp,
    Replay,
}

impl Source {
    /// The name in answers, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Hook => "hook",
            Source::CatchUp => "catch_up",
            Source::Replay => "replay",
        }
    }

    /// The source of that name.
    pub fn parse(text: &str) -> Option<Source> {
        [Source::Hook, Source::CatchUp, Source::Replay]
            .into_iter()
            .find(|source| source.as_str() == text)
    }
}

/// How much later than its arrival a delivery may say that it was created: as much as the clocks of
/// two servers may differ.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(10);

/// When a fact happened: at its arrival where the delivery says that it is of the future, since one
/// of the future would make all later ones stale. Catch-up dates what it finds by itself. All times
/// are those of Azure DevOps' clock, as far as it is known.
pub fn happened_at(
    source: Source,
    created_at: Option<Timestamp>,
    arrived_at: Timestamp,
) -> Timestamp {
    let Some(created_at) = created_at else { return arrived_at };
    match source {
        Source::CatchUp => created_at,
        _ if created_at <= arrived_at.plus(CLOCK_SKEW_MAX) => created_at,
        Source::Hook | Source::Replay => arrived_at,
    }
}

/// The circumstances of a fact: where it comes from and when it happened.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    pub organization: &'a str,
    pub source: Source,
    /// When it happened by the clock of Azure DevOps; the time of arrival where the delivery does
    /// not say.
    pub at: Timestamp,
    /// Former names of the repository, as `project/repository`.
    pub former_names: &'a [String],
    /// For facts that catch-up found.
    pub caught_up: Option<CaughtUp<'a>>,
    /// What Azure DevOps was asked for this decision.
    pub answers: &'a Answers,
}

/// What is known about a fact that catch-up found.
#[derive(Clone, Copy, Debug)]
pub struct CaughtUp<'a> {
    /// When its repository was first watched: earlier facts start nothing.
    pub watched_since: Option<Timestamp>,
    pub catch_up_meta: &'a CatchUpMeta,
}

impl Observation<'_> {
    /// The start of watching the repository, if the fact is older than that.
    fn is_past(&self) -> Option<Timestamp> {
        self.caught_up?.watched_since.filter(|since| self.at < *since)
    }

    /// The time up to which the fact is current: catch-up reads a state later than it came about.
    fn as_of(&self) -> Timestamp {
        let seen_at = self.caught_up.and_then(|found| found.catch_up_meta.seen_at);
        seen_at.map_or(self.at, |seen_at| seen_at.max(self.at))
    }

    /// When that happened for which runs are planned; none where somebody repeats a delivery.
    fn happened_at(&self) -> Option<Timestamp> {
        (self.source != Source::Replay).then_some(self.at)
    }

    fn is_guarded_anew(&self) -> bool {
        self.caught_up.is_some_and(|found| found.catch_up_meta.is_guarded_anew)
    }
}

/// What to do about one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What has to be asked first. The rest then says what is decided if nobody answers, and must
    /// not be committed.
    pub questions: Vec<Question>,
    /// It is too early to decide: this is committed only where that was tried often enough.
    pub is_early: bool,
    pub outcome: Outcome,
    pub event: Event,
    /// One sentence for an operator.
    pub reason: String,
    pub pull_request: Option<Remembered>,
    pub refs: Vec<RememberedRef>,
    pub planned: Vec<Run>,
    /// Runs as they are after being superseded or cancelled.
    pub ended: Vec<Run>,
    /// Runs that already have the result: their statuses are posted again, since Azure DevOps may
    /// have refused them, or they are on an older iteration.
    pub shown_again: Vec<Run>,
    /// Runs that their CIs are asked about at once: something has happened to them there.
    pub polled: Vec<Run>,
    /// Statuses of required checks that do not run: not applicable, or pending. A live run in the
    /// same slot takes precedence.
    pub without_run: Vec<Status>,
    /// What it comes to for each check that it concerns.
    pub checks: Vec<CheckOutcome>,
    /// What people did, for the audit log.
    pub audit: Vec<audit::Entry>,
}

impl Decision {
    /// Starts nothing and stores no state.
    pub fn nothing(outcome: Outcome, event: Event, reason: impl Into<String>) -> Self {
        Self {
            questions: Vec::new(),
            is_early: false,
            outcome,
            event,
            reason: reason.into(),
            pull_request: None,
            refs: Vec::new(),
            planned: Vec::new(),
            ended: Vec::new(),
            shown_again: Vec::new(),
            polled: Vec::new(),
            without_run: Vec::new(),
            checks: Vec::new(),
            audit: Vec::new(),
        }
    }
}

/// What a new run is for.
struct Plan<'a> {
    organization: &'a str,
    repository: &'a Repository,
    commit: &'a str,
    git_ref: &'a str,
    pull_request: Option<OfPullRequest>,
    happened_at: Option<Timestamp>,
    reason: String,
}

fn plan(check: &Check, plan: Plan<'_>, id: RunId, now: Timestamp) -> Run {
    let run = Run {
        id,
        number: 0,
        revision: 0,
        check: check.name.clone(),
        genre: check.genre.clone(),
        organization: plan.organization.to_owned(),
        repository: plan.repository.clone(),
        commit: plan.commit.to_owned(),
        git_ref: plan.git_ref.to_owned(),
        pull_request: plan.pull_request,
        ci: check.ci.clone(),
        inputs: check.inputs.clone(),
        is_cancellable: check.is_cancellable,
        ci_concurrency: check.ci_concurrency,
        targets: check.targets,
        status_link: check.status_link,
        concurrency: check.concurrency,
        timeout_ms: u64::try_from(check.timeout.as_millis()).unwrap_or(u64::MAX),
        verdict: check.verdict,
        state: State::Planned,
        reason: plan.reason,
        description: None,
        url: None,
        ci_id: None,
        attempts: 0,
        runner: RunnerLeases::default(),
        look_ups: None,
        cancel_attempts: None,
        ci_problem: None,
        reports: 0,
        steps: Steps::default(),
        happened_at: plan.happened_at,
        created_at: now,
        updated_at: now,
        overdue_at: now.plus(Duration::from_millis(
            u64::try_from(check.timeout.as_millis()).unwrap_or(u64::MAX),
        )),
    };
    run.with_step(What::Planned, now)
}

/// Whether `run` is one of `check`.
fn is_of(run: &Run, check: &Check) -> bool {
    run.check == check.name && run.genre == check.genre
}

/// Whether this run makes another run of `check` on `commit` needless: it is live, or succeeded or
/// failed.
fn answers(run: &Run, check: &Check, commit: &str) -> bool {
    let lasts = !run.state.is_final() || run.state.is_verdict();
    is_of(run, check) && run.commit == commit && lasts
}

/// `head: finding; finding`, or `head: otherwise` without findings.
fn sentence(head: &str, findings: &[String], otherwise: &str) -> String {
    if findings.is_empty() {
        return format!("{head}: {otherwise}");
    }
    format!("{head}: {}", findings.join("; "))
}

#[cfg(test)]
mod tests;
