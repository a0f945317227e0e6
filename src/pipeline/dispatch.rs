//! Stage 3: a planned run is started at its CI, once: every attempt carries the run id as
//! idempotency key, and what failed is tried again later, from the store. It must never know what
//! kind of CI it talks to.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::ado;
use crate::ci::{self, Trigger};
use crate::clock::Clock;
use crate::domain::backoff::Backoff;
use crate::domain::run::{self, Advance, Run, Started, State};
use crate::domain::time::Timestamp;
use crate::jitter;
use crate::secret::Keyring;
use crate::storage::{Claim, Commit, LeasedRun, RunCommit, Store};
use crate::worker::Notifiers;
use crate::worker::{self, InFlight, Progress, Tick};

/// Attempts under way at the same time.
const IN_FLIGHT_MAX: usize = 64;
const CLAIM_MAX: usize = 32;
/// Longer than an attempt may take, so that nobody else begins one meanwhile.
const LEASE: Duration = Duration::from_secs(30);
const _: () = assert!(LEASE.as_secs() > ci::webhook::ATTEMPT_MAX.as_secs() + 5);
const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 60_000, retry_after_ms_max: 15 * 60_000 };

/// See the module.
#[derive(Debug)]
pub struct Dispatch {
    attempts: Arc<Attempts>,
    in_flight: InFlight,
}

/// What an attempt needs.
#[derive(Clone, Debug)]
pub struct Attempts {
    pub store: Arc<dyn Store>,
    pub systems: ci::Systems,
    /// Where repositories are cloned from, by organization.
    pub organizations: HashMap<String, ado::Options>,
    pub keys: Keyring,
    pub public_url: Url,
    pub notifiers: Notifiers,
    pub clock: Clock,
}

impl Dispatch {
    /// A stage that makes these attempts.
    pub fn new(attempts: Attempts) -> Self {
        Self { attempts: Arc::new(attempts), in_flight: InFlight::new(IN_FLIGHT_MAX) }
    }
}

#[async_trait]
impl Tick for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let limit = self.in_flight.capacity().await.min(CLAIM_MAX);
        let claim = Claim { now: self.attempts.clock.now(), limit, lease: LEASE };
        let claimed = self.attempts.store.claim_runs(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        for leased in claimed {
            let attempts = Arc::clone(&self.attempts);
            self.in_flight.spawn(async move { attempts.make(leased).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Attempts {
    async fn make(&self, leased: LeasedRun) {
        let LeasedRun { lease, run } = leased;
        let answer = self.ask(&run).await;
        let result = match &answer {
            Ok(Started::Accepted { .. }) => "accepted",
            Ok(Started::Refused(_)) => "refused",
            Err(_) => "unavailable",
        };
        metrics::counter!("azdo_gateway_dispatches_total", "ci" => run.ci.clone(),
            "result" => result)
        .increment(1);
        let mut current = run;
        loop {
            let now = self.clock.now();
            let (next, due_at) = after(&current, &answer, now);
            let commit = RunCommit { run: next.clone(), lease: Some(lease), due_at };
            match self.store.commit_run(commit).await {
                Ok(Commit::Committed) => return self.tell(&next),
                Ok(Commit::LeaseLost) => return,
                Ok(Commit::Conflict) => {}
                Err(error) => {
                    // The lease runs out and the attempt is made again, under the same key.
                    tracing::warn!(run = %next.id, "the outcome of an attempt is lost: {error}");
                    return;
                }
            }
            match self.store.run(lease.id).await {
                Ok(Some(run)) => current = run,
                _ => return,
            }
        }
    }

    async fn ask(&self, run: &Run) -> Result<Started, ci::Error> {
        let clone_url = self
            .organizations
            .get(&run.organization)
            .map(|options| options.clone_url(&run.repository).to_string())
            .unwrap_or_default();
        let public_url = self.public_url.as_str().trim_end_matches('/');
        let trigger = Trigger {
            run,
            attempt: run.attempts.saturating_add(1),
            clone_url,
            report_url: format!("{public_url}/v1/runs/{}/reports", run.id),
            report_token: self.keys.report_token(run.id),
            sent_at: self.clock.now(),
        };
        self.systems.start(&run.ci, &trigger).await
    }

    fn tell(&self, run: &Run) {
        let attempt = run.attempts;
        tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(), attempt,
            "dispatch: {}", run.reason);
        self.notifiers.publish.notify();
    }
}

/// What an answer makes of a run, and when to ask again.
fn after(
    run: &Run,
    answer: &Result<Started, ci::Error>,
    now: Timestamp,
) -> (Run, Option<Timestamp>) {
    let failed = |run: &Run, reason: String| Run {
        attempts: run.attempts.saturating_add(1),
        reason,
        updated_at: now,
        ..run.clone()
    };
    match answer {
        Ok(started) => match run::started(run, started, now) {
            Advance::To(next) => (*next, None),
            Advance::Not(_) => (run.clone(), None),
        },
        Err(ci::Error::Unavailable { reason, retry_after }) if run.state == State::Planned => {
            let next = failed(run, format!("{} does not start it yet: {reason}", run.ci));
            let wait = BACKOFF.wait(next.attempts, jitter::random(), *retry_after);
            (next, Some(now.plus(wait)))
        }
        Err(error @ ci::Error::Unknown { .. }) if run.state == State::Planned => {
            let refused = failed(run, error.to_string());
            match run::end(&refused, State::Errored, error.to_string(), now) {
                Advance::To(next) => (*next, None),
                Advance::Not(_) => (refused, None),
            }
        }
        // Somebody reported on it, or it was ended: there is nothing left to ask for.
        Err(_) => (run.clone(), None),
    }
}
