//! A run: one CI execution and its states.
//!
//! Only the functions of this file change the state of a run, so that a final state never goes
//! back, whatever is reported and when.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Repository, short};
use super::id::RunId;
pub use super::run_state::{Reported, Sender, State};
use super::runner_lease::RunnerLeases;
use super::steps::{Step, Steps, What};
use super::text::cut;
use super::time::Timestamp;

/// The pull request of a run, as it was when the run was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfPullRequest {
    pub id: i64,
    pub title: String,
    pub source_ref: String,
    pub target_ref: String,
    pub merge_ref: String,
    pub source_commit: String,
    pub target_commit: Option<String>,
    pub merge_commit: Option<String>,
    pub is_draft: bool,
    pub is_fork: bool,
}

/// Who may end a run by a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Whoever may report: the run itself, with its token, or a reporter.
    #[default]
    Report,
    /// Only a reporter: code under test can read the token of its run.
    Reporter,
    /// Only the CI itself, when it is asked.
    Poll,
}

/// Where the link of a status leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusLink {
    /// To the page at the CI while the run is there and after its result, where it gave one; to the
    /// gateway's page otherwise.
    #[default]
    Ci,
    /// Always to the gateway's page.
    Run,
}

impl StatusLink {
    /// Whether it is what runs were without it.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Where the statuses of a run are posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    pub pull_request: bool,
    pub commit: bool,
}

/// One CI execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    /// Grows in the order of planning; 0 until stored. The newest run owns its slots.
    #[serde(skip)]
    pub number: i64,
    /// Grows with every change; a write that is based on an older revision is refused.
    #[serde(skip)]
    pub revision: i64,
    /// Name and genre of the status context.
    pub check: String,
    pub genre: String,
    pub organization: String,
    pub repository: Repository,
    /// Head of the source branch: the commit that statuses are shown on.
    pub commit: String,
    /// Full ref name: the source branch, or the pushed ref.
    pub git_ref: String,
    pub pull_request: Option<OfPullRequest>,
    pub ci: String,
    /// The templates of what the CI is given, by name.
    #[serde(default)]
    pub inputs: BTreeMap<String, String>,
    /// Its CI can be told to cancel it.
    #[serde(default)]
    pub is_cancellable: bool,
    /// Runs that may be at its CI at the same time, over all checks and organizations.
    #[serde(default)]
    pub ci_concurrency: Option<u32>,
    pub targets: Targets,
    #[serde(default, skip_serializing_if = "StatusLink::is_default")]
    pub status_link: StatusLink,
    /// Runs of the check that may be at the CI at the same time.
    pub concurrency: Option<u32>,
    pub timeout_ms: u64,
    #[serde(default)]
    pub verdict: Verdict,
    pub state: State,
    /// Why it was planned; later, why it is in this state.
    pub reason: String,
    /// The text that the CI reported.
    pub description: Option<String>,
    /// The page of the run at the CI.
    pub url: Option<String>,
    /// The id of the run at the CI.
    pub ci_id: Option<String>,
    /// Attempts at starting it; at a CI of runners, how often one took it.
    pub attempts: u32,
    /// Of a CI of runners: whose it is.
    #[serde(default, skip_serializing_if = "RunnerLeases::is_empty")]
    pub runner: RunnerLeases,
    /// How often the CI was asked whether the last attempt has started it; none unless that is in
    /// doubt.
    #[serde(default)]
    pub look_ups: Option<u32>,
    /// How often the CI was told to cancel it; none unless it is still to be told.
    #[serde(default)]
    pub cancel_attempts: Option<u32>,
    /// Why the CI could not be asked about it, or not be told to cancel it, the last time.
    #[serde(default)]
    pub ci_problem: Option<String>,
    /// Reports that changed it.
    #[serde(default)]
    pub reports: u32,
    #[serde(default)]
    pub steps: Steps,
    /// When that happened at Azure DevOps which it was planned for; none where somebody asked the
    /// gateway for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Without a final report by then, the run is timed out.
    pub overdue_at: Timestamp,
}

/// After so many reports that changed a run only a final one is applied.
const REPORTS_MAX: u32 = 1_000;
/// Of the reports that did not count so many are remembered: each is written for its own sake.
const REFUSED_MAX: usize = 8;
/// The most characters of what is remembered of a step.
const WORDS_CHARS_MAX: usize = 200;

impl Run {
    /// This run with one more step, which has led to its state and its reason.
    pub fn with_step(self, what: What, at: Timestamp) -> Run {
        let words = self.reason.clone();
        self.with_words(what, &words, at)
    }

