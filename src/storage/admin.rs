//! The operation of the store as a whole: backlog, availability, retention, and a clean stop.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use crate::domain::run::State;
use crate::domain::time::Timestamp;

/// How many deliveries, runs and slots wait for each stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub undecided: u64,
    pub planned: u64,
    /// Dispatched or running.
    pub at_ci: u64,
    pub unposted: u64,
    /// When the oldest undecided delivery was received.
    pub oldest_undecided: Option<Timestamp>,
    /// When the oldest of the runs was planned that wait for their CI.
    pub oldest_planned: Option<Timestamp>,
    /// By CI and state.
    pub live_runs: Vec<LiveRuns>,
}

/// So many runs of a CI are in a state that is not final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveRuns {
    pub ci: String,
    pub state: State,
    pub count: u64,
}

/// Whether deliveries can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    Writable,
    /// What is wrong and what to do about it.
    Unwritable(String),
}

/// The schema of a database, compared with the one that this version needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    UpToDate {
        version: i64,
    },
    /// Migrations are missing; `from` is 0 in an empty database.
    Behind {
        from: i64,
        to: i64,
    },
}

/// The operation of the store as a whole.
#[async_trait]
pub trait Admin: Debug + Send + Sync {
    /// Deletes up to `limit` finished rows of each kind that are older than `before`, and entries
    /// of the audit log that are older than `audit_before`.
    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error>;

    /// How many deliveries, runs and slots wait for each stage.
    async fn backlog(&self) -> Result<Backlog, Error>;

    /// What waits in this process for the database, each with the name of its queue.
    fn waiting(&self) -> Vec<(&'static str, usize)>;

    /// Whether deliveries can be stored now, and if not, why.
    fn health(&self) -> Availability;

    /// What was found damaged of the deliveries that were received, and what to do about it. None
    /// once an operator has taken it away.
    fn damage(&self) -> Option<String>;

    /// Carries out the writes that were accepted, for as long as `within`, and stops. Further
    /// writes are refused.
    async fn close(&self, within: Duration);
}
