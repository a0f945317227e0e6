//! NEIGHBOUR durable state: what the gateway promises to remember.
//!
//! One method is one atomic transition, named after what it means to the business; every write of
//! a leased row is fenced by a lease number that only grows. It must never know Azure DevOps, CI
//! systems or HTTP, and it must never decide: callers bring the decision.

mod change;
mod error;
mod hook_activity;
mod identity;
mod options;
mod records;
pub mod sqlite;
mod upkeep;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::audit::Entry;
use crate::domain::decision::{KnownPullRequest, KnownRef};
use crate::domain::event::Repository;
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;
use crate::domain::status::Status;
use crate::domain::time::Timestamp;

pub use change::{Changed, change_run};
pub use error::Error;
pub use hook_activity::{HookActivity, HookKey};
pub use identity::{
    AuditFilter, AuditRow, Link, LinkChange, LinkTo, Login, Refresh, RefreshCommit, Refreshed,
    Ticket,
};
pub use options::{Engine, Options};
pub use records::{
    Accepted, Arrived, Availability, Backlog, Claim, Commit, DecisionCommit, Delivery,
    DeliveryFilter, Lease, LeasedDelivery, LeasedRun, LeasedSlot, Mark, NewDelivery, Page, Paged,
    Posted, Posting, PostingCommit, Received, RunCommit, RunFilter, StatusFilter, StatusRow,
    TakeIn, Versioned,
};
pub use upkeep::{
    Arrival, HookRow, HookState, KnownRepository, PolicyRow, Reconciler, SubscriptionFilter,
    SubscriptionRow, Upkeep, WatchRow, Watermark,
};

/// What every engine does, in the order of the flow.
#[async_trait]
pub trait Store: Upkeep + Debug {
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

    /// Gives a leased delivery back, to be claimed again at `due_at`.
    async fn release_delivery(
        &self,
        lease: Lease<DeliveryId>,
        due_at: Timestamp,
    ) -> Result<Commit, Error>;

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

    /// Leases planned runs that are due, oldest first, within their checks' concurrency.
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<Run>, Error>;

    /// Replaces a run by a later revision of itself and queues what it wants shown.
    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error>;

    /// Ends `old` (where it still goes on) and stores `new` in its hook_scope.
    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error>;

    /// Runs that go on though their time is over.
    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error>;

    /// Queues a status that no run of ours wants shown.
    async fn queue_status(&self, status: Status, now: Timestamp) -> Result<StatusId, Error>;

    /// Leases hook_scopes at Azure DevOps that do not show what they should, each with the newest
    /// status for it.
    async fn claim_slots(&self, claim: Claim) -> Result<Vec<LeasedSlot>, Error>;

    /// Records what became of posting a leased slot.
    async fn commit_posting(&self, commit: PostingCommit) -> Result<Commit, Error>;

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

    /// Runs, newest first.
    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error>;

    /// One status.
    async fn status(&self, id: StatusId) -> Result<Option<StatusRow>, Error>;

    /// Statuses, newest first.
    async fn statuses(&self, filter: StatusFilter, page: Page) -> Result<Paged<StatusRow>, Error>;

    /// What this installation is called: eight hexadecimal digits, the same for every process that
    /// uses this store, for ever.
    async fn gateway(&self) -> Result<String, Error>;

    /// Keeps a ticket until it is used or out of date.
    async fn issue_ticket(&self, ticket: Ticket) -> Result<(), Error>;

    /// Uses a ticket up: who asked for it, once, for its organization, before it is out of date.
    async fn take_ticket(
        &self,
        digest: [u8; 32],
        organization: &str,
        now: Timestamp,
    ) -> Result<Option<String>, Error>;

    /// Remembers a sign-in that was begun. Those that are out of date are forgotten.
    async fn begin_login(&self, login: Login, now: Timestamp) -> Result<(), Error>;

    /// Ends a sign-in that this very browser began, once; none when there is none such, or it is
    /// out of date.
    async fn take_login(
        &self,
        state: [u8; 32],
        browser: [u8; 32],
        now: Timestamp,
    ) -> Result<Option<Login>, Error>;

    /// The service user of an organization.
    async fn link(&self, organization: &str) -> Result<Option<Link>, Error>;

    /// Every service user, by organization.
    async fn links(&self) -> Result<Vec<Link>, Error>;

    /// Links or unlinks, with the entry that says so. Whoever refreshes the link meanwhile loses
    /// its lease.
    async fn commit_link(&self, change: LinkChange) -> Result<Commit, Error>;

    /// Leases the renewal of a link, so that one replica does it.
    async fn claim_refresh(
        &self,
        organization: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Refresh, Error>;

    /// Stores what a renewal brought and ends its lease.
    async fn commit_refresh(&self, commit: RefreshCommit) -> Result<Commit, Error>;

    /// Makes every status of an organization that waits be due now.
    async fn hurry_slots(&self, organization: &str, now: Timestamp) -> Result<usize, Error>;

    /// Appends entries to the audit log, all or none.
    async fn record(&self, entries: Vec<Entry>) -> Result<(), Error>;

    /// The audit log, newest first.
    async fn audit(&self, filter: AuditFilter, page: Page) -> Result<Paged<AuditRow>, Error>;

    /// One entry of the audit log.
    async fn audit_entry(&self, id: i64) -> Result<Option<AuditRow>, Error>;

    /// Deletes up to `limit` finished rows of each kind that are older than `before`, and entries
    /// of the audit log that are older than `audit_before`.
    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error>;

    /// How much waits at each stage.
    async fn backlog(&self) -> Result<Backlog, Error>;

    /// Whether deliveries can be stored now, and if not, why.
    fn health(&self) -> Availability;

    /// Writes what was admitted and stops, waiting for that so long at most. Nothing is accepted
    /// afterwards.
    async fn close(&self, within: Duration);
}
