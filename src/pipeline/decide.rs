//! Stage 2: every delivery is decided once, in the order in which the deliveries about one pull
//! request or repository were received.
//!
//! Deliveries about different subjects are decided concurrently. Where a decision has to ask Azure
//! DevOps something first, a task of its own asks and decides, so that the others do not wait.
//! Later deliveries about its subject join the task.

mod asking;
mod explain;
mod load;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;

use self::asking::{Asking, Read, Subject};
pub use self::explain::explain;
pub(super) use self::load::runs_elsewhere;
use super::look_up::{ASK_MAX, LookUp};
use crate::ado::Throttle;
use crate::ado::hooks::{Delivered, read};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::domain::decision::{Decision, Outcome, Source};
use crate::domain::delivery::delivered_after;
use crate::domain::event::{Event, Repository};
use crate::domain::fact::Fact;
use crate::domain::id::DeliveryId;
use crate::domain::question::{Answers, Question};
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::series::Series;
use crate::storage::{
    CONFLICTS_MAX, Claim, Commit, DecisionCommit, Deliveries, Error, Lease, LeasedDelivery, Runs,
};
use crate::worker::Notifiers;
use crate::worker::{self, InFlight, Progress, Tick};

/// Deliveries that one tick decides.
const BATCH_MAX: usize = 128;
const LEASE: Duration = Duration::from_secs(15);
const _: () = assert!(LEASE.as_secs() > ASK_MAX.as_secs());
/// Subjects about which Azure DevOps is asked at the same time.
const IN_FLIGHT_MAX: usize = 256;
/// Rounds of questions about one delivery.
const QUESTIONS_MAX: usize = 4;
/// How often a delivery is claimed that it is too early to decide about: for a minute and a half.
const EARLY_MAX: u32 = 6;
/// The reason of a delivery whose decision panicked.
const DECIDING_FAILED: &str = "deciding it failed: please report this delivery as a bug";

/// See the module.
#[derive(Debug)]
pub struct Decide {
    decider: Arc<Decider>,
    in_flight: InFlight,
    asking: Asking,
}

/// Decides one delivery.
#[derive(Debug)]
struct Decider {
    look_up: Arc<LookUp>,
    deliveries: Arc<dyn Deliveries>,
    runs: Arc<dyn Runs>,
    checks: Arc<[Check]>,
    throttle: Arc<Throttle>,
    notifiers: Notifiers,
    changes: Changes,
    series: Arc<Series>,
    clock: Clock,
}

impl Decide {
    /// Decides by the checks of all organizations.
    pub fn new(checks: &[Check], look_up: Arc<LookUp>, deps: &Deps) -> Self {
        let decider = Decider {
            look_up,
            deliveries: Arc::clone(&deps.store) as Arc<dyn Deliveries>,
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            checks: checks.into(),
            throttle: Arc::clone(&deps.throttle),
            notifiers: deps.notifiers.clone(),
            changes: deps.changes.clone(),
            series: Arc::clone(&deps.series),
            clock: deps.clock.clone(),
        };
        Self {
            decider: Arc::new(decider),
            in_flight: InFlight::new(IN_FLIGHT_MAX),
            asking: Asking::default(),
        }
    }
}

impl Decide {
    /// What would be decided now about a copy of a stored delivery. Azure DevOps is asked what the
    /// decision needs to know; nothing is stored.
    ///
    /// # Errors
    /// The store is not available, or the decision asks too much.
    pub async fn rehearse(
        &self,
        organization: &str,
        hook: &str,
        body: Vec<u8>,
    ) -> Result<Decision, Error> {
        let now = self.decider.clock.now();
        let delivery = LeasedDelivery {
            lease: Lease { id: DeliveryId(0), number: 0 },
            attempts: 0,
            organization: organization.to_owned(),
            hook: hook.to_owned(),
            source: Source::Replay,
            received_at: now,
            catch_up: None,
            body,
        };
        let (delivered, mut answers) = (read_body(&delivery.body), Answers::default());
        for _ in 0..QUESTIONS_MAX {
            let deciding = self.decider.load_and_decide(&delivery, &delivered, &answers, now);
            let decision = deciding.await?.decision;
            if decision.questions.is_empty() {
                return Ok(decision);
            }
            self.decider.look_up.ask(organization, &decision.questions, &mut answers).await;
        }
        Err(Error::unavailable("the decision asks too much"))
    }
}

