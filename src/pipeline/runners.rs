//! Stage 3 for CIs of runners: gives runs to the runners that ask for them.
//!
//! Runs are offered by the dispatch stage. A runner that asks waits until there is one that it may
//! take. The lease is stored with the run, so that any replica takes the next heartbeat; the follow
//! stage takes the run away from a runner that sends none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::triggers::Triggers;
use crate::changes::Changes;
use crate::ci::Systems;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::id::RunId;
use crate::domain::run::{Advance, Run};
use crate::domain::runner::{self, Heartbeat, RUNNER_GONE_AFTER, fits, give_back, pick};
use crate::secret::Keyring;
use crate::storage::{CONFLICTS_MAX, Commit, Error, RunCommit, RunnerQueue, SeenRunner, Store};
use crate::worker::{self, Notifiers, Progress, Tick};

/// How often it is stored that a runner is there.
const SEEN_EVERY: Duration = Duration::from_secs(10);
/// Ends the run in the id of a lease.
const RUN_END: char = '.';

/// See the module. All clones share one state. As a worker it looks which CIs have runs that wait.
#[derive(Clone, Debug)]
pub struct Runners {
    store: Arc<dyn Store>,
    systems: Systems,
    triggers: Triggers,
    keys: Keyring,
    notifiers: Notifiers,
    changes: Changes,
    clock: Clock,
    /// The CIs with runs that no runner has, as last seen.
    waiting: Arc<watch::Sender<Vec<String>>>,
    /// One runner of this process is given a run at a time, so that they do not all try the same.
    giving: Arc<tokio::sync::Mutex<()>>,
    /// What is stored about each runner, by the name of its token and its own.
    seen: Arc<Mutex<HashMap<(String, String), SeenRunner>>>,
}

/// A runner, as it presents itself with its token.
#[derive(Clone, Debug)]
pub struct Runner {
    /// The name of its API token.
    pub token: String,
    /// The name that it gives itself.
    pub name: String,
    pub labels: Vec<String>,
}

/// A run that a runner has taken.
#[derive(Debug)]
pub struct Leased {
    /// The id of the lease.
    pub lease: String,
    pub expires_in: Duration,
    /// The run, as CIs of kind `webhook` get it.
    pub run: Value,
}

/// What a runner is told that sends a heartbeat.
#[derive(Debug)]
pub enum Beat {
    /// It still has the run.
    Held { expires_in: Duration },
    /// The run has ended, for this reason.
    Cancel { expires_in: Duration, reason: String },
    /// It does not have the run any more.
    Lost,
}

