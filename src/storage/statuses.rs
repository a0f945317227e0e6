//! Statuses to be posted: for each slot at Azure DevOps the newest, one attempt at a time.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::lease::{Claim, Commit, Lease};
use super::page::{Between, Page, Paged};
use crate::domain::id::{RunId, StatusId};
use crate::domain::slot::{Posted, Posting, StatusOutcome};
use crate::domain::status::Status;
use crate::domain::time::Timestamp;

/// A slot and the status that it should show.
#[derive(Clone, Debug)]
pub struct LeasedSlot {
    pub lease: Lease<i64>,
    pub status_id: StatusId,
    pub status: Status,
    /// The status that it shows, as far as is known.
    pub posted: Option<Posted>,
    /// The iteration that a status of the same run was posted to.
    pub iteration: Option<i64>,
    /// Failed attempts to post this status.
    pub attempts: u32,
    /// The outcome of an earlier attempt is not known: look it up before posting.
    pub doubtful: bool,
    /// When the status was queued.
    pub queued_at: Timestamp,
}

/// The end of an attempt to post the status of a leased slot.
#[derive(Clone, Debug)]
pub struct PostingCommit {
    pub lease: Lease<i64>,
    pub status_id: StatusId,
    pub posting: Posting,
    pub now: Timestamp,
}

/// A stored status and its outcome.
#[derive(Clone, Debug)]
pub struct StatusRow {
    pub id: StatusId,
    pub status: Status,
    pub queued_at: Timestamp,
    pub posted_at: Option<Timestamp>,
    pub outcome: StatusOutcome,
    pub reason: String,
}

/// Selects statuses; an absent field selects all.
#[derive(Clone, Debug, Default)]
pub struct StatusFilter {
    pub organization: Option<String>,
    pub run: Option<RunId>,
    pub outcome: Option<String>,
    /// When it was queued.
    pub between: Between,
}

/// Statuses, and the slots that show them.
#[async_trait]
pub trait Statuses: Debug + Send + Sync {
    /// Queues a status that was reported for no run.
    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error>;

    /// Leases slots that do not show their newest status.
    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error>;

    /// Stores the outcome of an attempt to post the status of a leased slot. Where the lease is
    /// lost, the slot is doubtful if the status may have been posted; the lease of another attempt
    /// is lost as well, because its outcome says nothing any more.
    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error>;

    /// Makes all unleased slots of an organization that wait due now. Returns how many.
    async fn make_slots_due(&self, organization: &str, now: Timestamp) -> Result<usize, Error>;

    /// The statuses to show in each slot with the target of this one, by their slots.
    async fn statuses_of_target(&self, status: &Status) -> Result<Vec<Status>, Error>;

    /// One status.
    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error>;

    /// Statuses, newest first.
    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error>;
}
