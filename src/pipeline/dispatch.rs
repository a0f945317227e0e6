//! Stage 3: starts planned runs at their CIs.
//!
//! Every attempt at one run sends the run id as idempotency key, so that the CI starts it once. An
//! attempt that failed is repeated later: when is stored with the run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::ado;
use crate::ci::{self, Trigger};
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::backoff::Backoff;
use crate::domain::id::RunId;
use crate::domain::run::{self, Advance, Run, Started, State};
use crate::domain::time::Timestamp;
use crate::jitter;
use crate::secret::Keyring;
use crate::storage::{CONFLICTS_MAX, Claim, Commit, Lease, LeasedRun, RunCommit, Runs};
use crate::worker::{self, InFlight, Notifiers, Progress, Tick};

/// Attempts under way at the same time.
const IN_FLIGHT_MAX: usize = 64;
const CLAIM_MAX: usize = 32;
/// Longer than an attempt may take, so that no other replica begins one meanwhile.
const LEASE: Duration = Duration::from_secs(30);
const _: () = assert!(LEASE.as_secs() > ci::webhook::ATTEMPT_MAX.as_secs() + 5);
const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 60_000, retry_after_ms_max: 15 * 60_000 };

/// See the module.
#[derive(Debug)]
pub struct Dispatch {
    starter: Arc<Starter>,
    in_flight: InFlight,
}

/// Starts one run.
#[derive(Debug)]
struct Starter {
    runs: Arc<dyn Runs>,
    systems: ci::Systems,
    /// Where repositories are cloned from, by organization.
    organizations: HashMap<String, ado::Options>,
    keys: Keyring,
    public_url: Url,
    notifiers: Notifiers,
    clock: Clock,
}

impl Dispatch {
    /// `organizations` are the addresses of the organizations, by name.
    pub fn new(
        systems: ci::Systems,
        organizations: HashMap<String, ado::Options>,
        deps: &Deps,
    ) -> Self {
        let starter = Starter {
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            systems,
            organizations,
            keys: deps.keys.clone(),
            public_url: deps.public_url.clone(),
            notifiers: deps.notifiers.clone(),
            clock: deps.clock.clone(),
        };
        Self { starter: Arc::new(starter), in_flight: InFlight::new(IN_FLIGHT_MAX) }
    }
}

#[async_trait]
impl Tick for Dispatch {
    fn name(&self) -> &'static str {
        "dispatch"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let limit = self.in_flight.capacity().await.min(CLAIM_MAX);
        let claim = Claim { now: self.starter.clock.now(), limit, lease: LEASE };
        let claimed = self.starter.runs.claim_runs(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        for leased in claimed {
            let starter = Arc::clone(&self.starter);
            self.in_flight.spawn(async move { starter.start(leased).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Starter {
    async fn start(&self, leased: LeasedRun) {
        let LeasedRun { lease, run } = leased;
        let answer = self.request(&run).await;
        let result = match &answer {
            Ok(Started::Accepted { .. }) => "accepted",
            Ok(Started::Refused(_)) => "refused",
            Err(_) => "unavailable",
        };
        metrics::counter!("azdo_gateway_dispatches_total", "ci" => run.ci.clone(),
            "result" => result)
        .increment(1);
        self.commit(lease, run, &answer).await;
    }

    async fn request(&self, run: &Run) -> Result<Started, ci::Error> {
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

    /// Stores the outcome; again when a report has changed the run meanwhile. If it cannot be
    /// stored, the lease expires and the attempt is repeated with the same key.
    async fn commit(&self, lease: Lease<RunId>, run: Run, answer: &Result<Started, ci::Error>) {
        let id = lease.id;
        let mut run = run;
        for _ in 0..CONFLICTS_MAX {
            let (next, due_at) = after(&run, answer, self.clock.now());
            let commit = RunCommit { run: next.clone(), lease: Some(lease), due_at };
            match self.runs.commit_run(commit).await {
                Ok(Commit::Committed) => return self.report(&next),
                Ok(Commit::LeaseLost) => return,
                Ok(Commit::Conflict) => {}
                Err(error) => {
                    tracing::warn!(run = %id, "the outcome of an attempt is lost: {error}");
                    return;
                }
            }
            match self.runs.run(id).await {
                Ok(Some(changed)) => run = changed,
                _ => return,
            }
        }
        tracing::warn!(run = %id, "the outcome of an attempt is lost: the run keeps changing");
    }

    fn report(&self, run: &Run) {
        let attempt = run.attempts;
        tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(), attempt,
            "dispatch: {}", run.reason);
        self.notifiers.publish.notify();
    }
}

/// The run after an answer, and when the next attempt is due, if there is one.
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
        // A report came in, or the run was ended: it need not be started any more.
        Err(_) => (run.clone(), None),
    }
}
