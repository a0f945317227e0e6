//! Runners: which runs they may take and have, and which runners there are.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::page::{Page, Paged};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;

/// The runs of CIs of runners that have been dispatched and have not ended.
#[derive(Clone, Debug, Default)]
pub struct RunnerQueue {
    /// Of each check with runs that no runner has, the run that was planned first.
    pub offered: Vec<Run>,
    /// The runs that a runner has, in the order in which they were planned.
    pub leased: Vec<Run>,
}

/// A runner that has asked for a run or sent a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRunner {
    /// The name of its API token.
    pub token: String,
    /// The name that it gives itself.
    pub name: String,
    /// None where they are as before.
    pub labels: Option<Vec<String>>,
    pub seen_at: Timestamp,
    /// Not seen since then, it had gone.
    pub gone_before: Timestamp,
}

/// A runner as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerRow {
    pub id: i64,
    pub token: String,
    pub name: String,
    pub labels: Vec<String>,
    /// Since when it has been there without a break.
    pub since: Timestamp,
    pub seen_at: Timestamp,
}

/// See the module.
#[async_trait]
pub trait Runners: Debug + Send + Sync {
    /// The runs of these CIs that runners may take, and those that they have.
    async fn runner_queue(&self, cis: Vec<String>) -> Result<RunnerQueue, Error>;

    /// Remembers a runner, by the name of its token and its own.
    async fn see_runner(&self, seen: SeenRunner) -> Result<(), Error>;

    /// Runners, the newest first.
    async fn runners(&self, page: Page) -> Result<Paged<RunnerRow>, Error>;
}
