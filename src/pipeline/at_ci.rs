//! What asking CI systems about runs needs: the systems, the store, and how an outcome is stored.

use std::sync::Arc;

use crate::changes::Changes;
use crate::ci::{self, Systems};
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::backoff::Backoff;
use crate::domain::follow::{PollIntervals, next_poll};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::jitter;
use crate::storage::{CONFLICTS_MAX, CiPause, Commit, LeasedRun, Postponed, RunCommit, Runs};
use crate::worker::Notifiers;

const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 60_000, retry_after_ms_max: 60 * 60_000 };

/// See the module.
#[derive(Debug)]
pub(super) struct AtCi {
    pub(super) systems: Systems,
    pub(super) runs: Arc<dyn Runs>,
    pub(super) notifiers: Notifiers,
    pub(super) clock: Clock,
    changes: Changes,
    health: Arc<Health>,
}

/// What becomes of a leased run.
pub(super) enum Next {
    /// It is replaced, and its CI is asked next at that time, if there is one.
    Change(Box<Run>, Option<Timestamp>),
    /// It stays as it is until then.
    Postpone(Timestamp),
}

impl Next {
    pub(super) fn change(run: Run, due_at: Option<Timestamp>) -> Self {
        Self::Change(Box::new(run), due_at)
    }
}

impl AtCi {
    pub(super) fn new(systems: Systems, deps: &Deps) -> Self {
        Self {
            systems,
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            notifiers: deps.notifiers.clone(),
            clock: deps.clock.clone(),
            changes: deps.changes.clone(),
            health: Arc::clone(&deps.health),
        }
    }

    /// Stores what `decide` makes of a leased run; again when a report has changed it meanwhile.
    /// Returns the run, if it was changed. If that cannot be stored, the lease expires, and its CI
    /// is asked again.
    pub(super) async fn commit(
        &self,
        leased: LeasedRun,
        decide: impl Fn(&Run, Timestamp) -> Next,
    ) -> Option<Run> {
        self.store_pauses().await;
        let LeasedRun { lease, mut run, .. } = leased;
        let id = lease.id;
        for _ in 0..CONFLICTS_MAX {
            let (result, next) = match decide(&run, self.clock.now()) {
                Next::Change(next, due_at) => {
                    let commit = RunCommit { run: *next.clone(), lease: Some(lease), due_at };
                    (self.runs.commit_run(commit).await, Some(*next))
                }
                Next::Postpone(due_at) => {
                    let postponed = Postponed { lease, revision: run.revision, due_at };
                    // A run that has changed meanwhile is due when that change says so.
                    (self.runs.postpone_run(postponed).await, None)
                }
            };
            match result {
                Ok(Commit::Committed) => {
                    next.iter().for_each(|run| self.changes.run(run));
                    return next;
                }
                Ok(Commit::Conflict) if next.is_none() => return None,
                Ok(Commit::Conflict) => {}
                Ok(Commit::LeaseLost) => return None,
                Err(error) => {
                    tracing::warn!(run = %id, "the answer of a CI is lost: {error}");
                    return None;
                }
            }
            match self.runs.run(id).await {
                Ok(Some(changed)) => run = changed,
                _ => return None,
            }
        }
        tracing::warn!(run = %id, "the answer of a CI is lost: the run keeps changing");
        None
    }

    /// When a run is asked about again after a failed call.
    pub(super) fn retry_at(&self, attempts: u32, error: &ci::Error, now: Timestamp) -> Timestamp {
        match error {
            ci::Error::Paused { until, .. } => *until,
            ci::Error::Unavailable { retry_after, .. }
            | ci::Error::Ambiguous { retry_after, .. } => {
                now.plus(BACKOFF.wait(attempts.max(1), jitter::random(), *retry_after))
            }
            _ => now.plus(BACKOFF.wait(attempts.max(1), jitter::random(), None)),
        }
    }

    /// When a run is polled next, where its CI can be polled.
    pub(super) fn next_poll(&self, run: &Run, now: Timestamp) -> Option<Timestamp> {
        self.intervals(run).map(|intervals| next_poll(run, intervals, now))
    }

    pub(super) fn intervals(&self, run: &Run) -> Option<PollIntervals> {
        self.systems.intervals(&run.ci).filter(|_| self.systems.abilities(&run.ci).polls)
    }

    /// Shows that a CI refuses what the gateway asks, until it does not any more.
    pub(super) fn raise(&self, run: &Run, reason: &str) {
        let reason = format!("ci.{}: {reason}", run.ci);
        if self.health.raise_of(&run.organization, ProblemKind::Ci, &run.ci, &reason) {
            tracing::error!(organization = run.organization, "{reason}");
        }
    }

    /// The CI has answered as it should.
    pub(super) fn clear(&self, run: &Run) {
        self.health.clear_of(&run.organization, ProblemKind::Ci, &run.ci);
    }

    /// Stores pauses that began, so that neither a restart nor another replica calls sooner.
    async fn store_pauses(&self) {
        for (account, (until, reason)) in self.systems.take_new_pauses() {
            tracing::warn!(account, "no calls until {until}: {reason}");
            if let Err(error) = self.runs.pause_ci(CiPause { account, until, reason }).await {
                tracing::warn!("the pause holds for this process only: {error}");
            }
        }
    }

    /// Applies the pauses that are stored.
    pub(super) async fn apply_pauses(&self) -> Result<(), crate::storage::Error> {
        let pauses = self.runs.ci_pauses(self.clock.now()).await?;
        let pauses = pauses.into_iter().map(|it| (it.account, (it.until, it.reason)));
        self.systems.apply_pauses(pauses.collect());
        Ok(())
    }
}
