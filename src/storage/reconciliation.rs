//! What reconcilers remember between two passes: which process runs the next one, the secrets of
//! hooks, subscriptions as last seen, how far repositories were read, and which policies we
//! created.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use super::lease::Commit;
use super::page::{Page, Paged};
use crate::domain::decision::{Remembered, RememberedRef};
use crate::domain::event::Repository;
use crate::domain::fact::CatchUpMeta;
use crate::domain::id::DeliveryId;
use crate::domain::reconciler::{Asked, LastPass, PassClaim, Release};
use crate::domain::subscription::{Found, HookScope, HookSecret};
use crate::domain::time::Timestamp;

/// A reconciler, of which one replica at a time runs a pass over an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reconciler {
    Subscriptions,
    Policies,
    CatchUp,
}

impl Reconciler {
    /// The name in the store and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Reconciler::Subscriptions => "subscriptions",
            Reconciler::Policies => "policies",
            Reconciler::CatchUp => "catch_up",
        }
    }
}

/// The secrets of the hooks of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRow {
    pub hook_scope: HookScope,
    pub secret: HookSecret,
}

/// A hook to which deliveries came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveHook {
    /// As in its URL.
    pub hook: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// The hooks of one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookState {
    /// An operator removed the hooks: none is created until an operator asks for it.
    pub is_held: bool,
    pub hook_scopes: Vec<HookRow>,
    pub hook_activity: Vec<ActiveHook>,
}

/// A subscription as last seen, and what the plan does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub organization: String,
    /// Name of its project, where that is known.
    pub project: Option<String>,
    pub found: Found,
    /// The hook that it delivers to.
    pub hook: String,
    /// `keep`, `change`, `heal`, `remove`, `wait` or `leave`.
    pub action: String,
    pub reason: String,
    /// Names of the checks that need it.
    pub checks: Vec<String>,
    /// When the hook delivered last. Read, and not stored with the rest.
    pub last_delivery_at: Option<Timestamp>,
    pub seen_at: Timestamp,
}

/// Selects subscriptions; an absent field selects all.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    pub organization: Option<String>,
}

/// A repository that catch-up watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRow {
    pub repository: Repository,
    /// Events before this time start nothing.
    pub since: Timestamp,
    /// Every event before this time of Azure DevOps has been stored; none before the first reading.
    pub read_until: Option<Timestamp>,
    /// As `project/repository`.
    pub former_names: Vec<String>,
}

/// The `hook` of deliveries that catch-up stored.
pub const CATCH_UP_HOOK: &str = "catch-up";

/// A fact that catch-up found, to be stored as a delivery.
#[derive(Clone, Debug)]
pub struct CatchUpDelivery {
    pub organization: String,
    pub received_at: Timestamp,
    /// As Azure DevOps names it.
    pub event_type: String,
    /// When it happened, in the time of Azure DevOps.
    pub created_at: Timestamp,
    /// In the shape of a hook call.
    pub body: Vec<u8>,
    pub meta: CatchUpMeta,
}

/// How far a repository was read, stored together with what was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark {
    pub organization: String,
    /// GUID.
    pub repository: String,
    pub read_until: Timestamp,
}

/// What is known of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRepository {
    /// Those that are active as far as is known.
    pub pull_requests: Vec<Remembered>,
    /// Branches and tags that exist as far as is known.
    pub refs: Vec<RememberedRef>,
}

/// A status policy that we created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    /// GUID of its project.
    pub project_id: String,
    pub id: i64,
}

/// The memory of the reconcilers.
#[async_trait]
pub trait Reconciliation: Debug + Send + Sync {
    /// Claims a pass for the process `instance` until `now` plus `lease`, where
    /// `domain::reconciler::State::claim` allows it.
    async fn claim_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        instance: &str,
        now: Timestamp,
        lease: Duration,
    ) -> Result<PassClaim, Error>;

    /// Prolongs the lease of the pass with this number until `now` plus `lease`.
    async fn renew_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Commit, Error>;

    /// Ends the pass with this number, and stores what it came to and when the next one is due.
    async fn release_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        number: i64,
        release: Release,
    ) -> Result<Commit, Error>;

    /// Asks for a pass as soon as possible; one that runs already is followed by another.
    async fn ask_reconciler(
        &self,
        organization: &str,
        reconciler: Reconciler,
        asked: Asked,
    ) -> Result<(), Error>;

    /// The last pass that ended with an outcome.
    async fn last_pass(
        &self,
        organization: &str,
        reconciler: Reconciler,
    ) -> Result<Option<LastPass>, Error>;

    /// The hooks of an organization, with every delivery to them that was received before.
    /// Retention deletes when a hook delivered last after as long as deliveries are kept.
    async fn hooks(&self, organization: &str) -> Result<HookState, Error>;

    /// Increments the secret generation of each scope; a scope without one gets its first. `heals`
    /// is true when the new secret heals a subscription.
    async fn renew_hooks(
        &self,
        organization: &str,
        hook_scopes: Vec<HookScope>,
        heals: bool,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// Stores that Azure DevOps had a hook with an older secret of this scope at this time.
    async fn older_hook_seen(
        &self,
        organization: &str,
        hook_scope: HookScope,
        at: Timestamp,
    ) -> Result<(), Error>;

    /// Ends the secrets of a scope before the generation `live_from`.
    async fn retire_hooks(
        &self,
        organization: &str,
        hook_scope: HookScope,
        live_from: u32,
    ) -> Result<(), Error>;

    /// Sets whether hooks of an organization are created. While they are not, no secret is live;
    /// when they are again, each scope gets a new one.
    async fn hold_hooks(
        &self,
        organization: &str,
        is_held: bool,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// Replaces the subscriptions of an organization by those that were just seen.
    async fn replace_subscriptions(
        &self,
        organization: &str,
        seen: Vec<SubscriptionRow>,
    ) -> Result<(), Error>;

    /// Subscriptions as last seen, newest first; one that is seen again keeps its position.
    async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        page: Page,
    ) -> Result<Paged<SubscriptionRow>, Error>;

    /// One subscription as last seen, by its GUID.
    async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>, Error>;

    /// Watches these repositories from `now` on, unless they are watched already, and stores their
    /// names and projects. Returns all of them, in this order.
    async fn watch(
        &self,
        organization: &str,
        repositories: Vec<Repository>,
        now: Timestamp,
    ) -> Result<Vec<WatchRow>, Error>;

    /// The active pull requests and the existing refs of a repository.
    async fn known_repository(
        &self,
        organization: &str,
        repository: &str,
    ) -> Result<KnownRepository, Error>;

    /// Stores what catch-up found as deliveries, and how far it read, all or nothing. A watermark
    /// never goes back. Returns the ids of the deliveries in the order of `found`.
    ///
    /// # Errors
    /// `Busy` also when `found` is longer than the queue of writes may be: read fewer repositories.
    async fn commit_catch_up(
        &self,
        found: Vec<CatchUpDelivery>,
        watermarks: Vec<Watermark>,
    ) -> Result<Vec<DeliveryId>, Error>;

    /// The status policies of an organization that we created.
    async fn policies(&self, organization: &str) -> Result<Vec<PolicyRow>, Error>;

    /// Stores whether a policy is one that we created.
    async fn record_policy(
        &self,
        organization: &str,
        policy: PolicyRow,
        is_ours: bool,
    ) -> Result<(), Error>;
}
