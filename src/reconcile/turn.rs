//! A turn at upkeep that talks to Azure DevOps: one replica at a time, in a lane of its own, each
//! call with a credential of its own, and counted.
//!
//! Nothing is fenced at Azure DevOps, so the turn is prolonged before each call and ends when it
//! cannot be; whoever comes next looks again before doing anything. It must never know what the
//! calls are for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ado::{self, Client, Credential, Lane, Pause, Scope, Throttle};
use crate::clock::Clock;
use crate::credentials::{self, CallError, Purpose, Source};
use crate::storage::{self, Reconciler, Store};

/// How long the turn is ours.
const LEASE: Duration = Duration::from_secs(120);
/// What one call may take, minting and repeating included: shorter than the turn.
const CALL_MAX: Duration = Duration::from_secs(100);
const _: () = assert!(CALL_MAX.as_secs() < LEASE.as_secs());

/// One organization that is kept up.
#[derive(Clone, Debug)]
pub struct Upkept {
    pub organization: String,
    pub client: Client,
    pub source: Arc<dyn Source>,
    pub throttle: Arc<Throttle>,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    /// Names this process.
    pub holder: String,
    /// The gateway stops: no further call is begun.
    pub stop: CancellationToken,
}

/// Why a turn ended early. The next one is the retry.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{} until {}", .0.reason, .0.until)]
    Paused(Pause),
    #[error("another replica does it now")]
    Overtaken,
    #[error("the gateway stops")]
    Stopping,
    #[error(transparent)]
    Store(#[from] storage::Error),
}

/// See the module.
#[derive(Debug)]
pub struct Turn<'a> {
    at: &'a Upkept,
    reconciler: Reconciler,
    /// Whether it is ours alone; a look needs no turn.
    is_exclusive: bool,
    requests: AtomicU64,
}

impl Upkept {
    /// Calls that only look, for people who ask: whoever has the turn goes on.
    pub fn look(&self, reconciler: Reconciler) -> Turn<'_> {
        Turn { at: self, reconciler, is_exclusive: false, requests: AtomicU64::new(0) }
    }

    /// A turn at `reconciler`; none while another replica has it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn turn(&self, reconciler: Reconciler) -> Result<Option<Turn<'_>>, storage::Error> {
        let turn = Turn { at: self, reconciler, is_exclusive: true, requests: AtomicU64::new(0) };
        Ok(turn.is_ours().await?.then_some(turn))
    }
}

impl Turn<'_> {
    /// One call.
    ///
    /// # Errors
    /// See [`Stop`].
    pub async fn call<T, F>(
        &self,
        scope: Scope,
        what: &'static str,
        make: impl Fn(Credential) -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, ado::Error>>,
    {
        let Upkept { organization, source, throttle, clock, stop, .. } = self.at;
        if stop.is_cancelled() {
            return Err(Stop::Stopping);
        }
        let lane = match self.reconciler {
            Reconciler::Subscriptions | Reconciler::Policies => Lane::Subscriptions,
            Reconciler::CatchUp => Lane::CatchUp,
        };
        if let Some(pause) = throttle.pause(organization, lane, clock.now()) {
            return Err(Stop::Paused(pause));
        }
        if self.is_exclusive && !self.is_ours().await? {
            return Err(Stop::Overtaken);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("azdo_gateway_upkeep_requests_total", "reconciler" => self.reconciler.as_str())
            .increment(1);
        let calling = credentials::call(source.as_ref(), scope, Purpose::new(what), make);
        let called = tokio::time::timeout(CALL_MAX, calling).await;
        Ok(called.map_err(|_| Stop::Overtaken)??)
    }

    /// How many calls were made so far, minting and revoking not counted.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Gives the turn back.
    pub async fn end(self) {
        let Upkept { organization, store, holder, .. } = self.at;
        if let Err(error) = store.release_reconciler(organization, self.reconciler, holder).await {
            tracing::warn!(organization, "a turn is kept until its lease ends: {error}");
        }
    }

    async fn is_ours(&self) -> Result<bool, storage::Error> {
        let Upkept { organization, store, clock, holder, .. } = self.at;
        store.claim_reconciler(organization, self.reconciler, holder, clock.now(), LEASE).await
    }
}
