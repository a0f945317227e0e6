//! Statuses to be posted: for each slot at Azure DevOps the newest, one attempt at a time.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::lease::{Claim, Commit, Lease};
use super::page::{Page, Paged};
use crate::domain::id::{RunId, StatusId};
use crate::domain::status::{Shown, Status};
use crate::domain::time::Timestamp;

/// A place at Azure DevOps and what it should show.
#[derive(Clone, Debug)]
pub struct LeasedSlot {
    pub lease: Lease<i64>,
    pub status_id: StatusId,
    pub status: Status,
    /// What it shows, as far as we know.
    pub posted: Option<Posted>,
    /// The iteration that a status of the same run was posted to.
    pub iteration: Option<i64>,
    /// Failed tries at this status.
    pub attempts: u32,
    /// A try ended without an answer: look before posting again.
    pub doubtful: bool,
    /// When the status was queued.
    pub queued_at: Timestamp,
}

/// What a slot shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    pub state: Shown,
    pub description: String,
    pub url: Option<String>,
    pub iteration: Option<i64>,
}

/// What became of a try at posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posting {
    Posted {
        iteration: Option<i64>,
    },
    /// It is shown already.
    Unchanged {
        iteration: Option<i64>,
    },
    /// Azure DevOps will never take it.
    Refused(String),
    Later {
        due_at: Timestamp,
        counts: bool,
        doubtful: bool,
        reason: String,
    },
}

/// See [`Posting`].
#[derive(Clone, Debug)]
pub struct PostingCommit {
    pub lease: Lease<i64>,
    pub status_id: StatusId,
    pub posting: Posting,
    pub now: Timestamp,
}

/// A status and what became of it.
#[derive(Clone, Debug)]
pub struct StatusRow {
    pub id: StatusId,
    pub status: Status,
    pub queued_at: Timestamp,
    pub posted_at: Option<Timestamp>,
    /// `queued`, `posted`, `unchanged`, `superseded` or `refused`.
    pub outcome: String,
    pub reason: String,
}

/// Which statuses.
#[derive(Clone, Debug, Default)]
pub struct StatusFilter {
    pub organization: Option<String>,
    pub run: Option<RunId>,
    pub outcome: Option<String>,
}

/// Statuses, and the slots that show them.
#[async_trait]
pub trait Statuses: Debug + Send + Sync {
    /// Queues a status that no run of ours wants shown.
    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error>;

    /// Leases slots at Azure DevOps that do not show what they should, each with the newest
    /// status for it.
    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error>;

    /// Records what became of posting a leased slot.
    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error>;

    /// Makes every status of an organization that waits be due now.
    async fn hurry_slots(&self, organization: &str, now: Timestamp) -> Result<usize, Error>;

    /// One status.
    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error>;

    /// Statuses, newest first.
    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error>;
}
