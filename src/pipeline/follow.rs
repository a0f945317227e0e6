//! Asks CI systems how the runs are that they have started, and tells them which ones are over.
//!
//! Runs are leased for that, and when each is asked about next is stored, so any replica goes on
//! with it. One call may answer for many runs of a CI.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::at_ci::{AtCi, Next};
use super::dispatch::LEASE;
use super::runners::count_lease;
use crate::ci::{self, Cancelled, Observed, Systems};
use crate::deps::Deps;
use crate::domain::follow::{
    self, CANCEL_ATTEMPTS_MAX, Question, cancelled, is_lost, not_found, with_problem,
};
use crate::domain::run::{self, Advance, Report, Run, Sender, Started, State};
use crate::domain::runner;
use crate::domain::time::Timestamp;
use crate::storage::{Claim, LeasedRun};
use crate::worker::{self, InFlight, Progress, Tick};

/// Questions under way at the same time; one may be about several runs.
const IN_FLIGHT_MAX: usize = 32;
const CLAIM_MAX: usize = 256;
/// How often pauses that other replicas have stored are read.
const PAUSES_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub struct Follow {
    asker: Arc<Asker>,
    in_flight: InFlight,
    pauses_read_at: Mutex<Timestamp>,
}

/// Asks one CI.
#[derive(Debug)]
struct Asker {
    at_ci: AtCi,
}

impl Follow {
    /// Follows the runs of all CI systems.
    pub fn new(systems: Systems, deps: &Deps) -> Self {
        Self {
            asker: Arc::new(Asker { at_ci: AtCi::new(systems, deps) }),
            in_flight: InFlight::new(IN_FLIGHT_MAX),
            pauses_read_at: Mutex::new(Timestamp::ZERO),
        }
    }

