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

/// A run to be replaced by a later revision of itself. What it wants shown is queued with it.
#[derive(Clone, Debug)]
pub struct RunCommit {
    /// The run afterwards; its `revision` is the one that it was loaded with.
    pub run: Run,
    /// For whoever works under a lease.
    pub lease: Option<Lease<RunId>>,
    /// When to try again to start it, if it is still to be started.
    pub due_at: Option<Timestamp>,
}

/// Which runs.
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

/// Runs. A run that changes queues the statuses that it wants shown in the same transaction.
#[async_trait]
pub trait Runs: Debug + Send + Sync {
    /// Leases planned runs that are due, oldest first, within their checks' concurrency.
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, Error>;

    /// Replaces a run by a later revision of itself and queues what it wants shown.
    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error>;

    /// Ends `old` (where it still goes on) and stores `new` beside it.
    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error>;

    /// Runs that go on though their time is over.
    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error>;

    /// Runs, newest first.
    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error>;
}
