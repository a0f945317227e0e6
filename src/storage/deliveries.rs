//! Hook calls, from their arrival to the decision about each, and what is known of the pull requests
//! and refs that they tell of.

use async_trait::async_trait;

use super::error::Error;
use super::lease::{Claim, Commit, Lease, Versioned};
use super::page::{Page, Paged};
use crate::domain::decision::{Decision, KnownPullRequest, KnownRef, Outcome, Source};
use crate::domain::event::Repository;
use crate::domain::id::{DeliveryId, RunId};
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

/// Which deliveries.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub organization: Option<String>,
    pub event_type: Option<String>,
    pub outcome: Option<Outcome>,
    pub source: Option<Source>,
}

/// Deliveries and the decisions about them.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Keeps a hook call as it came. Returns once it is on disk.
    ///
    /// # Errors
    /// `Busy` when too much waits to be written, `Unavailable` when the disk does not take it.
    async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error>;

    /// The oldest hook calls that are not taken in yet.
    async fn arrived(&self, limit: usize) -> Result<Arrived, Error>;

    /// Takes hook calls in, each unless it is there already; none of them where somebody else did
    /// it meanwhile. Answers in their order.
    async fn take_in(&self, arrived: TakeIn) -> Result<Option<Vec<Accepted>>, Error>;

    /// Leases deliveries that wait for a decision, oldest first.
    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error>;

    /// What is known of a pull request, and the revision that a decision about it is based on.
    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error>;

    /// What is known of some refs, in the order of `names`.
    async fn known_refs(
        &self,
        organization: &str,
        repository: &str,
        names: Vec<String>,
    ) -> Result<Vec<Versioned<KnownRef>>, Error>;

    /// The names that a repository had before, as `project/repository`.
    async fn former_names(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<Vec<String>, Error>;

    /// Marks a delivery decided and does what the decision says, all or nothing.
    async fn commit_decision(&self, decision: DecisionCommit) -> Result<Commit, Error>;

    /// Stores the body of a delivery once more, to be decided anew.
    async fn replay(&self, id: DeliveryId, now: Timestamp) -> Result<Option<DeliveryId>, Error>;

    /// One delivery.
    async fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, Error>;

    /// The body of a delivery, as received.
    async fn delivery_body(&self, id: DeliveryId) -> Result<Option<Vec<u8>>, Error>;

    /// Deliveries, newest first.
    async fn deliveries(
        &self,
        filter: DeliveryFilter,
        page: Page,
    ) -> Result<Paged<Delivery>, Error>;
}