/// What became of the attempt to decide a delivery.
enum Attempt {
    Decided,
    /// Azure DevOps has to be asked first.
    Asks(Vec<Question>),
}

#[async_trait]
impl Tick for Decide {
    fn name(&self) -> &'static str {
        "decide"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let claim = Claim { now: self.decider.clock.now(), limit: BATCH_MAX, lease: LEASE };
        let claimed = self.decider.deliveries.claim_deliveries(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let mut subjects: BTreeMap<String, VecDeque<Read>> = BTreeMap::new();
        for delivery in claimed {
            let delivered = read_body(&delivery.body);
            let key = subject(&delivery.organization, &delivered.fact);
            subjects.entry(key).or_default().push_back((delivery, delivered));
        }
        let subjects = subjects.into_iter();
        let decided = join_all(subjects.map(|(subject, same)| self.decide_all(subject, same)));
        let decided = decided.await;
        decided.into_iter().collect::<Result<(), Error>>()?;
        Ok(Progress::Worked)
    }

    async fn drain(&self) {
        self.in_flight.drain().await;
    }
}

impl Decide {
    /// Decides the deliveries about one subject, in order. From the first one that has to ask on,
    /// a task does so.
    async fn decide_all(&self, subject: String, same: VecDeque<Read>) -> Result<(), Error> {
        let Some(mut same) = self.asking.leave(&subject, same) else { return Ok(()) };
        while let Some((delivery, delivered)) = same.front() {
            let attempt = self.decider.decide(delivery, delivered, Answers::none()).await?;
            if let Attempt::Asks(_) = attempt {
                let (decider, subject) = (Arc::clone(&self.decider), self.asking.begin(subject));
                let task = async move { decider.ask_and_decide_all(&subject, same).await };
                self.in_flight.spawn(task).await;
                return Ok(());
            }
            same.pop_front();
        }
        Ok(())
    }
}

impl Decider {
    /// Decides the deliveries about one subject, in order, and those that come meanwhile.
    async fn ask_and_decide_all(&self, subject: &Subject, same: VecDeque<Read>) {
        let mut next = Some(same);
        while let Some(same) = next {
            for (delivery, delivered) in same {
                if let Err(error) = self.ask_and_decide(&delivery, &delivered).await {
                    // It is decided after its lease has ended.
                    tracing::warn!(delivery = delivery.lease.id.0, "not decided yet: {error}");
                }
            }
            next = subject.next();
        }
    }

    /// Asks what the decision needs to know, and decides. An answer may lead to another question.
    async fn ask_and_decide(
        &self,
        delivery: &LeasedDelivery,
        delivered: &Delivered,
    ) -> Result<(), Error> {
        let mut answers = Answers::default();
        for _ in 0..QUESTIONS_MAX {
            match self.decide(delivery, delivered, &answers).await? {
                Attempt::Decided => return Ok(()),
                Attempt::Asks(questions) => {
                    self.look_up.ask(&delivery.organization, &questions, &mut answers).await;
                }
            }
        }
        Err(Error::unavailable(format!("delivery {} asks too much", delivery.lease.id)))
    }

