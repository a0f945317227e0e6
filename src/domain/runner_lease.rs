//! The leases of runners: for how long a runner executes a run that it has taken.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The runners of a run whose CI is kind `runner`; empty for every other run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerLeases {
    /// It waits for a runner to take it.
    #[serde(default)]
    pub is_offered: bool,
    /// The lease of the runner that has it, or had it when the run ended.
    #[serde(default)]
    pub held: Option<RunnerLease>,
    /// How often a runner that had it was lost.
    #[serde(default)]
    pub lost: u32,
}

impl RunnerLeases {
    /// Whether no runner is or was concerned.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The lease with this number, where it is the one that is held.
    pub fn held_as(&self, number: u32) -> Option<&RunnerLease> {
        self.held.as_ref().filter(|held| held.number == number)
    }

    /// Why a report under the lease with this number does not count; none where it does.
    pub fn refusal(&self, number: u32) -> Option<String> {
        match &self.held {
            Some(held) if held.number == number => None,
            Some(held) => Some(format!("the lease is lost: runner {} has the run", held.runner)),
            None => Some("the lease is lost: the run waits for another runner".to_owned()),
        }
    }
}

/// The right of one runner to execute a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerLease {
    /// The name that the runner gives itself.
    pub runner: String,
    /// Fencing number: it grows with every lease of the run, and is the number of the attempt.
    pub number: u32,
    /// Without a heartbeat by then, the runner is lost.
    pub expires_at: Timestamp,
}
