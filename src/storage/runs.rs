//! Runs: planned once, leased to be started, replaced by later revisions of themselves.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::lease::{Claim, Commit, Lease};
use super::page::{Page, Paged};
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;

/// A planned run to be started.
#[derive(Clone, Debug)]
pub struct LeasedRun {
    pub lease: Lease<RunId>,
    pub run: Run,
}

/// A run to be replaced by a later revision of itself.
#[derive(Clone, Debug)]
pub struct RunCommit {
    /// The run as it is to be stored. Its `revision` is the one that it was loaded with.
    pub run: Run,
    /// Set when the caller works under a lease.
    pub lease: Option<Lease<RunId>>,
    /// When the next attempt to start it is due; none leaves that time as it is.
    pub due_at: Option<Timestamp>,
}

/// Selects runs; an absent field selects all.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    pub organization: Option<String>,
    pub check: Option<String>,
    /// GUID.
    pub repository: Option<String>,
    pub commit: Option<String>,
    pub pull_request: Option<i64>,
    pub state: Option<String>,
}

/// Runs. The statuses of a run are queued in the transaction that changes the run.
#[async_trait]
pub trait Runs: Debug + Send + Sync {
    /// Leases planned runs that are due, oldest first, within the concurrency limits of their
    /// checks.
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, Error>;

    /// Replaces a run by a later revision of itself.
    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error>;

    /// Stores a new run, and ends the old one where it has not ended.
    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error>;

    /// Runs that have not ended although their time is over.
    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error>;

    /// Runs, newest first.
    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error>;
}
