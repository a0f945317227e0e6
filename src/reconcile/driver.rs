//! Runs the passes of one reconciler over one organization: claims each when it is due, and stores
//! what it came to and when the next one is due.
//!
//! Each organization has drivers of its own, so that one that does not answer, or has much to do,
//! holds up no other. The schedule lies in the store, where all replicas see it.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::context::OrganizationContext;
use super::pass::{LEASE, Pass, Stop};
use crate::domain::reconciler::{self, Asked, ClaimedPass, LastPass, Outcome, PassClaim, Release};
use crate::domain::time::Timestamp;
use crate::health::ProblemKind;
use crate::storage::{self, Reconciler};
use crate::worker::{self, Notifier, Progress, Tick};

/// The longest time until the store is asked again whether a pass is due: another replica may have
/// ended its pass, or may have died.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Compares the desired state of one organization with the actual one, and removes the difference.
#[async_trait]
pub trait Reconcile: Debug + Send + Sync + 'static {
    const KIND: Reconciler;
    /// Where a problem of a pass is shown.
    const PROBLEM: ProblemKind;
    /// The beginning of the problem that a pass has which ended early, as in `{FAILED}: {why}`.
    const FAILED: &'static str;

    /// The organization.
    fn context(&self) -> &OrganizationContext;

    /// The usual wait between two passes; none where a pass runs only when somebody asks for it.
    fn every(&self) -> Option<Duration>;

    /// Whether passes are to run at all; asked before each claim.
    ///
    /// # Errors
    /// The store does not answer.
    async fn is_active(&self) -> Result<bool, storage::Error> {
        Ok(true)
    }

    /// Runs one pass. It takes no input but the state of the organization, and may be repeated.
    ///
    /// # Errors
    /// It ended early, and is tried again.
    async fn reconcile(&self, pass: &Pass<'_>) -> Result<Ended, Stop>;

    /// Updates gauges that change with time alone; called with each tick.
    fn update_gauges(&self) {}
}

/// How a pass ended.
#[derive(Debug)]
pub enum Ended {
    /// It looked at everything. Without a time for the next pass the usual rule sets it; `asked` is
    /// what that one still has to do.
    Finished { outcome: Outcome, due_at: Option<Timestamp>, asked: Asked },
    /// It goes on at this time, with `asked` still to do. Until then the outcome of the pass before
    /// is shown.
    Postponed { until: Timestamp, asked: Asked },
}

/// See the module.
#[derive(Debug)]
pub struct Driver<R> {
    pub reconciler: R,
    notifier: Notifier,
    /// The store need not be asked before this time, unless `is_asked`.
    look_at: Mutex<Timestamp>,
    /// Somebody has asked for a pass since the store was last asked.
    is_asked: AtomicBool,
    /// When this process last began a pass.
    ran_at: Mutex<Timestamp>,
}

impl<R: Reconcile> Driver<R> {
    /// Drives `reconciler`; the first pass is due when somebody asks for it.
    pub(super) fn new(reconciler: R) -> Self {
        let [look_at, ran_at] = [Timestamp::ZERO; 2].map(Mutex::new);
        let (notifier, is_asked) = (Notifier::default(), AtomicBool::new(false));
        Self { reconciler, notifier, look_at, is_asked, ran_at }
    }

    /// Wakes the worker that ticks this driver.
    pub(super) fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// Asks for the first pass of this process, unless passes run only when somebody asks.
    ///
    /// # Errors
    /// The store does not answer.
    pub(super) async fn begin(&self) -> Result<(), storage::Error> {
        match self.reconciler.every() {
            Some(_) => self.ask(Asked::Pass).await,
            None => Ok(()),
        }
    }

