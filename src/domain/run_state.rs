//! The states of a run, what may be reported of it, and by whom.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a run: `planned → dispatched → running →` one of the final states.
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
    /// Every state, in the usual order.
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

    /// Whether the run has ended; a final state never changes.
    pub fn is_final(self) -> bool {
        !matches!(self, State::Planned | State::Dispatched | State::Running)
    }

    /// Whether the CI gave a result, which may be shown again for the same commit.
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

/// Who sent a report, as its token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sender {
    /// The run itself, with its own token.
    Runner,
    /// The runner that has or had the lease with this number, with the token of that lease.
    Lease(u32),
    /// Somebody with an API token that may report on every run.
    Reporter,
    /// The CI, in its answer to a question of the gateway.
    Ci,
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
