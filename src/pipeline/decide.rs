//! Stage 2: every delivery is decided once, in the order in which the deliveries about one pull
//! request or repository were received.
//!
//! Deliveries about different subjects are decided concurrently. Where a decision has to ask Azure
//! DevOps something first, a task of its own asks and decides, so that the others do not wait.
//! Later deliveries about its subject join the task.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use parking_lot::Mutex;
use uuid::Uuid;

use super::look_up::{ASK_MAX, LookUp};
use crate::ado::Throttle;
use crate::ado::hooks::{Delivered, read};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::domain::comment::Comment;
use crate::domain::decision::{
    CaughtUp, Decision, KnownPullRequest, KnownRef, Observation, Outcome, Source, cis_of_build,
    happened_at, on_build_completed, on_comment, on_pull_request, on_push,
};
use crate::domain::event::{Event, Repository};
use crate::domain::fact::{CompletedBuild, Fact, Push};
use crate::domain::id::RunId;
use crate::domain::pull_request::PullRequest;
use crate::domain::question::{Answers, Question};
use crate::domain::repository_names::in_project;
use crate::domain::run::{Run, State};
use crate::domain::subscription::{KnownProject, PasswordScope};
use crate::domain::time::Timestamp;
use crate::storage::{
    CONFLICTS_MAX, Claim, Commit, DecisionCommit, Deliveries, Error, LeasedDelivery, Page,
    RunFilter, Runs,
};
use crate::worker::Notifiers;
use crate::worker::{self, InFlight, Progress, Tick};

/// Deliveries that one tick decides.
const BATCH_MAX: usize = 128;
const LEASE: Duration = Duration::from_secs(15);
const _: () = assert!(LEASE.as_secs() > ASK_MAX.as_secs());
/// Subjects about which Azure DevOps is asked at the same time.
const IN_FLIGHT_MAX: usize = 256;
/// Runs of one commit, newest first.
const RUNS_MAX: usize = 200;
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
            clock: deps.clock.clone(),
        };
        Self {
            decider: Arc::new(decider),
            in_flight: InFlight::new(IN_FLIGHT_MAX),
            asking: Asking::default(),
        }
    }
}

/// A delivery and its content.
type Read = (LeasedDelivery, Delivered);

/// The subjects that a task asks about, each with the deliveries that came meanwhile.
#[derive(Clone, Debug, Default)]
struct Asking(Arc<Mutex<HashMap<String, VecDeque<Read>>>>);

impl Asking {
    /// Leaves deliveries to the task that asks about their subject; gives them back if there is
    /// none.
    fn leave(&self, subject: &str, same: VecDeque<Read>) -> Option<VecDeque<Read>> {
        let mut asking = self.0.lock();
        let Some(waiting) = asking.get_mut(subject) else { return Some(same) };
        for read in same {
            // Its lease has ended, and it was claimed again.
            waiting.retain(|(delivery, _)| delivery.lease.id != read.0.lease.id);
            waiting.push_back(read);
        }
        None
    }

    fn begin(&self, subject: String) -> Subject {
        self.0.lock().insert(subject.clone(), VecDeque::new());
        Subject { name: subject, asking: self.clone() }
    }
}

/// A subject that a task asks about, until this is dropped. What waits then is claimed again when
/// its lease has ended.
struct Subject {
    name: String,
    asking: Asking,
}

