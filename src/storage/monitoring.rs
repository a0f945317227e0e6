//! What people see of the state of the gateway: which problems there are in all processes and since
//! when, and how much happened in each minute.

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

/// A value of a series in the minute that begins at `at`, counted by one process (`series`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MinuteRow {
    pub at: Timestamp,
    pub series: String,
    pub value: i64,
}

/// The values of a series in an hour, of all minutes and processes together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourRow {
    /// When the hour began.
    pub at: Timestamp,
    pub series: String,
    pub sum: i64,
    /// How many values were added up.
    pub values: i64,
}

/// See the module.
#[async_trait]
pub trait Monitoring: Debug + Send + Sync {
    /// Notes what a process sees. Of each problem the earliest time counts that any process has
    /// noted, also one that has ended since.
    async fn see_problems(&self, seen: SeenProblems) -> Result<(), Error>;

    /// The problems that a process has seen after `seen_after`, by their keys.
    async fn problems(&self, seen_after: Timestamp) -> Result<Vec<ProblemRow>, Error>;

    /// Stores what a process has counted, in place of what it has stored of the same minutes, and
    /// deletes minutes before `forget_before`.
    async fn add_minutes(
        &self,
        process: String,
        rows: Vec<MinuteRow>,
        forget_before: Timestamp,
    ) -> Result<(), Error>;

    /// The values of some series from `since` on, by series and minute: one for each process that
    /// has counted in that minute.
    async fn minutes(&self, series: Vec<String>, since: Timestamp)
    -> Result<Vec<MinuteRow>, Error>;

    /// The values of some series in the hours that begin at these times, by series and hour;
    /// nothing of an hour without a value.
    async fn hours(
        &self,
        series: Vec<String>,
        begins: Vec<Timestamp>,
    ) -> Result<Vec<HourRow>, Error>;
}