    /// Loads, decides and commits one delivery, and again when the loaded state changed meanwhile.
    async fn decide(
        &self,
        delivery: &LeasedDelivery,
        delivered: &Delivered,
        answers: &Answers,
    ) -> Result<Attempt, Error> {
        for _ in 0..CONFLICTS_MAX {
            let now = self.clock.now();
            let deciding =
                AssertUnwindSafe(self.load_and_decide(delivery, delivered, answers, now));
            let commit = match deciding.catch_unwind().await {
                Ok(commit) => commit?,
                // A delivery that stayed in the inbox would make each of its batches fail.
                Err(_) => quarantine(delivery, DECIDING_FAILED, now),
            };
            if !commit.decision.questions.is_empty() {
                return Ok(Attempt::Asks(commit.decision.questions));
            }
            if commit.decision.is_early && delivery.attempts < EARLY_MAX {
                // It is claimed again when its lease has ended.
                let (id, reason) = (delivery.lease.id.0, &commit.decision.reason);
                tracing::info!(delivery = id, "decided later: {reason}");
                return Ok(Attempt::Decided);
            }
            let (decision, about) = (commit.decision.clone(), commit.about.clone());
            match self.deliveries.commit_decision(commit).await? {
                Commit::Committed => {
                    self.changes.delivery(delivery.lease.id, about);
                    self.log(delivery, delivered.created_at, &decision);
                    return Ok(Attempt::Decided);
                }
                Commit::Conflict => {}
                Commit::LeaseLost => return Ok(Attempt::Decided),
            }
        }
        // The delivery is decided after its lease has ended.
        let id = delivery.lease.id;
        Err(Error::unavailable(format!("the state that delivery {id} is about changes too fast")))
    }

    /// Logs and counts a decision, and notifies watchers and the stages that it left work for.
    fn log(&self, delivery: &LeasedDelivery, created_at: Option<Timestamp>, decision: &Decision) {
        let Decision { outcome, event, reason, planned, ended, .. } = decision;
        let Decision { shown_again, polled, without_run, .. } = decision;
        metrics::counter!("azdo_gateway_decisions_total", "outcome" => outcome.as_str())
            .increment(1);
        let now = self.clock.now();
        self.series.took("decided", "", now.since(delivery.received_at), now);
        let of = (delivery.source, delivery.received_at);
        if let Some(span) = delivered_after(of, created_at, (*outcome, *event)) {
            self.series.took("delivered", "", span, now);
        }
        tracing::info!(
            delivery = delivery.lease.id.0,
            organization = delivery.organization,
            event = event.as_str(),
            outcome = outcome.as_str(),
            "{reason}"
        );
        for run in planned {
            tracing::info!(run = %run.id, check = run.check, "planned: {}", run.reason);
        }
        for run in ended.iter().filter(|run| run.state == State::Superseded) {
            tracing::info!(run = %run.id, check = run.check, "{}", run.reason);
        }
        planned.iter().chain(ended).for_each(|run| self.changes.run(run));
        if !planned.is_empty() {
            self.notifiers.dispatch.notify();
        }
        if !polled.is_empty() {
            self.notifiers.follow.notify();
        }
        let is_shown = !shown_again.is_empty() || !without_run.is_empty();
        if !planned.is_empty() || !ended.is_empty() || is_shown {
            self.notifiers.publish.notify();
        }
    }
}

/// A decision that stores the reason and nothing else.
fn quarantine(delivery: &LeasedDelivery, why: &str, now: Timestamp) -> DecisionCommit {
    DecisionCommit {
        lease: delivery.lease,
        organization: delivery.organization.clone(),
        decision: Decision::nothing(Outcome::Quarantined, Event::Unknown, why),
        repository: None,
        former_name: None,
        pull_request_revision: 0,
        ref_revisions: Vec::new(),
        about: Vec::new(),
        now,
    }
}

/// Reads a body. One that makes the reader panic is quarantined, and the others are decided.
fn read_body(body: &[u8]) -> Delivered {
    catch_unwind(|| read(body)).unwrap_or_else(|_| Delivered {
        event_type: None,
        topic: None,
        created_at: None,
        fact: Fact::Unreadable("reading it failed: please report this delivery as a bug".into()),
        repository: None,
        former_name: None,
    })
}

/// The key of what a delivery is about: deliveries with equal keys are decided in order.
fn subject(organization: &str, fact: &Fact) -> String {
    let of = |repository: &Repository| format!("{organization}/{}", repository.id);
    match fact {
        Fact::PullRequest(seen) => format!("{}/{}", of(&seen.repository), seen.id),
        Fact::Comment(comment) => format!("{}/{}", of(&comment.repository), comment.pull_request),
        Fact::Push(push) => of(&push.repository),
        _ => organization.to_owned(),
    }
}