    /// Whether passes run at all.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn is_active(&self) -> Result<bool, storage::Error> {
        self.reconciler.is_active().await
    }

    /// Asks for a pass as soon as possible.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn ask(&self, asked: Asked) -> Result<(), storage::Error> {
        let OrganizationContext { organization, deps, .. } = self.reconciler.context();
        deps.store.ask_reconciler(organization, R::KIND, asked).await?;
        self.is_asked.store(true, Ordering::Release);
        self.notifier.notify();
        Ok(())
    }

    /// What the last pass came to; none before the first has ended.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn last(&self) -> Result<Option<Outcome>, storage::Error> {
        let OrganizationContext { organization, deps, .. } = self.reconciler.context();
        let last = deps.store.last_pass(organization, R::KIND).await?;
        Ok(last.map(|last| last.outcome))
    }

    /// Asks the store again after a while, at this time at the latest.
    fn look_again(&self, now: Timestamp, at: Timestamp) {
        let every = self.reconciler.every().unwrap_or(LOOK_AGAIN);
        *self.look_at.lock() = at.min(now.plus(LOOK_AGAIN.min(every)));
    }

    /// Shows what the last pass came to where another replica has run it.
    async fn show_last(&self) -> Result<(), storage::Error> {
        let context = self.reconciler.context();
        let OrganizationContext { organization, deps, .. } = context;
        if !deps.store.is_shared() {
            return Ok(());
        }
        let last = deps.store.last_pass(organization, R::KIND).await?;
        if let Some(LastPass { outcome, .. }) = last
            && outcome.at > *self.ran_at.lock()
        {
            context.report(R::PROBLEM, outcome.problem.as_deref());
        }
        Ok(())
    }

    async fn run(&self, claimed: ClaimedPass) -> Result<(), worker::Error> {
        let context = self.reconciler.context();
        let began_at = context.now();
        *self.ran_at.lock() = began_at;
        let pass = Pass::of(context, R::KIND, claimed);
        let ended = match self.reconciler.reconcile(&pass).await {
            Ok(ended) => Ok(ended),
            Err(Stop::LeaseLost) => {
                let now = context.now();
                self.look_again(now, Timestamp::NEVER);
                return Ok(());
            }
            Err(stop @ (Stop::Stopping | Stop::Store(_))) => Err(stop),
            Err(stop) => {
                let problem = format!("{}: {stop}", R::FAILED);
                context.report(R::PROBLEM, Some(&problem));
                let problem = Some(problem);
                let outcome = Outcome { has_more: true, problem, ..Outcome::nothing(began_at) };
                Ok(Ended::Finished { outcome, due_at: None, asked: Asked::Nothing })
            }
        };
        let release = self.release_of(claimed, ended.as_ref().ok(), context.now());
        let OrganizationContext { organization, deps, .. } = context;
        let released =
            deps.store.release_reconciler(organization, R::KIND, claimed.number, release).await;
        match ended {
            Err(Stop::Store(error)) => Err(error.into()),
            _ => Ok(released.map(drop)?),
        }
    }

    /// What is stored at the end of a pass; one without an end is given back.
    fn release_of(&self, claimed: ClaimedPass, ended: Option<&Ended>, now: Timestamp) -> Release {
        let ClaimedPass { repeats, asked, .. } = claimed;
        match ended {
            None => Release { due_at: now, repeats, asked, last: None },
            Some(Ended::Postponed { until, asked }) => {
                Release { due_at: *until, repeats, asked: *asked, last: None }
            }
            Some(Ended::Finished { outcome, due_at, asked }) => {
                let every = self.reconciler.every();
                let next = every.map(|every| reconciler::next(outcome, repeats, every));
                let next_at = next.map_or(Timestamp::NEVER, |(wait, _)| now.plus(wait));
                let instance = self.reconciler.context().deps.instance.id.clone();
                Release {
                    due_at: due_at.unwrap_or(next_at),
                    repeats: next.map(|(_, repeats)| repeats).unwrap_or_default(),
                    asked: *asked,
                    last: Some(LastPass { instance, outcome: outcome.clone() }),
                }
            }
        }
    }
}

#[async_trait]
impl<R: Reconcile> Tick for Driver<R> {
    fn name(&self) -> &'static str {
        R::KIND.as_str()
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        self.reconciler.update_gauges();
        let now = self.reconciler.context().now();
        if !self.is_asked.swap(false, Ordering::Acquire) && now < *self.look_at.lock() {
            return Ok(Progress::Idle);
        }
        if !self.reconciler.is_active().await? {
            self.look_again(now, Timestamp::NEVER);
            return Ok(Progress::Idle);
        }
        let OrganizationContext { organization, deps, .. } = self.reconciler.context();
        let (store, instance) = (&deps.store, &deps.instance.id);
        match store.claim_reconciler(organization, R::KIND, instance, now, LEASE).await? {
            PassClaim::NotDue { until } | PassClaim::HeldBy { until, .. } => {
                self.look_again(now, until);
                self.show_last().await?;
                Ok(Progress::Idle)
            }
            PassClaim::Claimed(claimed) => {
                Box::pin(self.run(claimed)).await?;
                Ok(Progress::Worked)
            }
        }
    }
}
