//! The desired policies: one for each required check, repository and target branch.
//!
//! None applies to every branch of a repository: with such a policy nobody could push to any.

use std::collections::BTreeMap;

use super::super::check::{Check, Trigger};
use super::super::status::Context;
use super::super::subscription::Watched;
use super::branches::{Branches, branches};
use super::found::{Found, Scope, Settings, context_of, is_same, title};

/// The full name of the default branch of each repository that has one, by the GUID of the
/// repository, lower case.
pub type Defaults = BTreeMap<String, String>;

/// A policy that there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// GUIDs, lower case.
    pub project_id: String,
    pub repository_id: String,
    /// Names.
    pub project: String,
    pub repository: String,
    pub branches: Branches,
    pub context: Context,
}

impl Desired {
    /// A check's policy for these branches of a repository.
    pub(super) fn new(watched: &Watched, check: &Check, branches: Branches) -> Self {
        let repository = &watched.repository;
        Self {
            project_id: repository.project_id.clone(),
            repository_id: repository.id.clone(),
            project: repository.project.clone(),
            repository: repository.name.clone(),
            branches,
            context: context_of(check),
        }
    }

    /// What is to be set, where `me` posts the statuses.
    pub fn settings(&self, me: &str) -> Settings {
        Settings {
            is_enabled: true,
            is_blocking: true,
            context: self.context.clone(),
            author_id: Some(me.to_owned()),
            resets_on_push: true,
            is_conditional: false,
            display_name: title(&self.context),
            file_patterns: Vec::new(),
            scopes: vec![self.scope()],
        }
    }

    pub(super) fn scope(&self) -> Scope {
        let repository_id = Some(self.repository_id.clone());
        Scope { repository_id, branches: self.branches.clone() }
    }

    /// Whether a policy waits for the same status on exactly these branches.
    pub(super) fn is_place_of(&self, found: &Found) -> bool {
        let Found { project_id, settings, .. } = found;
        let has_scope = match settings.scopes.as_slice() {
            [scope] => scope.is_same(&self.scope()),
            _ => false,
        };
        has_scope && *project_id == self.project_id && is_same(&settings.context, &self.context)
    }
}

/// Whether a check gets policies. One that posts nothing on pull requests gets none: they would
/// never be satisfied.
pub fn is_enforced(check: &Check) -> bool {
    check.required && check.is_on(Trigger::PullRequest) && check.targets.pull_request
}

/// The desired policies, in the order of repositories and checks.
pub fn desired(
    checks: &[Check],
    organization: &str,
    seen: &[Watched],
    defaults: &Defaults,
) -> Vec<Desired> {
    let desired = |(watched, check): (&Watched, &Check)| {
        let default = defaults.get(&watched.repository.id).map(String::as_str);
        let all = branches(check.target_branches.texts(), default).into_iter();
        all.map(|branches| Desired::new(watched, check, branches)).collect::<Vec<_>>()
    };
    enforced(checks, organization, seen).flat_map(desired).collect()
}

/// The checks that are enforced, with each repository that they watch.
pub(super) fn enforced<'a>(
    checks: &'a [Check],
    organization: &'a str,
    seen: &'a [Watched],
) -> impl Iterator<Item = (&'a Watched, &'a Check)> {
    seen.iter().flat_map(move |watched| {
        let Watched { repository, former_names } = watched;
        let watches = |check: &&Check| check.watches(organization, repository, former_names);
        let checks = checks.iter().filter(|check| is_enforced(check)).filter(watches);
        checks.map(move |check| (watched, check))
    })
}
