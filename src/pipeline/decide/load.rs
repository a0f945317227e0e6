//! Loads what is known of the subject of one delivery, and decides by it. Nothing is stored here.

use uuid::Uuid;

use super::{Decider, quarantine};
use crate::ado::hooks::Delivered;
use crate::domain::about;
use crate::domain::check::Check;
use crate::domain::comment::Comment;
use crate::domain::decision::{
    CaughtUp, Decision, KnownPullRequest, Observation, Outcome, Source, cis_of_build, happened_at,
    on_build_completed, on_comment, on_pull_request, on_push,
};
use crate::domain::event::{Event, Repository};
use crate::domain::fact::{CompletedBuild, Fact, Push};
use crate::domain::id::RunId;
use crate::domain::pull_request::PullRequest;
use crate::domain::question::Answers;
use crate::domain::repository_names::in_project;
use crate::domain::run::Run;
use crate::domain::subscription::{KnownProject, PasswordScope};
use crate::domain::time::Timestamp;
use crate::storage::{DecisionCommit, Error, LeasedDelivery, Page, RunFilter, Runs};

/// Runs of one commit, newest first.
const RUNS_MAX: usize = 200;

impl Decider {
    /// The decision about a delivery, and what it was decided from: the commit is refused if that
    /// has changed. A decision with questions is not one yet: ask, and call again.
    pub(super) async fn load_and_decide(
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
            about: about::keys(organization, &delivered.fact),
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
        let organization = observation.organization;
        let mut known = self.known(commit, organization, &seen.repository, seen.id).await?;
        known.elsewhere =
            runs_elsewhere(self.runs.as_ref(), &self.checks, organization, seen).await?;
        commit.decision =
            on_pull_request(&self.checks, observation, seen, &known, &mut new_id, commit.now);
        Ok(())
    }

    async fn comment(
        &self,
        commit: &mut DecisionCommit,
        observation: &Observation<'_>,
        told: &Comment,
    ) -> Result<(), Error> {
        let Comment { repository, pull_request, .. } = told;
        let known = self.known(commit, observation.organization, repository, *pull_request).await?;
        commit.decision =
            on_comment(&self.checks, observation, told, &known, &mut new_id, commit.now);
        Ok(())
    }

    /// What is known of a pull request; the commit is refused if that changes meanwhile.
    async fn known(
        &self,
        commit: &mut DecisionCommit,
        organization: &str,
        repository: &Repository,
        pull_request: i64,
    ) -> Result<KnownPullRequest, Error> {
        let id = &repository.id;
        let known = self.deliveries.known_pull_request(organization, id, pull_request).await?;
        commit.pull_request_revision = known.revision;
        Ok(known.value)
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
}

/// The latest runs of other pull requests on the commit of this one, where a check reuses results.
/// They are read at another moment than what is known: a result never changes.
pub(in crate::pipeline) async fn runs_elsewhere(
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

/// The project of a build, as that of a repository without an id.
fn of_project(build: &CompletedBuild) -> Repository {
    let CompletedBuild { project_id, project, .. } = build.clone();
    Repository { project_id, project, ..Repository::default() }
}

pub(super) fn new_id() -> RunId {
    RunId(Uuid::now_v7())
}

/// The decision about a fact that starts no run.
pub(super) fn without_runs(fact: &Fact, delivered: &Delivered) -> Decision {
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
