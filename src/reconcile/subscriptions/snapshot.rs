//! The state that a plan for subscriptions is made from: the repositories, the subscriptions at
//! Azure DevOps, and what the store knows of their secrets.
//!
//! Without an answer to each question there is no snapshot: a subscription that was not seen would
//! be created a second time.

use std::collections::{BTreeMap, BTreeSet};

use super::builds::{are_possible, look_up};
use super::desired::{desired, row};
use crate::ado::{Scope, hook_of, scope_of_hooks};
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::subscription::{
    Desired, Found, HookScope, Known, OwnedHook, Step, Topic, Watched, plan, removal_of_all,
    unseen_pipeline_projects,
};
use crate::domain::time::Timestamp;
use crate::reconcile::context::OrganizationContext;
use crate::reconcile::pass::{Pass, Stop};
use crate::storage::{ActiveHook, HookState};

/// See the module.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) desired: Vec<Desired>,
    pub(super) owned: Vec<OwnedHook>,
    /// How many web hooks deliver elsewhere.
    pub(super) foreign: usize,
    pub(super) hook_state: HookState,
    /// Names of the projects that our identity sees, by id: those with a repository that it sees,
    /// and those whose pipelines run checks.
    pub(super) projects: BTreeMap<String, String>,
    /// Ids of the projects with a repository that our identity sees.
    pub(super) with_repositories: BTreeSet<String>,
    /// The projects whose pipelines run checks and that our identity does not see, each with the
    /// names of its checks.
    pub(super) unseen: BTreeMap<String, Vec<String>>,
    /// The repositories that checks watch.
    pub(super) watched: Vec<Repository>,
}

/// Reads everything.
pub(super) async fn snapshot(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    checks: &[Check],
) -> Result<Snapshot, Stop> {
    let OrganizationContext { organization, client, deps, .. } = context;
    let list = |credential| client.repositories(credential);
    let repositories = pass.call(Scope::Code, "hooks", list).await?;
    let mut found: Vec<Found> = Vec::new();
    let with_builds = are_possible(context, checks).await?;
    for topic in Topic::ALL {
        if topic == Topic::BuildsCompleted && !with_builds {
            continue;
        }
        let list = |credential| client.subscriptions(credential, topic);
        found.extend(pass.call(scope_of_hooks(topic), "hooks", list).await?);
    }
    let mut seen = Vec::new();
    let mut projects = BTreeMap::new();
    for repository in repositories {
        projects.insert(repository.project_id.clone(), repository.project.clone());
        let former_names = deps.store.former_names(organization, &repository).await?;
        seen.push(Watched { repository, former_names });
    }
    let with_repositories = projects.keys().cloned().collect();
    let all = found.len();
    let owned: Vec<OwnedHook> = found
        .into_iter()
        .filter_map(|found| {
            let hook = hook_of(&deps.public_url, organization, &found.url)?;
            Some(OwnedHook { found, hook })
        })
        .collect();
    let foreign = all - owned.len();
    look_up(pass, context, checks, &owned, &mut projects).await?;
    let hook_state = deps.retired_hooks.refresh(deps.store.as_ref(), organization).await?;
    let desired = desired(context, checks, &seen, &projects, &hook_state);
    let is_watched = |one: &&Watched| {
        let watches =
            |check: &Check| check.watches(organization, &one.repository, &one.former_names);
        checks.iter().any(watches)
    };
    let watched = seen.iter().filter(is_watched).map(|one| one.repository.clone()).collect();
    let unseen = unseen_pipeline_projects(checks, organization, &projects);
    Ok(Snapshot {
        desired,
        owned,
        foreign,
        hook_state,
        projects,
        with_repositories,
        unseen,
        watched,
    })
}

impl Snapshot {
    /// What is to be done.
    pub(super) fn plan(&self, now: Timestamp) -> Vec<Step> {
        if self.hook_state.is_held {
            return removal_of_all(&self.owned);
        }
        let is_seen = |of: &HookScope| self.is_seen(of);
        plan(&self.desired, &self.owned, &|of| self.known(of), &is_seen, now)
    }

    /// Whether our identity sees what a subscription of this scope tells of.
    fn is_seen(&self, HookScope { project_id, topic }: &HookScope) -> bool {
        match topic {
            // Builds need no repository.
            Topic::BuildsCompleted => self.projects.contains_key(project_id),
            _ => self.with_repositories.contains(project_id),
        }
    }

    fn known(&self, hook_scope: &HookScope) -> Known {
        let desired = self.desired_at(Some(hook_scope));
        let is_proved = desired.is_some_and(|desired| self.active(&desired.hook).is_some());
        match row(&self.hook_state, hook_scope) {
            Some(row) => Known {
                generation: row.secret.generation,
                live_from: row.secret.live_from,
                is_proved,
                renewed_at: row.secret.renewed_at,
                healings: row.secret.healings,
            },
            None => Known { generation: 1, live_from: 1, is_proved, ..Known::default() },
        }
    }

    /// When a hook delivered first and last; none where it never did.
    pub(super) fn active(&self, hook: &str) -> Option<&ActiveHook> {
        self.hook_state.hook_activity.iter().find(|active| active.hook == hook)
    }

    /// The desired subscription of a scope.
    pub(super) fn desired_at(&self, hook_scope: Option<&HookScope>) -> Option<&Desired> {
        self.desired.iter().find(|desired| Some(&desired.hook_scope) == hook_scope)
    }

    /// The name of a project, where our identity sees it.
    pub(super) fn project(&self, hook_scope: Option<&HookScope>) -> Option<&String> {
        self.projects.get(&hook_scope?.project_id)
    }
}
