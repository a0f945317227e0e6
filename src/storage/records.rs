//! What goes into the store and what comes out. It must never know SQL.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::decision::{Decision, Outcome, Source};
use crate::domain::event::Repository;
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;
use crate::domain::status::{Shown, Status};
use crate::domain::time::Timestamp;

/// A hook call to be stored. The body is compressed already.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub organization: String,
    pub hook: String,
    pub source: Source,
    pub received_at: Timestamp,
    /// The two make the key of a delivery; absent for test deliveries and what is not understood.
    pub subscription: Option<String>,
    pub notification: Option<i64>,
    /// Equal for several deliveries of one event.
    pub event_id: Option<String>,
    pub event_type: Option<String>,
    pub created_at: Option<Timestamp>,
    /// LZ4, preceded by the length.
    pub body: Vec<u8>,
    pub body_bytes: usize,
    /// Why it will not be decided: it is no JSON. Stored all the same.
    pub quarantined: Option<String>,
}

/// A hook call as it came: on disk, and not looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub organization: String,
    pub hook: String,
    pub received_at: Timestamp,
    pub body: Vec<u8>,
}

/// A place among all that was ever received; the store knows how they compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub segment: u64,
    pub position: u64,
}

/// Hook calls that are not taken in yet, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub deliveries: Vec<Received>,
    /// They are all that lies between these two.
    pub from: Mark,
    pub upto: Mark,
}

/// Hook calls to be taken in, and what they were read from.
#[derive(Clone, Debug, Default)]
pub struct TakeIn {
    pub deliveries: Vec<NewDelivery>,
    pub from: Mark,
    pub upto: Mark,
}

/// What became of a hook call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    Stored(DeliveryId),
    /// Azure DevOps sent it before.
    AlreadyThere,
}

/// A wish for work.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub now: Timestamp,
    pub limit: usize,
    /// How long nobody else gets the rows.
    pub lease: Duration,
}

/// The right to work on a row; `number` grows with every claim of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<Id> {
    pub id: Id,
    pub number: i64,
}

/// A value and the revision that a change of it must name.
#[derive(Clone, Debug, Default)]
pub struct Versioned<T> {
    pub value: T,
    /// 0 when there is nothing yet.
    pub revision: i64,
}

/// The answer to a write that others may have overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Committed,
    /// What it was based on has changed: load and decide again.
    Conflict,
    /// Somebody else has the row now: drop the result.
    LeaseLost,
}

/// A delivery that waits for a decision.
#[derive(Clone, Debug)]
pub struct LeasedDelivery {
    pub lease: Lease<DeliveryId>,
    pub organization: String,
    pub source: Source,
    pub received_at: Timestamp,
    pub body: Vec<u8>,
    /// Claims so far, this one included.
    pub attempts: u32,
}

/// A decision to be carried out, and what it was based on.
#[derive(Clone, Debug)]
pub struct DecisionCommit {
    pub lease: Lease<DeliveryId>,
    pub organization: String,
    pub decision: Decision,
    /// The repository as the delivery names it.
    pub repository: Option<Repository>,
    /// `project/repository` before the rename that the delivery tells.
    pub former_name: Option<String>,
    /// Of the pull request, when the decision remembers one.
    pub pull_request_revision: i64,
    /// Of the refs that the decision remembers, by name.
    pub ref_revisions: Vec<(String, i64)>,
    pub now: Timestamp,
}

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

/// A stored delivery and what became of it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub id: DeliveryId,
    pub organization: String,
    pub hook: String,
    pub source: Source,
    pub received_at: Timestamp,
    pub subscription: Option<String>,
    pub notification: Option<i64>,
    pub event_type: Option<String>,
    pub created_at: Option<Timestamp>,
    pub body_bytes: i64,
    pub event: Option<String>,
    pub outcome: Outcome,
    pub reason: String,
    pub decided_at: Option<Timestamp>,
    pub runs: Vec<RunId>,
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

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub organization: Option<String>,
    pub event_type: Option<String>,
    pub outcome: Option<Outcome>,
    pub source: Option<Source>,
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

/// Which statuses.
#[derive(Clone, Debug, Default)]
pub struct StatusFilter {
    pub organization: Option<String>,
    pub run: Option<RunId>,
    pub outcome: Option<String>,
}

/// Which part of a list: what comes before a number, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub limit: usize,
    pub before: Option<i64>,
}

/// One page, and where the next begins.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next: Option<i64>,
}

/// How much waits at each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub undecided: u64,
    pub planned: u64,
    /// Dispatched or running.
    pub at_ci: u64,
    pub unposted: u64,
    /// When the oldest undecided delivery was received.
    pub oldest_undecided: Option<Timestamp>,
}

/// Whether deliveries can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    Writable,
    /// What is wrong and what to do about it.
    Unwritable(String),
}
