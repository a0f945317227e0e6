//! Stage 3: starts planned runs at their CIs.
//!
//! Every attempt at one run carries the run id. An attempt that failed is repeated later: when is
//! stored with the run. One that may have started it is looked up first, where the CI can be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use metrics::Counter;

use super::at_ci::{AtCi, Next};
use super::triggers::Triggers;
use crate::ci::{self, Systems};
use crate::deps::Deps;
use crate::domain::follow::{Question, doubt, not_found, question};
use crate::domain::run::{self, Advance, Run, Started, State};
use crate::domain::steps::What;
use crate::domain::time::Timestamp;
use crate::series::Series;
use crate::storage::{Claim, LeasedRun};
use crate::worker::{self, InFlight, Progress, Tick};

/// Attempts under way at the same time.
const IN_FLIGHT_MAX: usize = 64;
const CLAIM_MAX: usize = 32;
/// Longer than a call may take, so that no other replica begins one meanwhile.
pub(super) const LEASE: Duration = Duration::from_secs(90);
const _: () = assert!(LEASE.as_secs() > ci::CALL_TIMEOUT_MAX.as_secs() + 15);

/// See the module.
#[derive(Debug)]
pub struct Dispatch {
    starter: Arc<Starter>,
    in_flight: InFlight,
}

/// Starts one run.
#[derive(Debug)]
struct Starter {
    at_ci: AtCi,
    triggers: Triggers,
    series: Arc<Series>,
}

/// What an attempt to start a run may come to, in metrics.
const RESULTS: [&str; 6] = ["accepted", "offered", "refused", "ambiguous", "paused", "unavailable"];

/// The counter of attempts to start a run that came to this.
fn attempts(ci: &str, result: &'static str) -> Counter {
    metrics::counter!("azdo_gateway_dispatches_total", "ci" => ci.to_owned(), "result" => result)
}

