//! Runs: planned once, leased to be started, replaced by later revisions of themselves.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::lease::{Claim, Commit, Lease};
use super::page::{Between, Page, Paged};
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;

/// A run about which its CI is to be asked.
#[derive(Clone, Debug)]
pub struct LeasedRun {
    pub lease: Lease<RunId>,
    pub run: Run,
    /// The lease before this one ended without an outcome: what its holder asked the CI may have
    /// been done.
    pub is_interrupted: bool,
}

/// The end of a lease that changes nothing about the run.
#[derive(Clone, Debug)]
pub struct Postponed {
    pub lease: Lease<RunId>,
    /// Of the run that was leased. Where the run has changed, its time stays as it is.
    pub revision: i64,
    /// When the CI is asked about it next.
    pub due_at: Timestamp,
}

/// No calls to an account at a CI until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiPause {
    pub account: String,
    pub until: Timestamp,
    /// For people.
    pub reason: String,
}

/// A run to be replaced by a later revision of itself.
#[derive(Clone, Debug)]
pub struct RunCommit {
    /// The run as it is to be stored. Its `revision` is the one that it was loaded with.
    pub run: Run,
    /// Set when the caller works under a lease.
    pub lease: Option<Lease<RunId>>,
    /// When its CI is asked about it next; none leaves that time as it is.
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
    pub ci: Option<String>,
    /// When it was planned.
    pub between: Between,
}

/// Runs. The statuses of a run are queued in the transaction that changes the run.
#[async_trait]
pub trait Runs: Debug + Send + Sync {
    /// Leases planned runs that are due, within the concurrency limits of their checks and CIs.
    ///
    /// Pull requests and refs take turns at what is limited: a run for which an earlier one of its
    /// check has not ended comes after all others. Otherwise they start in the order of planning.
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error>;

    /// Leases runs that their CIs were asked to start and are to be asked about, longest due first.
    async fn claim_followed_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error>;

    /// Ends a lease without a change of the run.
    async fn postpone_run(&self, postponed: Postponed) -> Result<Commit, Error>;

    /// The runs of a CI that are followed and have this id there.
    async fn runs_at_ci(&self, ci: &str, ci_id: &str) -> Result<Vec<Run>, Error>;

    /// Pauses calls to an account; an earlier end of an earlier pause does not count any more.
    async fn pause_ci(&self, pause: CiPause) -> Result<(), Error>;

    /// The pauses that end after `now`.
    async fn ci_pauses(&self, now: Timestamp) -> Result<Vec<CiPause>, Error>;

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