impl Runners {
    /// Gives out the runs of the CIs of runners.
    pub fn new(systems: Systems, triggers: Triggers, deps: &Deps) -> Self {
        Self {
            store: Arc::clone(&deps.store),
            systems,
            triggers,
            keys: deps.keys.clone(),
            notifiers: deps.notifiers.clone(),
            changes: deps.changes.clone(),
            clock: deps.clock.clone(),
            waiting: Arc::default(),
            giving: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// A run for this runner, as soon as there is one; none when `wait` is over.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn lease(&self, runner: &Runner, wait: Duration) -> Result<Option<Leased>, Error> {
        let until = Instant::now() + wait;
        // From here on no change of what waits is missed.
        let mut waiting = self.waiting.subscribe();
        self.see(&runner.token, &runner.name, Some(&runner.labels)).await?;
        let cis = self.cis(|labels| fits(&runner.labels, labels));
        loop {
            waiting.mark_unchanged();
            if let Some(leased) = self.take(runner, &cis).await? {
                return Ok(Some(leased));
            }
            loop {
                match timeout_at(until, waiting.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Ok(None),
                }
                if waiting.borrow_and_update().iter().any(|ci| cis.contains(ci)) {
                    break;
                }
            }
        }
    }

    async fn take(&self, runner: &Runner, cis: &[String]) -> Result<Option<Leased>, Error> {
        if cis.is_empty() {
            return Ok(None);
        }
        let _giving = self.giving.lock().await;
        // Other replicas give out runs, too.
        for _ in 0..CONFLICTS_MAX {
            let RunnerQueue { offered, leased } = self.store.runner_queue(cis.to_vec()).await?;
            let Some(run) = pick(offered, &leased) else { return Ok(None) };
            let Some(lease) = self.lease_of(&run) else { return Ok(None) };
            let now = self.clock.now();
            let taken = runner::take(&run, &runner.name, lease, now);
            let trigger = self.triggers.leased(&taken, now).to_json();
            let trigger = trigger.map_err(|why| Error::unavailable(why.to_string()))?;
            let due_at = Some(now.plus(lease));
            let commit = RunCommit { run: taken.clone(), lease: None, due_at };
            if self.store.commit_run(commit).await? == Commit::Committed {
                count_lease(&taken, "taken");
                self.announce(&taken);
                let id = self.keys.lease_id(taken.id, taken.attempts);
                let lease_id = format!("{}{RUN_END}{}", taken.id, id.expose());
                return Ok(Some(Leased { lease: lease_id, expires_in: lease, run: trigger }));
            }
        }
        Ok(None)
    }

    /// A runner still executes its run. `token` is the name of its API token, `lease` the id of the
    /// lease.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing.
    pub async fn heartbeat(&self, token: &str, lease: &str) -> Result<Beat, Error> {
        let Some((id, number)) = self.verified(lease) else { return Ok(Beat::Lost) };
        for _ in 0..CONFLICTS_MAX {
            let Some(run) = self.store.run(id).await? else { return Ok(Beat::Lost) };
            let Some(expires_in) = self.lease_of(&run) else { return Ok(Beat::Lost) };
            let now = self.clock.now();
            let renewed = match runner::renew(&run, number, expires_in, now) {
                Heartbeat::Renewed(run) => *run,
                Heartbeat::Over(reason) => return Ok(Beat::Cancel { expires_in, reason }),
                Heartbeat::Lost => return Ok(Beat::Lost),
            };
            let commit =
                RunCommit { run: renewed, lease: None, due_at: Some(now.plus(expires_in)) };
            let runner = run.runner.held.map(|held| held.runner).unwrap_or_default();
            if self.store.commit_run(commit).await? == Commit::Committed {
                self.see(token, &runner, None).await?;
                return Ok(Beat::Held { expires_in });
            }
        }
        Err(Error::Contended(id))
    }

    /// A runner gives its run back. False where it does not have it.
    ///
    /// # Errors
    /// The store is not available, or the run keeps changing.
    pub async fn release(&self, lease: &str) -> Result<bool, Error> {
        let Some((id, number)) = self.verified(lease) else { return Ok(false) };
        for _ in 0..CONFLICTS_MAX {
            let Some(run) = self.store.run(id).await? else { return Ok(false) };
            let (next, due_at) = give_back(&run, number, self.clock.now());
            let Advance::To(next) = next else { return Ok(false) };
            let commit = RunCommit { run: *next.clone(), lease: None, due_at };
            if self.store.commit_run(commit).await? == Commit::Committed {
                count_lease(&next, "given_back");
                self.announce(&next);
                return Ok(true);
            }
        }
        Err(Error::Contended(id))
    }

    /// The run and the number of the lease with this id.
    fn verified(&self, lease: &str) -> Option<(RunId, u32)> {
        let (run, id) = lease.split_once(RUN_END)?;
        let run = run.parse().ok()?;
        Some((run, self.keys.verified_lease_id(run, id)?))
    }

    /// The CIs of runners with labels that `fit`, by name.
    fn cis(&self, fit: impl Fn(&[String]) -> bool) -> Vec<String> {
        let cis = self.systems.for_runners().filter(|(_, terms)| fit(&terms.labels));
        cis.map(|(name, _)| name.to_owned()).collect()
    }

    /// How long a lease of this run lasts; none where its CI is not for runners.
    fn lease_of(&self, run: &Run) -> Option<Duration> {
        let (_, terms) = self.systems.for_runners().find(|(name, _)| *name == run.ci)?;
        Some(terms.lease)
    }

    /// Every run that a runner has.
    ///
    /// # Errors
    /// The store is not available.
    pub async fn leased(&self) -> Result<Vec<Run>, Error> {
        Ok(self.store.runner_queue(self.cis(|_| true)).await?.leased)
    }

    /// Stores that a runner is there, unless that was stored just now.
    async fn see(&self, token: &str, name: &str, labels: Option<&[String]>) -> Result<(), Error> {
        let now = self.clock.now();
        let key = (token.to_owned(), name.to_owned());
        let seen = SeenRunner {
            token: token.to_owned(),
            name: name.to_owned(),
            labels: labels.map(<[String]>::to_vec),
            seen_at: now,
            gone_before: now.minus(RUNNER_GONE_AFTER),
        };
        let is_stored = |before: &SeenRunner| {
            let is_same = seen.labels.is_none() || before.labels == seen.labels;
            is_same && now.since(before.seen_at) < SEEN_EVERY
        };
        if self.seen.lock().get(&key).is_some_and(is_stored) {
            return Ok(());
        }
        self.store.see_runner(seen.clone()).await?;
        let mut all = self.seen.lock();
        all.retain(|_, before| now.since(before.seen_at) < RUNNER_GONE_AFTER);
        all.insert(key, seen);
        Ok(())
    }

    fn announce(&self, run: &Run) {
        tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(), "{}",
            run.reason);
        self.changes.run(run);
        self.notifiers.publish.notify();
        self.notifiers.dispatch.notify();
    }
}

/// Counts what becomes of a lease.
pub(super) fn count_lease(run: &Run, outcome: &'static str) {
    metrics::counter!("azdo_gateway_runner_leases_total", "ci" => run.ci.clone(),
        "outcome" => outcome)
    .increment(1);
}

#[async_trait]
impl Tick for Runners {
    fn name(&self) -> &'static str {
        "runners"
    }

    /// Those that wait here are woken where there is a run that they may take.
    async fn tick(&self) -> Result<Progress, worker::Error> {
        if self.waiting.receiver_count() > 0 {
            let queue = self.store.runner_queue(self.cis(|_| true)).await?;
            let mut cis: Vec<String> = queue.offered.into_iter().map(|run| run.ci).collect();
            cis.dedup();
            self.waiting.send_replace(cis);
        }
        Ok(Progress::Idle)
    }
}