impl Dispatch {
    /// `triggers` makes what the CIs are told.
    pub fn new(systems: Systems, triggers: Triggers, deps: &Deps) -> Self {
        let series = Arc::clone(&deps.series);
        for ci in systems.listed() {
            for result in RESULTS {
                attempts(ci.name, result).increment(0);
            }
        }
        let starter = Starter { at_ci: AtCi::new(systems, deps), triggers, series };
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
        let at_ci = &self.starter.at_ci;
        let claim = Claim { now: at_ci.clock.now(), limit, lease: LEASE };
        let claimed = at_ci.runs.claim_runs(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        for leased in claimed {
            let starter = Arc::clone(&self.starter);
            self.in_flight.spawn(async move { starter.proceed(leased).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Starter {
    /// Starts a run, or finds out whether an attempt before has started it.
    async fn proceed(&self, leased: LeasedRun) {
        let (run, can) = (leased.run.clone(), self.at_ci.systems.abilities(&leased.run.ci));
        let asked_at = Instant::now();
        let answer = if leased.is_interrupted && can.finds && run.look_ups.is_none() {
            let reason = "the gateway stopped while it asked".to_owned();
            Answer::Started(Err(ci::Error::Ambiguous { reason, retry_after: None }))
        } else if question(&run, can) == Question::Find {
            Answer::Found(self.at_ci.systems.find(&run.ci, &run).await)
        } else {
            Answer::Started(self.start(&run).await)
        };
        let ms = u32::try_from(asked_at.elapsed().as_millis()).unwrap_or(u32::MAX);
        let decide = |run: &Run, now| match self.after(run, &answer, now) {
            Next::Change(next, due_at) => {
                let words = answer.words(&next);
                Next::change(next.with_words(What::Attempt { ms }, &words, now), due_at)
            }
            postponed => postponed,
        };
        let stored = self.at_ci.commit(leased, decide).await;
        if let Some(run) = stored {
            let (attempt, now) = (run.attempts, self.at_ci.clock.now());
            match &answer {
                Answer::Started(Ok(Started::Accepted { .. })) => {
                    let waited = now.since(run.created_at);
                    self.series.took("started", "", waited, now);
                    self.series.took("ci_started", &run.ci, waited, now);
                }
                Answer::Started(Err(_) | Ok(Started::Refused(_))) => {
                    self.series.count("not_started", "", now);
                    self.series.count("ci_not_started", &run.ci, now);
                }
                _ => {}
            }
            tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(), attempt,
                "dispatch: {}", run.reason);
            self.at_ci.notifiers.publish.notify();
            if run.runner.is_offered {
                self.at_ci.notifiers.runners.notify();
            }
            // A run that was ended meanwhile is to be cancelled.
            self.at_ci.notifiers.follow.notify();
        }
        match &answer {
            Answer::Started(Ok(Started::Refused(words))) => self.at_ci.raise(&run, words),
            Answer::Started(Ok(Started::Accepted { .. })) => self.at_ci.clear(&run),
            Answer::Found(Err(ci::Error::Refused { reason, .. })) => self.at_ci.raise(&run, reason),
            _ => {}
        }
    }

    async fn start(&self, run: &Run) -> Result<Started, ci::Error> {
        let trigger = self.triggers.next(run, self.at_ci.clock.now());
        let answer = self.at_ci.systems.start(&run.ci, &trigger).await;
        let result = match &answer {
            Ok(Started::Accepted { .. }) => "accepted",
            Ok(Started::Offered(_)) => "offered",
            Ok(Started::Refused(_)) => "refused",
            Err(ci::Error::Ambiguous { .. }) => "ambiguous",
            Err(ci::Error::Paused { .. }) => "paused",
            Err(_) => "unavailable",
        };
        attempts(&run.ci, result).increment(1);
        answer
    }

    fn after(&self, run: &Run, answer: &Answer, now: Timestamp) -> Next {
        match answer {
            Answer::Started(Ok(started)) | Answer::Found(Ok(Some(started))) => {
                self.started(run, started, now)
            }
            Answer::Found(Ok(None)) => {
                let (next, due_at) = not_found(run, now);
                Next::change(next, due_at)
            }
            Answer::Started(Err(error)) => self.not_started(run, error, now),
            Answer::Found(Err(error)) => self.not_looked_up(run, error, now),
        }
    }

    fn started(&self, run: &Run, started: &Started, now: Timestamp) -> Next {
        let Advance::To(next) = run::started(run, started, now) else {
            return Next::change(run.clone(), None);
        };
        let Some(due_at) = self.at_ci.next_poll(&next, now) else {
            return Next::Change(next, None);
        };
        // Its id at the CI is to be found before it can be polled.
        let is_known = next.ci_id.is_some() || next.state.is_final();
        let due_at = if is_known { due_at } else { now.plus(UNKNOWN_ID_WAIT) };
        Next::change(*next, Some(due_at))
    }

    fn not_started(&self, run: &Run, error: &ci::Error, now: Timestamp) -> Next {
        let can = self.at_ci.systems.abilities(&run.ci);
        if matches!(error, ci::Error::Ambiguous { .. }) && can.finds {
            let reason = format!("{} may have started it: {error}; it is looked up", run.ci);
            let (next, due_at) = doubt(run, reason, now);
            return Next::change(next, Some(due_at));
        }
        if run.state != State::Planned {
            // A report came in, or the run was ended: it need not be started any more.
            return Next::change(run.clone(), None);
        }
        let failed = |reason: String| Run {
            attempts: run.attempts.saturating_add(1),
            reason,
            updated_at: now,
            ..run.clone()
        };
        match error {
            ci::Error::Paused { until, .. } => Next::Postpone(*until),
            ci::Error::Unknown { .. } => ended(&failed(error.to_string()), error.to_string(), now),
            _ => {
                let next = failed(format!("{} does not start it yet: {error}", run.ci));
                let due_at = self.at_ci.retry_at(next.attempts, error, now);
                Next::change(next, Some(due_at))
            }
        }
    }

    fn not_looked_up(&self, run: &Run, error: &ci::Error, now: Timestamp) -> Next {
        match error {
            ci::Error::Refused { .. } | ci::Error::Unknown { .. } => {
                let reason = format!("{} may have started it, and does not tell: {error}", run.ci);
                ended(run, reason, now)
            }
            _ => Next::Postpone(self.at_ci.retry_at(run.attempts, error, now)),
        }
    }
}

/// How soon the CI is asked for the id of a run that it has started without telling it.
const UNKNOWN_ID_WAIT: Duration = Duration::from_secs(2);

/// What a CI answered.
enum Answer {
    /// To the request to start a run.
    Started(Result<Started, ci::Error>),
    /// To the question whether it has it.
    Found(Result<Option<Started>, ci::Error>),
}

impl Answer {
    /// What it came to, for the run as it is afterwards: a report may have been faster than the
    /// answer.
    fn words(&self, next: &Run) -> String {
        match self {
            Answer::Started(Ok(Started::Accepted { .. })) => format!("{} accepted it", next.ci),
            Answer::Found(Ok(Some(_))) => format!("{} has it", next.ci),
            Answer::Found(Ok(None)) => format!("{} does not have it", next.ci),
            _ => next.reason.clone(),
        }
    }
}

fn ended(run: &Run, reason: String, now: Timestamp) -> Next {
    match run::end(run, State::Errored, reason, now) {
        Advance::To(next) => Next::Change(next, None),
        Advance::Not(_) => Next::change(run.clone(), None),
    }
}
