//! What a plan is made from: the checks and the repositories on one side, the subscriptions that
//! there are and our own hook_state on the other.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use crate::ado::{Scope, hook_of, hook_url, settings};
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::subscription::{
    Found, HookName, HookScope, Known, OwnedHook, Step, Topic, Wanted, Watched, farewell, plan,
    wanted,
};
use crate::domain::time::Timestamp;
use crate::reconcile::turn::{Stop, Turn, Upkept};
use crate::secret::Keyring;
use crate::storage::{HookActivity, HookRow, HookState};

/// What we want in general.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) checks: Vec<Check>,
    pub(super) keys: Keyring,
    pub(super) public_url: Url,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) wanted: Vec<Wanted>,
    pub(super) ours: Vec<OwnedHook>,
    /// How many web hooks are somebody else's.
    pub(super) foreign: usize,
    pub(super) hook_state: HookState,
    /// Names of the projects that our identity sees, by id.
    pub(super) projects: BTreeMap<String, String>,
    /// The repositories that checks watch.
    pub(super) watched: Vec<Repository>,
}

/// Asks for everything. One question that is not answered ends it: what is not seen must not be
/// made a second time.
pub(super) async fn picture(turn: &Turn<'_>, at: &Upkept, wish: &Wish) -> Result<Picture, Stop> {
    let organization = &at.organization;
    let ask = |credential| at.client.repositories(credential);
    let repositories = turn.call(Scope::Code, "hooks", ask).await?;
    let mut found: Vec<Found> = Vec::new();
    for topic in Topic::ALL {
        let ask = |credential| at.client.subscriptions(credential, topic);
        found.extend(turn.call(Scope::Code, "hooks", ask).await?);
    }
    let mut seen = Vec::new();
    let mut projects = BTreeMap::new();
    for repository in repositories {
        projects.insert(repository.project_id.clone(), repository.project.clone());
        let former_names = at.store.former_names(organization, &repository).await?;
        seen.push(Watched { repository, former_names });
    }
    let hook_state = at.store.hooks(organization).await?;
    let wanted = wanted(&wish.checks, organization, &seen)
        .into_iter()
        .map(|(hook_scope, (project, checks))| {
            let hook = wish.hook(organization, &hook_scope, generation(&hook_state, &hook_scope));
            let url = hook_url(&wish.public_url, organization, &hook);
            let settings = settings(&hook_scope, &url);
            Wanted { hook_scope, project, hook, settings, checks }
        })
        .collect();
    let is_watched = |one: &&Watched| {
        let watches =
            |check: &Check| check.watches(organization, &one.repository, &one.former_names);
        wish.checks.iter().any(watches)
    };
    let watched = seen.iter().filter(is_watched).map(|one| one.repository.clone()).collect();
    let all = found.len();
    let ours: Vec<OwnedHook> = found
        .into_iter()
        .filter_map(|found| {
            let hook = hook_of(&wish.public_url, organization, &found.url)?;
            Some(OwnedHook { found, hook })
        })
        .collect();
    let foreign = all - ours.len();
    Ok(Picture { wanted, ours, foreign, hook_state, projects, watched })
}

impl Wish {
    pub(super) fn hook(
        &self,
        organization: &str,
        hook_scope: &HookScope,
        generation: u32,
    ) -> String {
        let untagged = HookName::untagged(hook_scope, generation);
        let tag = self.keys.hook_tag(organization, &untagged);
        HookName { hook_scope: hook_scope.clone(), generation, tag }.to_string()
    }
}

/// The number of the secret that a hook_scope is to have.
fn generation(hook_state: &HookState, hook_scope: &HookScope) -> u32 {
    row(hook_state, hook_scope).map_or(1, |row| row.generation)
}

pub(super) fn row<'b>(hook_state: &'b HookState, hook_scope: &HookScope) -> Option<&'b HookRow> {
    hook_state.hook_scopes.iter().find(|row| row.hook_scope == *hook_scope)
}

impl Picture {
    /// What is to be done.
    pub(super) fn plan(
        &self,
        organization: &str,
        hook_activity: &HookActivity,
        now: Timestamp,
    ) -> Vec<Step> {
        if self.hook_state.is_held {
            return farewell(&self.ours);
        }
        let known = |hook_scope: &HookScope| self.known(organization, hook_scope, hook_activity);
        let projects: BTreeSet<String> = self.projects.keys().cloned().collect();
        plan(&self.wanted, &self.ours, &known, &projects, now)
    }

    fn known(
        &self,
        organization: &str,
        hook_scope: &HookScope,
        hook_activity: &HookActivity,
    ) -> Known {
        let wanted = self.wanted.iter().find(|wanted| wanted.hook_scope == *hook_scope);
        let is_proved =
            wanted.is_some_and(|wanted| hook_activity.is_proved(organization, &wanted.hook));
        match row(&self.hook_state, hook_scope) {
            Some(row) => Known {
                generation: row.generation,
                live_from: row.live_from,
                is_proved,
                renewed_at: row.renewed_at,
                healings: row.healings,
            },
            None => Known { generation: 1, live_from: 1, is_proved, ..Known::default() },
        }
    }

    /// The wanted one of a hook_scope.
    pub(super) fn wanted_at(&self, hook_scope: Option<&HookScope>) -> Option<&Wanted> {
        self.wanted.iter().find(|wanted| Some(&wanted.hook_scope) == hook_scope)
    }

    /// The name of a project, where our identity sees it.
    pub(super) fn project(&self, hook_scope: Option<&HookScope>) -> Option<&String> {
        self.projects.get(&hook_scope?.project_id)
    }
}