    /// The same, with other words than its reason.
    pub fn with_words(mut self, what: What, words: &str, at: Timestamp) -> Run {
        let words = cut(words, WORDS_CHARS_MAX);
        self.steps.push(Step { at, what, state: self.state, words, skipped: 0 });
        self
    }

    /// This run with a report that did not count, for this reason; nothing else changes. None where
    /// enough of these are remembered.
    pub fn with_refused(&self, report: &Report, why: &str, at: Timestamp) -> Option<Run> {
        let is_refused = |step: &&Step| matches!(step.what, What::RefusedReport { .. });
        if self.steps.iter().filter(is_refused).count() >= REFUSED_MAX {
            return None;
        }
        let what = What::RefusedReport { by: report.sender, reported: report.state };
        Some(self.clone().with_words(what, why, at))
    }
}

/// What a CI runner reports about a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub sender: Sender,
    pub state: Reported,
    pub description: Option<String>,
    pub url: Option<String>,
}

impl Report {
    /// The report with what an earlier one says that was not applied: whoever leaves something out
    /// does not take it back. A final report has words of its own.
    pub fn after(self, earlier: Option<&Report>) -> Self {
        let Some(earlier) = earlier else { return self };
        let url = self.url.clone().or_else(|| earlier.url.clone());
        if self.is_final() {
            return Self { url, ..self };
        }
        let description = self.description.clone().or_else(|| earlier.description.clone());
        Self { description, url, ..self }
    }
}

impl Report {
    /// Whether it would end the run.
    pub fn is_final(&self) -> bool {
        State::from(self.state).is_final()
    }
}

/// The outcome of a change to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The run afterwards.
    To(Box<Run>),
    /// The run does not change, for this reason.
    Not(String),
}

/// Applies a report to a run. Late and repeated reports change nothing; the reason says so.
pub fn advance(run: &Run, report: &Report, now: Timestamp) -> Advance {
    let state = State::from(report.state);
    if run.state.is_final() {
        return Advance::Not(if run.state == state {
            format!("repeat: the run is {state} already")
        } else {
            format!("late: the run is {}, which is final ({})", run.state, run.reason)
        });
    }
    if let Sender::Lease(number) = report.sender
        && let Some(why) = run.runner.refusal(number)
    {
        return Advance::Not(why);
    }
    if let Some(why) = forbidden(run.verdict, report.sender).filter(|_| report.is_final()) {
        return Advance::Not(format!("the run is {}, and {why}", run.state));
    }
    if !report.is_final() && run.reports >= REPORTS_MAX {
        let why = format!("too many: {} reports changed the run already", run.reports);
        return Advance::Not(format!("{why}; from here on only a final one is applied"));
    }
    let mut next = run.clone();
    next.state = state;
    // A description belongs to its state: "step 3 of 5" must not describe a success.
    let words = if run.state == state { next.description } else { None };
    next.description = report.description.clone().or(words);
    next.url = report.url.clone().or(next.url);
    if (next.state, &next.description, &next.url) == (run.state, &run.description, &run.url) {
        return Advance::Not(format!("repeat: the run is {state} already"));
    }
    if run.state != state {
        next.reason = format!("reported {state} by the CI");
    }
    next.reports = run.reports.saturating_add(1);
    next.updated_at = now;
    Advance::To(Box::new(next.with_step(What::Report { by: report.sender }, now)))
}

/// Why this sender may not end a run; none where it may.
fn forbidden(verdict: Verdict, sender: Sender) -> Option<&'static str> {
    match (verdict, sender) {
        (Verdict::Report, _)
        | (Verdict::Reporter, Sender::Reporter)
        | (Verdict::Poll, Sender::Ci) => None,
        (Verdict::Reporter, Sender::Runner | Sender::Lease(_) | Sender::Ci) => {
            Some("only an API token with the role reporter ends it (verdict = \"reporter\")")
        }
        (Verdict::Poll, Sender::Runner | Sender::Lease(_) | Sender::Reporter) => {
            Some("only the CI itself ends it, when it is asked (verdict = \"poll\")")
        }
    }
}

