//! Stage 2: every delivery gets its decision, exactly once, in the order of its pull request.
//!
//! Deliveries about different things are decided side by side, those about the same thing one
//! after the other. It must never talk to a network.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use futures_util::future::join_all;
use uuid::Uuid;

use super::accept::{take_in_all, take_in_and_claim};
use crate::ado::hooks::{Delivered, read};
use crate::clock::Clock;
use crate::domain::check::Check;
use crate::domain::decision::{
    CaughtUp, Decision, KnownPullRequest, KnownRef, Observation, Outcome, Source, on_pull_request,
    on_push,
};
use crate::domain::event::{Event, Repository};
use crate::domain::fact::{CatchUpMeta, Fact, Push};
use crate::domain::id::RunId;
use crate::domain::pull_request::PullRequest;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::storage::{Claim, Commit, DecisionCommit, Error, LeasedDelivery, Store};
use crate::worker::Notifiers;
use crate::worker::{self, Progress, Tick};

/// Deliveries decided in one turn.
const BATCH_MAX: usize = 128;
const LEASE: Duration = Duration::from_secs(15);

/// See the module.
#[derive(Debug)]
pub struct Decide {
    pub store: Arc<dyn Store>,
    pub checks: Arc<[Check]>,
    pub notifiers: Notifiers,
    pub clock: Clock,
}

#[async_trait]
impl Tick for Decide {
    fn name(&self) -> &'static str {
        "decide"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let claim = Claim { now: self.clock.now(), limit: BATCH_MAX, lease: LEASE };
        let (taken, claimed) = take_in_and_claim(&*self.store, claim).await?;
        if taken == 0 && claimed.is_empty() {
            return Ok(Progress::Idle);
        }
        let mut subjects: BTreeMap<String, Vec<(LeasedDelivery, Delivered)>> = BTreeMap::new();
        for delivery in claimed {
            let delivered = understand(&delivery.body);
            let key = subject(&delivery.organization, &delivered.fact);
            subjects.entry(key).or_default().push((delivery, delivered));
        }
        let decided = join_all(subjects.into_values().map(|same| self.decide_in_order(same))).await;
        decided.into_iter().collect::<Result<(), Error>>()?;
        Ok(Progress::Worked)
    }

    /// What was answered is in the database when the process ends in peace.
    async fn drain(&self) {
        if let Err(error) = take_in_all(&*self.store).await {
            tracing::warn!("what arrived is taken in after a start: {error}");
        }
    }
}

impl Decide {
    async fn decide_in_order(&self, same: Vec<(LeasedDelivery, Delivered)>) -> Result<(), Error> {
        for (delivery, delivered) in same {
            self.decide(&delivery, &delivered).await?;
        }
        Ok(())
    }

    /// Loads, decides and commits one delivery, again when something changed meanwhile.
    async fn decide(&self, delivery: &LeasedDelivery, told: &Delivered) -> Result<(), Error> {
        loop {
            let now = self.clock.now();
            let deciding = AssertUnwindSafe(self.load_and_decide(delivery, told, now));
            let commit = match deciding.catch_unwind().await {
                Ok(commit) => commit?,
                // Left in the inbox it would take its whole batch with it, every time.
                Err(_) => set_aside(delivery, now),
            };
            let decision = commit.decision.clone();
            match self.store.commit_decision(commit).await? {
                Commit::Committed => {
                    self.tell(delivery, &decision);
                    return Ok(());
                }
                Commit::Conflict => {}
                Commit::LeaseLost => return Ok(()),
            }
        }
    }

    async fn load_and_decide(
        &self,
        delivery: &LeasedDelivery,
        delivered: &Delivered,
        now: Timestamp,
    ) -> Result<DecisionCommit, Error> {
        let organization = &delivery.organization;
        let mut former_names = match &delivered.repository {
            Some(repository) => self.store.former_names(organization, repository).await?,
            None => Vec::new(),
        };
        former_names.extend(delivered.former_name.clone());
        let told = Observation {
            organization,
            source: delivery.source,
            at: delivered.created_at.unwrap_or(delivery.received_at),
            former_names: &former_names,
            caught_up: self.caught_up(delivery, delivered).await?,
        };
        let mut commit = DecisionCommit {
            repository: delivered.repository.clone(),
            former_name: delivered.former_name.clone(),
            ..set_aside(delivery, now)
        };
        match &delivered.fact {
            Fact::PullRequest(seen) => self.pull_request(&mut commit, &told, seen).await?,
            Fact::Push(push) => self.push(&mut commit, &told, push).await?,
            fact => commit.decision = without_runs(fact, delivered),
        }
        Ok(commit)
    }