    async fn read_pauses(&self, now: Timestamp) -> Result<(), worker::Error> {
        let is_due = {
            let mut read_at = self.pauses_read_at.lock();
            let is_due = now.since(*read_at) >= PAUSES_EVERY;
            if is_due {
                *read_at = now;
            }
            is_due
        };
        if is_due {
            self.asker.at_ci.apply_pauses().await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Tick for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let at_ci = &self.asker.at_ci;
        let now = at_ci.clock.now();
        self.read_pauses(now).await?;
        if self.in_flight.capacity().await == 0 {
            return Ok(Progress::Yield);
        }
        let claim = Claim { now, limit: CLAIM_MAX, lease: LEASE };
        let claimed = at_ci.runs.claim_followed_runs(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let mut polled: BTreeMap<String, Vec<LeasedRun>> = BTreeMap::new();
        for mut leased in claimed {
            if leased.is_interrupted && leased.run.state.is_final() && leased.run.ci_id.is_none() {
                // The gateway stopped while it asked the CI to start the run.
                leased.run.look_ups.get_or_insert(0);
            }
            let can = at_ci.systems.abilities(&leased.run.ci);
            let question = follow::question(&leased.run, can);
            if question == Question::Poll {
                polled.entry(leased.run.ci.clone()).or_default().push(leased);
                continue;
            }
            let asker = Arc::clone(&self.asker);
            self.in_flight.spawn(async move { asker.ask(question, leased).await }).await;
        }
        for (ci, leased) in polled {
            let asker = Arc::clone(&self.asker);
            self.in_flight.spawn(async move { asker.poll(&ci, leased).await }).await;
        }
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Asker {
    async fn ask(&self, question: Question, leased: LeasedRun) {
        match question {
            Question::Find => self.find(leased).await,
            Question::Cancel => self.cancel(leased).await,
            Question::Heartbeat => self.expire(leased).await,
            Question::Poll | Question::Start | Question::Nothing => self.leave(leased).await,
        }
    }

    async fn poll(&self, ci: &str, leased: Vec<LeasedRun>) {
        let runs: Vec<&Run> = leased.iter().map(|leased| &leased.run).collect();
        let mut answers = self.at_ci.systems.poll(ci, &runs).await.into_iter();
        for leased in leased {
            let missing =
                || Err(ci::Error::Ambiguous { reason: MISSING.into(), retry_after: None });
            let answer = answers.next().unwrap_or_else(missing);
            count("poll", &leased.run, answer.as_ref().err());
            match &answer {
                Ok(_) => self.at_ci.clear(&leased.run),
                Err(ci::Error::Refused { reason, .. }) if !answer_is_gone(&answer) => {
                    self.at_ci.raise(&leased.run, reason);
                }
                Err(_) => {}
            }
            let asked = leased.run.revision;
            let stored = self.at_ci.commit(leased, |run, now| {
                let next = match &answer {
                    Ok(observed) => self.observed(run, observed, now),
                    Err(error) => self.not_polled(run, error, now),
                };
                match next {
                    // What changed the run meanwhile may be a hint about something newer.
                    Next::Change(run_then, Some(_)) if run.revision != asked => {
                        Next::Change(run_then, Some(now))
                    }
                    next => next,
                }
            });
            if let Some(run) = stored.await {
                tracing::info!(run = %run.id, check = run.check, state = run.state.as_str(),
                    "poll: {}", run.reason);
                self.at_ci.notifiers.publish.notify();
                if run.state.is_final() {
                    self.at_ci.notifiers.dispatch.notify();
                }
            }
        }
    }

    fn observed(&self, run: &Run, observed: &Observed, now: Timestamp) -> Next {
        let report = Report {
            sender: Sender::Ci,
            state: observed.state,
            description: observed.description.clone(),
            url: observed.url.clone(),
        };
        let next_poll = |run: &Run| self.at_ci.next_poll(run, now);
        match run::advance(run, &report, now) {
            Advance::To(next) => {
                let next = with_problem(&next, None);
                let due_at = next_poll(&next);
                Next::change(next, due_at)
            }
            Advance::Not(_) if run.ci_problem.is_some() => {
                Next::change(with_problem(run, None), next_poll(run))
            }
            Advance::Not(_) => Next::Postpone(next_poll(run).unwrap_or(run.overdue_at)),
        }
    }

    fn not_polled(&self, run: &Run, error: &ci::Error, now: Timestamp) -> Next {
        let next_poll = self.at_ci.next_poll(run, now).unwrap_or(run.overdue_at);
        let due_at = match error {
            ci::Error::Paused { until, .. } => return Next::Postpone(*until),
            // It may not be listed yet.
            error if error.is_gone() && is_lost(run, now) => {
                let reason = format!("{} does not know the run any more: {error}", run.ci);
                return match run::end(run, State::Errored, reason, now) {
                    Advance::To(next) => Next::Change(next, None),
                    Advance::Not(_) => Next::Postpone(next_poll),
                };
            }
            ci::Error::Refused { .. } => {
                let last = self.at_ci.intervals(run).map_or(Duration::ZERO, |it| it.last);
                next_poll.max(now.plus(last))
            }
            ci::Error::Unavailable { retry_after, .. }
            | ci::Error::Ambiguous { retry_after, .. } => {
                next_poll.max(now.plus(retry_after.unwrap_or_default()))
            }
            ci::Error::Unknown { .. } => run.overdue_at,
        };
        let problem = Some(format!("{} does not tell how it is: {error}", run.ci));
        match run.ci_problem == problem {
            true => Next::Postpone(due_at),
            false => Next::change(with_problem(run, problem), Some(due_at)),
        }
    }

    /// Looks for the id of a run at its CI.
    async fn find(&self, leased: LeasedRun) {
        let found = self.at_ci.systems.find(&leased.run.ci, &leased.run).await;
        count("find", &leased.run, found.as_ref().err());
        let in_doubt = leased.run.look_ups;
        let stored = self.at_ci.commit(leased, |run, now| match &found {
            Ok(Some(Started::Accepted { ci_id, url })) => {
                let url = run.url.clone().or_else(|| url.clone());
                let next = Run { ci_id: ci_id.clone(), url, look_ups: None, ..run.clone() };
                // Now it can be polled or cancelled.
                Next::change(next, Some(now))
            }
            Ok(_) if run.state.is_final() => {
                let (next, due_at) = not_found(&Run { look_ups: in_doubt, ..run.clone() }, now);
                Next::change(next, due_at)
            }
            Ok(_) => Next::Postpone(self.at_ci.next_poll(run, now).unwrap_or(run.overdue_at)),
            Err(error) if run.state.is_final() => not_cancelled(&self.at_ci, run, error, now),
            Err(error) => self.not_polled(run, error, now),
        });
        if stored.await.is_some() {
            self.at_ci.notifiers.follow.notify();
        }
    }

    async fn cancel(&self, leased: LeasedRun) {
        let answer = self.at_ci.systems.cancel(&leased.run.ci, &leased.run).await;
        count("cancel", &leased.run, answer.as_ref().err());
        if let Err(ci::Error::Refused { reason, .. }) = &answer
            && !answer_is_gone(&answer)
        {
            self.at_ci.raise(&leased.run, reason);
        }
        let stored = self.at_ci.commit(leased, |run, now| match &answer {
            Ok(Cancelled::Done) => Next::change(cancelled(run, false, None), None),
            Ok(Cancelled::Again(wait)) => {
                Next::change(cancelled(run, true, None), Some(now.plus(*wait)))
            }
            Err(error) => not_cancelled(&self.at_ci, run, error, now),
        });
        if let Some(run) = stored.await {
            match &run.ci_problem {
                Some(problem) => tracing::warn!(run = %run.id, check = run.check, "{problem}"),
                None => tracing::info!(run = %run.id, check = run.check, "cancelled at {}", run.ci),
            }
        }
    }

    /// Takes a run from a runner that sends no heartbeats.
    async fn expire(&self, leased: LeasedRun) {
        let stored = self.at_ci.commit(leased, |run, now| match runner::expire(run, now) {
            Ok(next) => Next::change(next, Some(now)),
            Err(look_at) => Next::Postpone(look_at),
        });
        if let Some(run) = stored.await {
            count_lease(&run, "lost");
            tracing::warn!(run = %run.id, check = run.check, state = run.state.as_str(),
                "{}", run.reason);
            self.at_ci.notifiers.dispatch.notify();
            self.at_ci.notifiers.publish.notify();
        }
    }

    /// There is nothing to ask: the run was never sent to its CI, or the configuration has changed.
    async fn leave(&self, leased: LeasedRun) {
        let left = self.at_ci.commit(leased, |run, _| match run.state.is_final() {
            true => Next::change(Run { cancel_attempts: None, ..run.clone() }, None),
            false => Next::Postpone(run.overdue_at),
        });
        left.await;
    }
}

/// Why a run has no answer although its CI was asked about it.
const MISSING: &str = "the answer does not mention it";

fn answer_is_gone<T>(answer: &Result<T, ci::Error>) -> bool {
    matches!(answer, Err(error) if error.is_gone())
}

/// What becomes of a run that is over here and may go on at its CI.
fn not_cancelled(at_ci: &AtCi, run: &Run, error: &ci::Error, now: Timestamp) -> Next {
    let attempts = run.cancel_attempts.unwrap_or(0).saturating_add(1);
    let problem = || Some(format!("{} could not be told to cancel it: {error}", run.ci));
    match error {
        ci::Error::Paused { until, .. } => Next::Postpone(*until),
        error if error.is_gone() => Next::change(cancelled(run, false, None), None),
        ci::Error::Refused { .. } | ci::Error::Unknown { .. } => {
            Next::change(cancelled(run, false, problem()), None)
        }
        _ if attempts >= CANCEL_ATTEMPTS_MAX => {
            Next::change(cancelled(run, false, problem()), None)
        }
        _ => {
            let due_at = at_ci.retry_at(attempts, error, now);
            Next::change(cancelled(run, true, problem()), Some(due_at))
        }
    }
}

fn count(question: &'static str, run: &Run, error: Option<&ci::Error>) {
    let result = match error {
        None => "answered",
        Some(ci::Error::Paused { .. }) => "paused",
        Some(ci::Error::Refused { .. } | ci::Error::Unknown { .. }) => "refused",
        Some(_) => "unavailable",
    };
    metrics::counter!("azdo_gateway_ci_questions_total", "ci" => run.ci.clone(),
        "question" => question, "result" => result)
    .increment(1);
}