/// Ends a run for a reason of the gateway. Its CI is to be told, unless it is known not to have it.
pub fn end(run: &Run, state: State, reason: String, now: Timestamp) -> Advance {
    if run.state.is_final() {
        return Advance::Not(format!("the run is {} already, which is final", run.state));
    }
    let is_to_cancel = run.is_cancellable && state != State::Errored;
    // The last description of the CI belongs to the earlier state.
    let ended = Run {
        state,
        reason,
        description: None,
        cancel_attempts: is_to_cancel.then_some(0),
        updated_at: now,
        ..run.clone()
    };
    Advance::To(Box::new(ended.with_step(What::Ended, now)))
}

/// The beginning of the reason of a rerun.
const RERUN: &str = "rerun of ";

/// Whether a person asked for this run, and no delivery.
pub fn is_rerun(planned: &Step) -> bool {
    planned.what == What::Planned && planned.words.starts_with(RERUN)
}

/// The rerun of a run: a new run, with a new idempotency key.
pub fn rerun(run: &Run, id: RunId, who: &str, now: Timestamp) -> Run {
    let rerun = Run {
        id,
        number: 0,
        revision: 0,
        state: State::Planned,
        reason: format!("{}{who}", rerun_of(run.id)),
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
        happened_at: None,
        created_at: now,
        updated_at: now,
        overdue_at: now.plus(Duration::from_millis(run.timeout_ms)),
        ..run.clone()
    };
    rerun.with_step(What::Planned, now)
}

/// Whether somebody asked for this run, as one like the run `id`.
pub fn is_rerun_of(run: &Run, id: RunId) -> bool {
    let planned = run.steps.iter().next();
    planned.is_some_and(|step| step.words.starts_with(&rerun_of(id)))
}

fn rerun_of(id: RunId) -> String {
    format!("{RERUN}{id} by ")
}

/// The answer of a CI to the request to start a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The CI accepted it, and may have given it an id.
    Accepted { ci_id: Option<String>, url: Option<String> },
    /// It is offered to runners; what it waits for, as a clause.
    Offered(String),
    /// The CI refused it, in its own words; repeating the request is useless.
    Refused(String),
}

/// Applies the answer of a CI to a run. If a report was faster than the answer, only its id and URL
/// are taken over.
pub fn started(run: &Run, answer: &Started, now: Timestamp) -> Advance {
    let mut next = Run {
        attempts: run.attempts.saturating_add(1),
        look_ups: None,
        ci_problem: None,
        updated_at: now,
        ..run.clone()
    };
    match answer {
        Started::Accepted { ci_id, url } => {
            next.ci_id = ci_id.clone().or(next.ci_id);
            next.url = next.url.or_else(|| url.clone());
            if run.state == State::Planned {
                next.state = State::Dispatched;
                next.reason = format!("started at {}", run.ci);
                next.overdue_at = now.plus(Duration::from_millis(run.timeout_ms));
            }
        }
        Started::Offered(_) | Started::Refused(_) if run.state != State::Planned => {
            return Advance::Not(format!("the run is {} already", run.state));
        }
        Started::Offered(words) => {
            // Only a runner that takes it makes an attempt.
            next.attempts = run.attempts;
            next.state = State::Dispatched;
            next.reason = words.clone();
            next.runner.is_offered = true;
        }
        Started::Refused(words) => {
            next.state = State::Errored;
            next.reason = format!("{} refused to start the run: {words}", run.ci);
        }
    }
    Advance::To(Box::new(next))
}

/// Ends a run whose final report did not come in time.
pub fn time_out(run: &Run, now: Timestamp) -> Advance {
    if now < run.overdue_at {
        return Advance::Not("its timeout has not passed yet".into());
    }
    let waited = format_duration(Duration::from_millis(run.timeout_ms));
    let problem = run.ci_problem.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    let reason = match run.state {
        State::Planned => format!("{} could not be asked to start it within {waited}", run.ci),
        _ if run.runner.is_offered => format!("no runner took it within {waited}"),
        _ if run.verdict == Verdict::Poll => format!("no result within {waited}{problem}"),
        _ => format!("no final report within {waited}"),
    };
    end(run, State::TimedOut, reason, now)
}

/// Ends a run because `newer` replaces it.
pub fn supersede(run: &Run, newer: &Run, now: Timestamp) -> Advance {
    let what = if newer.commit == run.commit { "a newer run of" } else { "the newer commit" };
    let reason = format!("superseded by {what} {}", short(&newer.commit));
    end(run, State::Superseded, reason, now)
}

/// A duration for people: `2h`, `90m`, `1500ms`.
pub fn format_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit_ms, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
        if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

#[cfg(test)]
#[path = "run_tests.rs"]
pub(in crate::domain) mod tests;
