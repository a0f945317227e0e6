//! What reconcilers remember between two passes: which replica runs each, the secrets of hooks,
//! subscriptions as last seen, how far repositories were read, and which policies we created.

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
use crate::domain::reconciler::{LastPass, PassClaim, Release};
use crate::domain::subscription::{Found, HookScope};
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

/// The secrets of one hook_scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRow {
    pub hook_scope: HookScope,
    /// Counts secrets; the newest is the wanted one. From 1.
    pub generation: u32,
    /// Secrets below this one are not taken any more.
    pub live_from: u32,
    /// When the newest came, and how many in a row came to heal a subscription.
    pub renewed_at: Timestamp,
    pub healings: u32,
}

/// When deliveries came to a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// As in its URL.
    pub hook: String,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

/// Everything about the hooks of one organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookState {
    /// An operator took them away: none is created until one asks for it.
    pub is_held: bool,
    pub hook_scopes: Vec<HookRow>,
    pub hook_activity: Vec<Arrival>,
}

/// A subscription as last seen, and what is thought of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    pub organization: String,
    /// Name of its project, where that is known.
    pub project: Option<String>,
    pub found: Found,
    /// The hook that it delivers to.
    pub hook: String,
    /// What the plan does about it, in one word: `keep`, `change`, `heal`, `remove`, `wait`,
    /// `leave`; and why.
    pub action: String,
    pub reason: String,
    /// Names of the checks that need it.
    pub checks: Vec<String>,
    pub seen_at: Timestamp,
}

/// Which subscriptions.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    pub organization: Option<String>,
}

/// A repository that checks watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRow {
    pub repository: Repository,
    /// What happened before is past: it starts nothing.
    pub since: Timestamp,
    /// What happened before, in the time of Azure DevOps, has been read; none until the first
    /// reading is in the inbox.
    pub read_until: Option<Timestamp>,
    /// Names that it had before, as `project/repository`.
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

/// What is known of the watched things of one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownRepository {
    /// Those that are active as far as we know.
    pub pull_requests: Vec<Remembered>,
    /// Branches and tags that are there as far as we know.
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
    async fn ask_reconciler(&self, organization: &str, reconciler: Reconciler)
    -> Result<(), Error>;

    /// The last pass that ended with an outcome.
    async fn last_pass(
        &self,
        organization: &str,
        reconciler: Reconciler,
    ) -> Result<Option<LastPass>, Error>;

    /// The hooks of an organization.
    async fn hooks(&self, organization: &str) -> Result<HookState, Error>;

    /// Counts on the secret of each of these hook_scopes; one that is not known yet gets its first.
    /// `heals` says whether a subscription is healed by it; otherwise healings are counted anew.
    async fn renew_hooks(
        &self,
        organization: &str,
        hook_scopes: Vec<HookScope>,
        heals: bool,
        now: Timestamp,
    ) -> Result<(), Error>;

    /// Takes no secret of a hook_scope below `live_from` any more, and counts healings anew: the
    /// newest secret has proved itself. Never goes back.
    async fn retire_hooks(
        &self,
        organization: &str,
        hook_scope: HookScope,
        live_from: u32,
    ) -> Result<(), Error>;

    /// Holds back, or no longer, the creation of hooks.
    async fn hold_hooks(&self, organization: &str, is_held: bool) -> Result<(), Error>;

    /// Keeps when deliveries came: the earliest first and the latest last time win. A hook that
    /// nothing came to for long is forgotten with the deliveries of that time.
    async fn note_arrivals(
        &self,
        organization: &str,
        hook_activity: Vec<Arrival>,
    ) -> Result<(), Error>;

    /// Replaces what was last seen of the subscriptions of an organization.
    async fn keep_subscriptions(
        &self,
        organization: &str,
        seen: Vec<SubscriptionRow>,
    ) -> Result<(), Error>;

    /// Subscriptions as last seen, those first that were first seen last. One that is seen again
    /// keeps its place in the list.
    async fn subscriptions(
        &self,
        filter: SubscriptionFilter,
        page: Page,
    ) -> Result<Paged<SubscriptionRow>, Error>;

    /// One subscription as last seen, by its GUID.
    async fn subscription(&self, id: &str) -> Result<Option<SubscriptionRow>, Error>;

    /// Watches these repositories from `now` on, unless they are watched already, and remembers
    /// what they are called. Answers all of them, in this order.
    async fn watch(
        &self,
        organization: &str,
        repositories: Vec<Repository>,
        now: Timestamp,
    ) -> Result<Vec<WatchRow>, Error>;

    /// The pull requests that are active and the refs that are there, as far as is known.
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

    /// Remembers, or forgets, a policy of ours.
    async fn keep_policy(
        &self,
        organization: &str,
        policy: PolicyRow,
        is_kept: bool,
    ) -> Result<(), Error>;
}
