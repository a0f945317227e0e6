//! The statuses that Azure DevOps should show for a run: state, description, URL, and target.
//!
//! They are a pure projection of the run, so that they can be computed again at any time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::check::Check;
use super::id::RunId;
use super::pull_request::PullRequest;
use super::run::{Run, State, StatusLink};
use super::text::cut;

/// Descriptions are cut at this many characters. Azure DevOps does not document its limit; 250 is
/// within every limit that was ever reported.
pub const DESCRIPTION_CHARS_MAX: usize = 250;

/// The states of Azure DevOps that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    Pending,
    Succeeded,
    Failed,
    Error,
    NotApplicable,
}

impl Shown {
    /// The name at Azure DevOps, in answers and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Shown::Pending => "pending",
            Shown::Succeeded => "succeeded",
            Shown::Failed => "failed",
            Shown::Error => "error",
            Shown::NotApplicable => "notApplicable",
        }
    }

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Shown> {
        use Shown::{Error, Failed, NotApplicable, Pending, Succeeded};
        [Pending, Succeeded, Failed, Error, NotApplicable]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// What a status is attached to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// The newest iteration of a pull request whose source head is `commit`; without a commit,
    /// its newest iteration.
    PullRequest {
        id: i64,
        commit: Option<String>,
    },
    Commit {
        commit: String,
    },
    /// No status but a comment: the answer to this comment, in its thread.
    Comment {
        pull_request: i64,
        thread: i64,
        comment: i64,
    },
}

/// The status context: Azure DevOps shows the newest status of each.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Context {
    pub genre: String,
    pub name: String,
}

/// One status. An equal one need not be posted again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub organization: String,
    /// GUID or name, as known.
    pub project: String,
    /// GUID or name, as known.
    pub repository: String,
    pub target: Target,
    pub context: Context,
    pub state: Shown,
    pub description: String,
    /// None for the gateway's page of the run that it is about, if it is about one.
    pub url: Option<String>,
    /// The run that it is about; none for statuses without a run.
    pub run: Option<RunId>,
}

impl Status {
    /// The key of the slot, in which only the newest status counts.
    pub fn slot(&self) -> String {
        let Context { genre, name } = &self.context;
        // Genre and name are quoted and come last, since they may contain any character.
        format!("{}{genre:?}/{name:?}", self.slots())
    }

    /// What the keys of the slots begin with that have the same target.
    pub fn slots(&self) -> String {
        let (kind, id) = match &self.target {
            Target::PullRequest { id, commit } => {
                ("pull_request", format!("{id}/{}", commit.as_deref().unwrap_or("newest")))
            }
            Target::Commit { commit } => ("commit", commit.clone()),
            Target::Comment { pull_request, thread, comment } => {
                ("comment", format!("{pull_request}/{thread}/{comment}"))
            }
        };
        format!("{}/{}/{kind}/{id}/", self.organization, self.repository)
    }
}

/// The statuses of `run` as it is now, one per target.
pub fn of(run: &Run) -> Vec<Status> {
    let pull_request = run.pull_request.as_ref().filter(|_| run.targets.pull_request);
    let on_pull_request = pull_request
        .map(|of| Target::PullRequest { id: of.id, commit: Some(of.source_commit.clone()) });
    let on_commit = run.targets.commit.then(|| Target::Commit { commit: run.commit.clone() });
    let (state, description) = shown(run);
    [on_pull_request, on_commit]
        .into_iter()
        .flatten()
        .map(|target| Status {
            organization: run.organization.clone(),
            project: run.repository.project_id.clone(),
            repository: run.repository.id.clone(),
            target,
            context: Context { genre: run.genre.clone(), name: run.check.clone() },
            state,
            description: cut(&description, DESCRIPTION_CHARS_MAX),
            url: url(run),
            run: Some(run.id),
        })
        .collect()
}

/// The status of a check on a commit of a pull request on which it does not run. It goes to the
/// slot of its runs.
pub fn without_run(
    organization: &str,
    check: &Check,
    pull_request: &PullRequest,
    commit: &str,
    (state, description): (Shown, &str),
) -> Status {
    Status {
        organization: organization.to_owned(),
        project: pull_request.repository.project_id.clone(),
        repository: pull_request.repository.id.clone(),
        target: Target::PullRequest { id: pull_request.id, commit: Some(commit.to_owned()) },
        context: Context { genre: check.genre.clone(), name: check.name.clone() },
        state,
        description: cut(description, DESCRIPTION_CHARS_MAX),
        url: None,
        run: None,
    }
}

/// The page at the CI, while the CI has the word. What became of other runs is on the page of the
/// gateway.
fn url(run: &Run) -> Option<String> {
    let has_word = matches!(run.state, State::Running | State::Succeeded | State::Failed);
    run.url.clone().filter(|_| has_word && run.status_link == StatusLink::Ci)
}

/// State and description for a run. Never `notApplicable`: that would satisfy a policy without a
/// run.
fn shown(run: &Run) -> (Shown, String) {
    let says = |words: &&String| words.chars().any(|c| !c.is_control() && !c.is_whitespace());
    let said = run.description.as_ref().filter(says);
    let words = |otherwise: &str| said.cloned().unwrap_or_else(|| otherwise.to_owned());
    match run.state {
        State::Planned | State::Dispatched => (Shown::Pending, words(&waiting(run))),
        State::Running => (Shown::Pending, words(&format!("Running at {}", run.ci))),
        State::Succeeded => (Shown::Succeeded, words(&after("Succeeded", run))),
        State::Failed => (Shown::Failed, words(&after("Failed", run))),
        State::Errored => (Shown::Error, words(&format!("Error: {}", run.reason))),
        State::Cancelled => (Shown::Error, words(&format!("Cancelled: {}", run.reason))),
        State::TimedOut => (Shown::Error, format!("Timed out: {}", run.reason)),
        // The reason names the newer run: `superseded by the newer commit 9a79da29`.
        State::Superseded => {
            let by = run.reason.strip_prefix("superseded").unwrap_or_default();
            (Shown::Error, format!("Superseded{by}"))
        }
    }
}

/// What a run waits for. The same before and after it is started, as long as all goes well: a
/// status that says no more is not worth a call.
fn waiting(run: &Run) -> String {
    let has_started = run.state == State::Dispatched && run.runner.is_empty();
    let is_first_attempt = run.state == State::Planned && run.attempts == 0;
    if has_started || is_first_attempt && run.look_ups.is_none() {
        return format!("Queued for {}", run.ci);
    }
    let mut letters = run.reason.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters).collect()
}

/// How a run has ended, and after which time.
fn after(ended: &str, run: &Run) -> String {
    let started_at = run.overdue_at.minus(Duration::from_millis(run.timeout_ms));
    let seconds = run.updated_at.since(started_at).as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{ended} after {seconds} s"),
        (0, _) => format!("{ended} after {minutes} min {seconds} s"),
        _ => format!("{ended} after {hours} h {minutes} min"),
    }
}

#[cfg(test)]
#[path = "status_tests.rs"]
mod tests;
