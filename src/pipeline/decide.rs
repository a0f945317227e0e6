//! Stage 2: every delivery is decided once, in the order in which the deliveries about one pull
//! request or repository were received.
//!
//! Deliveries about different subjects are decided concurrently.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use crate::ado::Throttle;
use crate::ado::hooks::{Delivered, read};
use crate::changes::Changes;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::domain::decision::{
    CaughtUp, Decision, KnownPullRequest, KnownRef, Observation, Outcome, Source, cis_of_build,
    happened_at, on_build_completed, on_pull_request, on_push,
};
use crate::domain::event::{Event, Repository};
use crate::domain::fact::{CompletedBuild, Fact, Push};
use crate::domain::id::RunId;
use crate::domain::pull_request::PullRequest;
use crate::domain::repository_names::in_project;
use crate::domain::run::State;
use crate::domain::subscription::{KnownProject, PasswordScope};
use crate::domain::time::Timestamp;
use crate::storage::{
    CONFLICTS_MAX, Claim, Commit, DecisionCommit, Deliveries, Error, LeasedDelivery, Runs,
};
use crate::worker::Notifiers;
use crate::worker::{self, Progress, Tick};

/// Deliveries that one tick decides.
const BATCH_MAX: usize = 128;
const LEASE: Duration = Duration::from_secs(15);
/// The reason of a delivery whose decision panicked.
const DECIDING_FAILED: &str = "deciding it failed: please report this delivery as a bug";

/// See the module.
#[derive(Debug)]
pub struct Decide {
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
    pub fn new(checks: &[Check], deps: &Deps) -> Self {
        Self {
            deliveries: Arc::clone(&deps.store) as Arc<dyn Deliveries>,
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            checks: checks.into(),
            throttle: Arc::clone(&deps.throttle),
            notifiers: deps.notifiers.clone(),
            changes: deps.changes.clone(),
            clock: deps.clock.clone(),
        }
    }
}

#[async_trait]
impl Tick for Decide {
    fn name(&self) -> &'static str {
        "decide"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let claim = Claim { now: self.clock.now(), limit: BATCH_MAX, lease: LEASE };
        let claimed = self.deliveries.claim_deliveries(claim).await?;
        if claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let mut subjects: BTreeMap<String, Vec<(LeasedDelivery, Delivered)>> = BTreeMap::new();
        for delivery in claimed {
            let delivered = read_body(&delivery.body);
            let key = subject(&delivery.organization, &delivered.fact);
            subjects.entry(key).or_default().push((delivery, delivered));
        }
        let decided = join_all(subjects.into_values().map(|same| self.decide_in_order(same))).await;
        decided.into_iter().collect::<Result<(), Error>>()?;
        Ok(Progress::Worked)
    }
}

impl Decide {
    async fn decide_in_order(&self, same: Vec<(LeasedDelivery, Delivered)>) -> Result<(), Error> {
        for (delivery, delivered) in same {
            self.decide(&delivery, &delivered).await?;
        }
        Ok(())
    }

    /// Loads, decides and commits one delivery, and again when the loaded state changed meanwhile.
    async fn decide(&self, delivery: &LeasedDelivery, delivered: &Delivered) -> Result<(), Error> {
        for _ in 0..CONFLICTS_MAX {
            let now = self.clock.now();
            let deciding = AssertUnwindSafe(self.load_and_decide(delivery, delivered, now));
            let commit = match deciding.catch_unwind().await {
                Ok(commit) => commit?,
                // A delivery that stayed in the inbox would make each of its batches fail.
                Err(_) => quarantine(delivery, DECIDING_FAILED, now),
            };
            let decision = commit.decision.clone();
            match self.deliveries.commit_decision(commit).await? {
                Commit::Committed => {
                    self.log(delivery, &decision);
                    return Ok(());
                }
                Commit::Conflict => {}
                Commit::LeaseLost => return Ok(()),
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
        };
        let mut commit = DecisionCommit {
            repository: delivered.repository.clone(),
            former_name: delivered.former_name.clone(),
            ..quarantine(delivery, "", now)
        };
        match &delivered.fact {
            Fact::PullRequest(seen) => self.pull_request(&mut commit, &observation, seen).await?,
            Fact::Push(push) => self.push(&mut commit, &observation, push).await?,
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
        let known = self
            .deliveries
            .known_pull_request(observation.organization, repository, seen.id)
            .await?;
        commit.pull_request_revision = known.revision;
        commit.decision =
            on_pull_request(&self.checks, observation, seen, &known.value, &mut new_id, commit.now);
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

/// The decision about a delivery if nothing were known of its subject; for `explain`.
pub fn explain(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    now: Timestamp,
) -> Decision {
    let observation = Observation {
        organization,
        source: Source::Hook,
        at: delivered.created_at.unwrap_or(now),
        former_names: delivered.former_name.as_slice(),
        caught_up: None,
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
        Fact::PullRequest(_) | Fact::Push(_) | Fact::BuildCompleted(_) => {
            ignored(Event::Unknown, String::new())
        }
    }
}