    /// Only what catch-up itself put into the inbox is believed to be from catch-up.
    async fn caught_up<'a>(
        &self,
        delivery: &LeasedDelivery,
        delivered: &'a Delivered,
    ) -> Result<Option<CaughtUp<'a>>, Error> {
        let Some(repository) = delivered.repository.as_ref() else { return Ok(None) };
        if delivery.source != Source::CatchUp {
            return Ok(None);
        }
        let watched_since =
            self.store.watched_since(&delivery.organization, &repository.id).await?;
        Ok(Some(CaughtUp { watched_since, catch_up_meta: &delivered.catch_up_meta }))
    }

    async fn pull_request(
        &self,
        commit: &mut DecisionCommit,
        told: &Observation<'_>,
        seen: &PullRequest,
    ) -> Result<(), Error> {
        let repository = &seen.repository.id;
        let known = self.store.known_pull_request(told.organization, repository, seen.id).await?;
        commit.pull_request_revision = known.revision;
        commit.decision =
            on_pull_request(&self.checks, told, seen, &known.value, &mut new_id, commit.now);
        Ok(())
    }

    async fn push(
        &self,
        commit: &mut DecisionCommit,
        told: &Observation<'_>,
        push: &Push,
    ) -> Result<(), Error> {
        let names: Vec<String> = push.updates.iter().map(|update| update.name.clone()).collect();
        let known =
            self.store.known_refs(told.organization, &push.repository.id, names.clone()).await?;
        let (values, revisions): (Vec<_>, Vec<_>) =
            known.into_iter().map(|known| (known.value, known.revision)).unzip();
        commit.ref_revisions = names.into_iter().zip(revisions).collect();
        commit.decision = on_push(&self.checks, told, push, &values, &mut new_id, commit.now);
        Ok(())
    }

    /// One line that a person understands, and who works on.
    fn tell(&self, delivery: &LeasedDelivery, decision: &Decision) {
        let Decision { outcome, event, reason, planned, ended, .. } = decision;
        let Decision { shown_again, without_run, .. } = decision;
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
        if !planned.is_empty() {
            self.notifiers.dispatch.notify();
        }
        let is_shown = !shown_again.is_empty() || !without_run.is_empty();
        if !planned.is_empty() || !ended.is_empty() || is_shown {
            self.notifiers.publish.notify();
        }
    }
}

/// What would be decided if nothing were known: for people who ask before it happens.
pub fn explain(
    checks: &[Check],
    organization: &str,
    delivered: &Delivered,
    now: Timestamp,
) -> Decision {
    let told = Observation {
        organization,
        source: Source::Hook,
        at: delivered.created_at.unwrap_or(now),
        former_names: delivered.former_name.as_slice(),
        caught_up: None,
    };
    match &delivered.fact {
        Fact::PullRequest(seen) => {
            let known = KnownPullRequest::default();
            on_pull_request(checks, &told, seen, &known, &mut new_id, now)
        }
        Fact::Push(push) => {
            let known = vec![KnownRef::default(); push.updates.len()];
            on_push(checks, &told, push, &known, &mut new_id, now)
        }
        fact => without_runs(fact, delivered),
    }
}

fn new_id() -> RunId {
    RunId(Uuid::now_v7())
}

/// The decision about a delivery that cannot be decided.
fn set_aside(delivery: &LeasedDelivery, now: Timestamp) -> DecisionCommit {
    let why = "deciding it failed: please report this delivery as a bug";
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

/// A body that makes the reader panic must not stop the others: it is set catch_up_meta with the
/// reason.
fn understand(body: &[u8]) -> Delivered {
    catch_unwind(AssertUnwindSafe(|| read(body))).unwrap_or_else(|_| Delivered {
        event_type: None,
        created_at: None,
        fact: Fact::Unreadable("reading it failed: please report this delivery as a bug".into()),
        repository: None,
        former_name: None,
        catch_up_meta: CatchUpMeta::default(),
    })
}

/// Deliveries with equal keys are decided one after the other.
fn subject(organization: &str, fact: &Fact) -> String {
    let of = |repository: &Repository| format!("{organization}/{}", repository.id);
    match fact {
        Fact::PullRequest(seen) => format!("{}/{}", of(&seen.repository), seen.id),
        Fact::Push(push) => of(&push.repository),
        _ => organization.to_owned(),
    }
}

/// Facts that can start nothing by themselves.
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
        Fact::PullRequest(_) | Fact::Push(_) => ignored(Event::Unknown, String::new()),
    }
}
