//! Which problems there are in all processes, and since when.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use crate::domain::time::Timestamp;

/// A problem that no process has seen for longer is not shown any more.
pub const PROBLEM_SHOWN_FOR: Duration = Duration::from_secs(30);

/// What tells problems apart: organization, kind, and what it is about where an organization may
/// have several of a kind.
pub type ProblemKey = (String, String, String);

/// A problem of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProblemRow {
    pub key: ProblemKey,
    pub reason: String,
    pub since: Timestamp,
}

/// What one process sees of the problems.
#[derive(Clone, Debug)]
pub struct SeenProblems {
    /// All that it sees, each since this process has seen it.
    pub all: Vec<ProblemRow>,
    /// Those that it saw and that are over.
    pub over: Vec<ProblemKey>,
    pub seen_at: Timestamp,
    /// A problem that no process has seen since then is over.
    pub over_before: Timestamp,
}

/// See the module.
#[async_trait]
pub trait Problems: Debug + Send + Sync {
    /// Notes what a process sees. Of each problem the earliest time counts that any process has
    /// noted, also one that has ended since.
    async fn see_problems(&self, seen: SeenProblems) -> Result<(), Error>;

    /// The problems that a process has seen after `seen_after`, by their keys.
    async fn problems(&self, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Error>;
}
