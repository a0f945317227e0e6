//! Deliveries, from the arrival of a hook call to the decision about it, and what is known of the
//! pull requests and refs that they are about.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;
use super::lease::{Claim, Commit, Lease, Versioned};
use super::page::{Between, Page, Paged};
use crate::domain::check_outcome::CheckOutcome;
use crate::domain::decision::{Decision, KnownPullRequest, KnownRef, Outcome, Source};
use crate::domain::event::{Event, Repository};
use crate::domain::fact::CatchUpMeta;
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::pull_request::PullRequest;
use crate::domain::subscription::KnownProject;
use crate::domain::time::Timestamp;

/// Pull requests of one head that are looked up: a commit is the head of few branches, and a branch
/// the source of few pull requests.
pub const PULL_REQUESTS_AT_MAX: usize = 20;

/// The outermost fields of a hook call, by which it is stored and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// With `notification` the key of a delivery. Absent in test deliveries and in a body that is
    /// not understood.
    pub subscription: Option<String>,
    pub notification: Option<i64>,
    /// Equal for all deliveries of one event.
    pub event_id: Option<String>,
    pub event_type: Option<String>,
    pub created_at: Option<Timestamp>,
    /// Why the delivery is stored and not decided: its body is not a JSON object.
    pub quarantined: Option<String>,
}

/// Reads the envelope of a body. A store is opened with this function, because it may not know the
/// bodies of Azure DevOps. It must not panic.
pub type EnvelopeReader = fn(&[u8]) -> Envelope;

/// A delivery that waits for a decision.
#[derive(Clone, Debug)]
pub struct LeasedDelivery {
    pub lease: Lease<DeliveryId>,
    pub organization: String,
    /// The hook that it came to.
    pub hook: String,
    pub source: Source,
    pub received_at: Timestamp,
    pub body: Vec<u8>,
    /// What catch-up found out beside the body; only on deliveries that catch-up stored.
    pub catch_up: Option<CatchUpMeta>,
    /// Claims so far, this one included.
    pub attempts: u32,
}

/// A decision to be stored, and what it was based on.
#[derive(Clone, Debug)]
pub struct DecisionCommit {
    pub lease: Lease<DeliveryId>,
    pub organization: String,
    pub decision: Decision,
    /// The repository as the delivery names it.
    pub repository: Option<Repository>,
    /// `project/repository` before the rename, where the delivery is about one.
    pub former_name: Option<String>,
    /// Of the pull request, when the decision remembers one.
    pub pull_request_revision: i64,
    /// Of the refs that the decision remembers, by name.
    pub ref_revisions: Vec<(String, i64)>,
    /// The keys of what the delivery is about (`domain::about`).
    pub about: Vec<i64>,
    pub now: Timestamp,
}

/// A stored delivery and what was decided about it.
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
    /// Of the body as it was received.
    pub body_bytes: i64,
    pub event: Option<String>,
    pub outcome: Outcome,
    pub reason: String,
    pub decided_at: Option<Timestamp>,
    /// What was decided about each check that it concerns.
    pub checks: Vec<CheckOutcome>,
    pub runs: Vec<RunId>,
}

/// The copy of a delivery that is decided again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub id: DeliveryId,
    /// False where the request was made before.
    pub is_new: bool,
}

/// Selects deliveries; an absent field selects all.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    pub organization: Option<String>,
    pub event_type: Option<String>,
    /// Those that wait for a decision are not found by it.
    pub event: Option<Event>,
    pub outcome: Option<Outcome>,
    pub source: Option<Source>,
    /// The key of what they are about (`domain::about`); those that wait for a decision are not
    /// found by it.
    pub about: Option<i64>,
    /// When it was received.
    pub between: Between,
}

/// Deliveries and the decisions about them.
#[async_trait]
pub trait Deliveries: Debug + Send + Sync {
    /// Stores a hook call. It is durable when this returns. A delivery that was stored before is
    /// not stored twice.
    ///
    /// # Errors
    /// `Busy` when too many writes wait, `Unavailable` when the disk refuses the write.
    async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error>;

    /// Leases deliveries that wait for a decision, oldest first. With a limit of 0 none is leased;
    /// in any case lists show what was received before.
    async fn claim_deliveries(&self, claim: Claim) -> Result<Vec<LeasedDelivery>, Error>;

    /// What is known of a pull request, and the revision that a decision about it is based on.
    async fn known_pull_request(
        &self,
        organization: &str,
        repository: &str,
        id: i64,
    ) -> Result<Versioned<KnownPullRequest>, Error>;

    /// The active pull requests of an organization whose source head is this commit, as far as is
    /// known: the first [`PULL_REQUESTS_AT_MAX`], by repository and number.
    async fn pull_requests_at(
        &self,
        organization: &str,
        commit: &str,
    ) -> Result<Vec<PullRequest>, Error>;

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

    /// What `watch` last stored of the repository and the project that a delivery names.
    async fn known_project(
        &self,
        organization: &str,
        repository: &Repository,
    ) -> Result<KnownProject, Error>;

    /// When catch-up began to watch a repository.
    async fn watched_since(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<Option<Timestamp>, Error>;

    /// Marks a delivery as decided and stores everything that the decision says, all or nothing.
    async fn commit_decision(&self, decision: DecisionCommit) -> Result<Commit, Error>;

    /// Stores a copy of a delivery, to be decided again. A repeated `request`, which is a
    /// [`replay_key`](crate::domain::about::replay_key), gives the copy that there is. None when
    /// there is no such delivery.
    async fn replay(
        &self,
        id: DeliveryId,
        request: i64,
        now: Timestamp,
    ) -> Result<Option<Replayed>, Error>;

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
