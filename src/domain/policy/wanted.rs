//! From the required checks to the policies that there should be: one for each repository and each
//! of its target branches.

use super::super::check::{Check, Trigger};
use super::super::status::Context;
use super::super::subscription::Watched;
use super::{Branches, Scope, Settings, branches, context_of, title};

/// A policy that there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// GUIDs, lower case.
    pub project_id: String,
    pub repository_id: String,
    /// For people.
    pub project: String,
    pub repository: String,
    pub branches: Branches,
    pub context: Context,
}

impl Wanted {
    /// What it should be set to, where statuses are posted by `me`.
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
}

/// Whether a policy is kept for a check: one that posts nothing on pull requests would keep all of
/// them open for ever.
pub fn is_enforced(check: &Check) -> bool {
    check.required && check.is_on(Trigger::PullRequest) && check.targets.pull_request
}

/// The policies that there should be, in the order of repositories and checks.
pub fn wanted(checks: &[Check], organization: &str, seen: &[Watched]) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    for Watched { repository, former_names } in seen {
        let watching = checks
            .iter()
            .filter(|check| is_enforced(check))
            .filter(|check| check.watches(organization, repository, former_names));
        for check in watching {
            for branches in branches(check.target_branches.texts()) {
                wanted.push(Wanted {
                    project_id: repository.project_id.clone(),
                    repository_id: repository.id.clone(),
                    project: repository.project.clone(),
                    repository: repository.name.clone(),
                    branches,
                    context: context_of(check),
                });
            }
        }
    }
    wanted
}
