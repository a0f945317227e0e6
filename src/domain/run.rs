//! One CI execution and the states it moves through.
//!
//! `advance` and its sisters are the only places where a run changes state, so that a final state
//! can never go back whoever reports what and when. It must never know who stores or reports.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Repository, short};
use super::id::RunId;
use super::time::Timestamp;

/// Where a run is: `planned → dispatched → running →` one of the final states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Planned,
    Dispatched,
    Running,
    Succeeded,
    Failed,
    Errored,
    Cancelled,
    TimedOut,
    Superseded,
}

impl State {
    /// Every state, in the order of a life.
    pub const ALL: [State; 9] = [
        State::Planned,
        State::Dispatched,
        State::Running,
        State::Succeeded,
        State::Failed,
        State::Errored,
        State::Cancelled,
        State::TimedOut,
        State::Superseded,
    ];

    /// Nothing leaves a final state.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Planned | State::Dispatched | State::Running)
    }

    /// The CI has spoken: what it said may be shown again for the same commit.
    pub fn is_verdict(self) -> bool {
        matches!(self, State::Succeeded | State::Failed)
    }

    /// The name in answers, logs and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Planned => "planned",
            State::Dispatched => "dispatched",
            State::Running => "running",
            State::Succeeded => "succeeded",
            State::Failed => "failed",
            State::Errored => "errored",
            State::Cancelled => "cancelled",
            State::TimedOut => "timed_out",
            State::Superseded => "superseded",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The pull request that a run is for, as it was when the run was planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Where the states of a run are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    pub pull_request: bool,
    pub commit: bool,
}

/// One CI execution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    /// Counts runs in the order of their planning; 0 until stored. The newest owns the status.
    #[serde(skip)]
    pub number: i64,
    /// Grows with every change; a writer that saw an older one has lost.
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
    pub targets: Targets,
    /// How many runs of the check may be at the CI at once.
    pub concurrency: Option<u32>,
    pub timeout_ms: u64,
    pub state: State,
    /// Why it was planned, later why it is in this state.
    pub reason: String,
    /// The CI's own words.
    pub description: Option<String>,
    /// Where people can watch it.
    pub url: Option<String>,
    /// The CI's name for it.
    pub ci_id: Option<String>,
    /// Tries at starting it.
    pub attempts: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Nobody having spoken by then, it is timed out.
    pub overdue_at: Timestamp,
}

/// What a CI runner tells us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub state: Reported,
    pub description: Option<String>,
    pub url: Option<String>,
}

/// The states that a CI may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    Running,
    Succeeded,
    Failed,
    Errored,
    Cancelled,
}

impl From<Reported> for State {
    fn from(reported: Reported) -> State {
        match reported {
            Reported::Running => State::Running,
            Reported::Succeeded => State::Succeeded,
            Reported::Failed => State::Failed,
            Reported::Errored => State::Errored,
            Reported::Cancelled => State::Cancelled,
        }
    }
}

/// The answer to anything that would change a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It changes; this is the run afterwards.
    To(Box<Run>),
    /// It does not, and why.
    Not(String),
}

/// What a report does to a run. Late and repeated reports change nothing and are told why.
pub fn advance(run: &Run, report: &Report, now: Timestamp) -> Advance {
    let state = State::from(report.state);
    if run.state.is_final() {
        return Advance::Not(if run.state == state {
            format!("repeat: the run is {state} already")
        } else {
            format!("late: the run is {}, which is final ({})", run.state, run.reason)
        });
    }
    let mut next = run.clone();
    next.state = state;
    // Words said about one state are not repeated for the next: "step 3 of 5" is no success.
    let words = if run.state == state { next.description } else { None };
    next.description = report.description.clone().or(words);
    next.url = report.url.clone().or(next.url);
    if (next.state, &next.description, &next.url) == (run.state, &run.description, &run.url) {
        return Advance::Not(format!("repeat: the run is {state} already"));
    }
    if run.state != state {
        next.reason = format!("reported {state} by the CI");
    }
    next.updated_at = now;
    Advance::To(Box::new(next))
}

/// Ends a run for a reason of our own.
pub fn end(run: &Run, state: State, reason: String, now: Timestamp) -> Advance {
    if run.state.is_final() {
        return Advance::Not(format!("the run is {} already, which is final", run.state));
    }
    // What the CI said about an earlier state is no word about this one.
    let ended = Run { state, reason, description: None, updated_at: now, ..run.clone() };
    Advance::To(Box::new(ended))
}

/// The run that comes in place of another: the CI is asked anew, under a new idempotency key.
pub fn again(run: &Run, id: RunId, who: &str, now: Timestamp) -> Run {
    Run {
        id,
        number: 0,
        revision: 0,
        state: State::Planned,
        reason: format!("rerun of {} by {who}", run.id),
        description: None,
        url: None,
        ci_id: None,
        attempts: 0,
        created_at: now,
        updated_at: now,
        overdue_at: now.plus(Duration::from_millis(run.timeout_ms)),
        ..run.clone()
    }
}

/// What the CI answered when we asked it to start a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// It will run; the CI may have named it.
    Accepted { ci_id: Option<String>, url: Option<String> },
    /// It will not, in the CI's words; asking again would not help.
    Refused(String),
}

/// What that answer does to a run. A report may have been faster than the answer; then only what
/// the answer adds is taken over.
pub fn started(run: &Run, answer: &Started, now: Timestamp) -> Advance {
    let mut next = Run { attempts: run.attempts.saturating_add(1), updated_at: now, ..run.clone() };
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
        Started::Refused(_) if run.state != State::Planned => {
            return Advance::Not(format!("the run is {} already", run.state));
        }
        Started::Refused(words) => {
            next.state = State::Errored;
            next.reason = format!("{} refused to start it: {words}", run.ci);
        }
    }
    Advance::To(Box::new(next))
}

/// Ends a run that nobody reported on in time.
pub fn time_out(run: &Run, now: Timestamp) -> Advance {
    if now < run.overdue_at {
        return Advance::Not("its time is not over".into());
    }
    let waited = human(Duration::from_millis(run.timeout_ms));
    let reason = match run.state {
        State::Planned => format!("{} could not be asked to start it within {waited}", run.ci),
        _ => format!("no final report within {waited}"),
    };
    end(run, State::TimedOut, reason, now)
}

/// Ends a run because `newer` takes its place.
pub fn supersede(run: &Run, newer: &Run, now: Timestamp) -> Advance {
    let what = if newer.commit == run.commit { "a newer run of" } else { "the newer commit" };
    let reason = format!("superseded by {what} {}", short(&newer.commit));
    end(run, State::Superseded, reason, now)
}

/// A duration as people say it: `2h`, `90m`, `1500ms`.
pub fn human(duration: Duration) -> String {
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
mod tests;
