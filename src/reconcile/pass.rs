//! One pass of a reconciler over one organization: each call has a credential of its own, goes
//! through the lane of the reconciler, and is counted.
//!
//! Azure DevOps knows no fencing number. So the lease is renewed before each call, and the pass
//! ends where another replica has claimed it; the next pass looks again before it changes anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::context::OrganizationContext;
use crate::ado::{self, Credential, Lane, Pause, Scope};
use crate::credentials::{self, CallError, Purpose};
use crate::domain::reconciler::{Asked, ClaimedPass};
use crate::storage::{self, Commit, Reconciler};

/// How long a replica that does not renew its lease keeps the pass.
pub(super) const LEASE: Duration = Duration::from_secs(120);
/// The most that one call may take, minting and repeating included: less than the lease.
const CALL_MAX: Duration = Duration::from_secs(100);
const _: () = assert!(CALL_MAX.as_secs() < LEASE.as_secs());

/// Why a pass ended early. The next pass is the retry.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("{} until {}", .0.reason, .0.until)]
    Paused(Pause),
    #[error("a call took longer than {} seconds and was given up", CALL_MAX.as_secs())]
    TimedOut,
    #[error("another replica has claimed the pass")]
    LeaseLost,
    #[error("the gateway is stopping")]
    Stopping,
    #[error(transparent)]
    Store(#[from] storage::Error),
}

/// See the module.
#[derive(Debug)]
pub struct Pass<'a> {
    context: &'a OrganizationContext,
    reconciler: Reconciler,
    /// None for a pass that only looks, which needs no lease.
    claimed: Option<ClaimedPass>,
    requests: AtomicU64,
}

impl<'a> Pass<'a> {
    /// A pass that only looks, for people who ask; another pass may run at the same time.
    pub(super) fn look(context: &'a OrganizationContext, reconciler: Reconciler) -> Self {
        Self { context, reconciler, claimed: None, requests: AtomicU64::new(0) }
    }

    /// A pass that was claimed.
    pub(super) fn of(
        context: &'a OrganizationContext,
        reconciler: Reconciler,
        claimed: ClaimedPass,
    ) -> Self {
        Self { claimed: Some(claimed), ..Self::look(context, reconciler) }
    }

    /// What somebody asked it for.
    pub(super) fn asked(&self) -> Asked {
        self.claimed.map(|claimed| claimed.asked).unwrap_or_default()
    }

    /// How many calls were made so far, minting and revoking not counted.
    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Makes one call. `purpose` stands in the name of its token and in the audit log.
    ///
    /// # Errors
    /// See [`Stop`].
    pub(super) async fn call<T, F>(
        &self,
        scope: Scope,
        purpose: &'static str,
        make: impl Fn(Credential) -> F,
    ) -> Result<T, Stop>
    where
        F: Future<Output = Result<T, ado::Error>>,
    {
        let OrganizationContext { organization, source, deps, .. } = self.context;
        if deps.stop.is_cancelled() {
            return Err(Stop::Stopping);
        }
        let lane = match self.reconciler {
            Reconciler::Subscriptions | Reconciler::Policies => Lane::Subscriptions,
            Reconciler::CatchUp => Lane::CatchUp,
        };
        if let Some(pause) = deps.throttle.pause(organization, lane, deps.clock.now()) {
            return Err(Stop::Paused(pause));
        }
        if let Some(claimed) = self.claimed {
            self.renew(claimed.number).await?;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("azdo_gateway_reconcile_requests_total",
            "reconciler" => self.reconciler.as_str())
        .increment(1);
        let calling = credentials::call(source.as_ref(), scope, Purpose::new(purpose), make);
        let called = tokio::time::timeout(CALL_MAX, calling).await;
        Ok(called.map_err(|_| Stop::TimedOut)??)
    }

    async fn renew(&self, number: i64) -> Result<(), Stop> {
        let OrganizationContext { organization, deps, .. } = self.context;
        let now = deps.clock.now();
        let renewal =
            deps.store.renew_reconciler(organization, self.reconciler, number, now, LEASE).await?;
        match renewal {
            Commit::Committed => Ok(()),
            Commit::Conflict | Commit::LeaseLost => Err(Stop::LeaseLost),
        }
    }
}

/// Whether every further call would fail alike.
pub(super) fn ends_the_pass(error: &CallError) -> bool {
    match error {
        CallError::Credential(_) => true,
        CallError::Ado(error) => matches!(
            error,
            ado::Error::Unauthorized { .. }
                | ado::Error::RateLimited { .. }
                | ado::Error::Unavailable { .. }
        ),
    }
}