impl Subject {
    /// What came meanwhile. The task ends where nothing did.
    fn next(&self) -> Option<VecDeque<Read>> {
        let mut asking = self.asking.0.lock();
        let waiting = asking.get_mut(&self.name).map(std::mem::take).unwrap_or_default();
        if waiting.is_empty() {
            asking.remove(&self.name);
            return None;
        }
        Some(waiting)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        self.asking.0.lock().remove(&self.name);
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
            let decision = commit.decision.clone();
            match self.deliveries.commit_decision(commit).await? {
                Commit::Committed => {
                    self.log(delivery, &decision);
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

    async fn load_and_decide(
        &self,
        delivery: &LeasedDelivery,
        delivered: &Delivered,
        answers: &Answers,
        now: Timestamp,
    ) -> Result<DecisionCommit, Error> {
        let organization = &delivery.organization;
        let mut delivered = delivered.clone();
        if delivery.source != Source::CatchUp
            && let Err(why) = self.check_scope(delivery, &mut delivered).await?
        {
            let why = format!("outside of what its hook may report, so it changes nothing: {why}");
            return Ok(quarantine(delivery, &why, now));
        }
        let mut former_names = match &delivered.repository {
            Some(repository) => self.deliveries.former_names(organization, repository).await?,
            None => Vec::new(),
        };
        former_names.extend(delivered.former_name.clone());
        let arrived_at = self.throttle.their_now(organization, delivery.received_at);
        let observation = Observation {
            organization,
            source: delivery.source,
            at: happened_at(delivery.source, delivered.created_at, arrived_at),
            former_names: &former_names,
            caught_up: self.caught_up(delivery, &delivered).await?,
            answers,
        };
        let mut commit = DecisionCommit {
            repository: delivered.repository.clone(),
            former_name: delivered.former_name.clone(),
            ..quarantine(delivery, "", now)
        };
        match &delivered.fact {
            Fact::PullRequest(seen) => self.pull_request(&mut commit, &observation, seen).await?,
            Fact::Push(push) => self.push(&mut commit, &observation, push).await?,
            Fact::Comment(comment) => self.comment(&mut commit, &observation, comment).await?,
            Fact::BuildCompleted(build) => {
                commit.decision = self.build(organization, build).await?
            }
            fact => commit.decision = without_runs(fact, &delivered),
        }
        Ok(commit)
    }

    /// Checks that a delivery is about what its hook may report: `Err` says why it is not. The
    /// project of one that is gets the name that Azure DevOps lists, since checks select
    /// repositories by it.
    async fn check_scope(
        &self,
        delivery: &LeasedDelivery,
        delivered: &mut Delivered,
    ) -> Result<Result<(), String>, Error> {
        let scope = PasswordScope::of(&delivery.hook);
        if scope == PasswordScope::AnyProject {
            return Ok(Ok(()));
        }
        let claimed = match &delivered.fact {
            Fact::BuildCompleted(build) => Some(of_project(build)),
            _ => delivered.repository.clone(),
        };
        let known = match &claimed {
            Some(claimed) => self.deliveries.known_project(&delivery.organization, claimed).await?,
            None => KnownProject::default(),
        };
        let Delivered { topic, fact, repository, former_name, .. } = delivered;
        if let Some(why) = scope.refusal(*topic, fact, claimed.as_ref(), &known) {
            return Ok(Err(why));
        }
        let Some(name) = known.name else { return Ok(Ok(())) };
        fact.name_project(&name);
        *former_name = former_name.take().map(|former| in_project(&name, &former));
        if let Some(repository) = repository {
            repository.project = name;
        }
        Ok(Ok(()))
    }

    /// What is known about a fact that catch-up found; none for every other delivery.
    async fn caught_up<'a>(
        &self,
        delivery: &'a LeasedDelivery,
        delivered: &Delivered,
    ) -> Result<Option<CaughtUp<'a>>, Error> {
        let (Some(catch_up_meta), Some(repository)) = (&delivery.catch_up, &delivered.repository)
        else {
            return Ok(None);
        };
        let watched_since =
            self.deliveries.watched_since(&delivery.organization, &repository.id).await?;
        Ok(Some(CaughtUp { watched_since, catch_up_meta }))
    }

    async fn pull_request(
        &self,
        commit: &mut DecisionCommit,
        observation: &Observation<'_>,
        seen: &PullRequest,
    ) -> Result<(), Error> {
        let repository = &seen.repository.id;
        let mut known = self
            .deliveries
            .known_pull_request(observation.organization, repository, seen.id)
            .await?;
        commit.pull_request_revision = known.revision;
        let runs = self.runs.as_ref();
        known.value.elsewhere =
            runs_elsewhere(runs, &self.checks, observation.organization, seen).await?;
        commit.decision =
            on_pull_request(&self.checks, observation, seen, &known.value, &mut new_id, commit.now);
        Ok(())
    }

    async fn comment(
        &self,
        commit: &mut DecisionCommit,
        observation: &Observation<'_>,
        told: &Comment,
    ) -> Result<(), Error> {
        let repository = &told.repository.id;
        let known = self
            .deliveries
            .known_pull_request(observation.organization, repository, told.pull_request)
            .await?;
        commit.pull_request_revision = known.revision;
        commit.decision =
            on_comment(&self.checks, observation, told, &known.value, &mut new_id, commit.now);
        Ok(())
    }

    async fn push(
        &self,
        commit: &mut DecisionCommit,
        observation: &Observation<'_>,
        push: &Push,
    ) -> Result<(), Error> {
        let names: Vec<String> = push.updates.iter().map(|update| update.name.clone()).collect();
        let known = self
            .deliveries
            .known_refs(observation.organization, &push.repository.id, names.clone())
            .await?;
        let (values, revisions): (Vec<_>, Vec<_>) =
            known.into_iter().map(|known| (known.value, known.revision)).unzip();
        commit.ref_revisions = names.into_iter().zip(revisions).collect();
        commit.decision =
            on_push(&self.checks, observation, push, &values, &mut new_id, commit.now);
        Ok(())
    }

    async fn build(&self, organization: &str, build: &CompletedBuild) -> Result<Decision, Error> {
        let cis = cis_of_build(&self.checks, organization, build);
        let mut runs = Vec::new();
        for ci in &cis {
            runs.extend(self.runs.runs_at_ci(ci, &build.id).await?);
        }
        Ok(on_build_completed(build, &cis, runs))
    }

    /// Logs and counts a decision, and notifies watchers and the stages that it left work for.
    fn log(&self, delivery: &LeasedDelivery, decision: &Decision) {
        let Decision { outcome, event, reason, planned, ended, .. } = decision;
        let Decision { shown_again, polled, without_run, .. } = decision;
        metrics::counter!("azdo_gateway_decisions_total", "outcome" => outcome.as_str())
            .increment(1);
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
        self.changes.delivery(delivery.lease.id);
        planned.iter().chain(ended).for_each(|run| self.changes.run(run.id));
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

/// The latest runs of other pull requests on the commit of this one, where a check reuses results.
/// They are read at another moment than what is known: a result never changes.
pub(super) async fn runs_elsewhere(
    runs: &dyn Runs,
    checks: &[Check],
    organization: &str,
    seen: &PullRequest,
) -> Result<Vec<Run>, Error> {
    let reuses = |check: &Check| {
        check.reuse_results && check.organization.eq_ignore_ascii_case(organization)
    };
    let (true, Some(commit)) = (checks.iter().any(reuses), &seen.source_commit) else {
        return Ok(Vec::new());
    };
    let filter = RunFilter {
        organization: Some(organization.to_owned()),
        repository: Some(seen.repository.id.clone()),
        commit: Some(commit.clone()),
        ..RunFilter::default()
    };
    let mut found = runs.runs(filter, Page { limit: RUNS_MAX, before: None }).await?.items;
    let is_own = |run: &Run| run.pull_request.as_ref().is_some_and(|of| of.id == seen.id);
    found.retain(|run| !is_own(run));
    Ok(found)
}

/// The decision about a delivery if nothing were known of its subject, and nobody could be asked;
/// for `explain`.
pub fn explain(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    now: Timestamp,
) -> Decision {
    let mut answers = Answers::default();
    loop {
        let decision = explain_with(checks, organization, delivered, &answers, now);
        if decision.questions.is_empty() {
            return decision;
        }
        answers.add_unknown(&decision.questions, "nobody is asked here");
    }
}

fn explain_with(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    answers: &Answers,
    now: Timestamp,
) -> Decision {
    let observation = Observation {
        organization,
        source: Source::Hook,
        at: delivered.created_at.unwrap_or(now),
        former_names: delivered.former_name.as_slice(),
        caught_up: None,
        answers,
    };
    match &delivered.fact {
        Fact::PullRequest(seen) => {
            let known = KnownPullRequest::default();
            on_pull_request(checks, &observation, seen, &known, &mut new_id, now)
        }
        Fact::Push(push) => {
            let known = vec![KnownRef::default(); push.updates.len()];
            on_push(checks, &observation, push, &known, &mut new_id, now)
        }
        Fact::Comment(comment) => {
            let known = KnownPullRequest::default();
            on_comment(checks, &observation, comment, &known, &mut new_id, now)
        }
        Fact::BuildCompleted(build) => {
            let cis = cis_of_build(checks, organization, build);
            on_build_completed(build, &cis, Vec::new())
        }
        fact => without_runs(fact, delivered),
    }
}

/// The project of a build, as that of a repository without an id.
fn of_project(build: &CompletedBuild) -> Repository {
    let CompletedBuild { project_id, project, .. } = build.clone();
    Repository { project_id, project, ..Repository::default() }
}

fn new_id() -> RunId {
    RunId(Uuid::now_v7())
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

/// The decision about a fact that starts no run.
fn without_runs(fact: &Fact, delivered: &Delivered) -> Decision {
    let kind = delivered.event_type.as_deref().unwrap_or("a delivery");
    let ignored = |event, reason: String| Decision::nothing(Outcome::Ignored, event, reason);
    match fact {
        Fact::MergeAttempted(seen) => ignored(
            Event::PullRequestMergeAttempted,
            format!(
                "pull request {}: a trial merge says nothing that its own events do not say",
                seen.id
            ),
        ),
        Fact::Test => ignored(
            Event::TestDelivery,
            "a test delivery with made-up data: received, and starts nothing".into(),
        ),
        Fact::Other(event) => ignored(*event, format!("{kind}: starts no check")),
        Fact::Incomplete(why) => ignored(Event::Unknown, format!("{kind}: {why}")),
        Fact::Unreadable(why) => {
            Decision::nothing(Outcome::Quarantined, Event::Unknown, why.clone())
        }
        Fact::PullRequest(_) | Fact::Push(_) | Fact::Comment(_) | Fact::BuildCompleted(_) => {
            ignored(Event::Unknown, String::new())
        }
    }
}
