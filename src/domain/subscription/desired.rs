//! The fewest subscriptions that deliver every event that the checks need.

use std::collections::BTreeMap;

use super::super::check::{Check, Trigger};
use super::super::event::Repository;
use super::found::Settings;
use super::hook_scope::{HookScope, Topic};

/// A repository that our identity sees, and the names that it had before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    pub repository: Repository,
    pub former_names: Vec<String>,
}

/// A subscription that there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    pub hook_scope: HookScope,
    /// Name of the project.
    pub project: String,
    /// The last part of its URL; it changes with its secret.
    pub hook: String,
    pub settings: Settings,
    /// Names of the checks that need it.
    pub checks: Vec<String>,
}

impl Check {
    /// The events that it needs.
    fn topics(&self) -> Vec<Topic> {
        let on_pull_requests =
            self.is_on(Trigger::PullRequest) || self.is_on(Trigger::PullRequestClosed);
        let mut topics = Vec::new();
        if self.is_on(Trigger::Push) || self.is_on(Trigger::Tag) {
            topics.push(Topic::Pushes);
        }
        if on_pull_requests {
            topics.extend([Topic::PullRequestsCreated, Topic::PullRequestsUpdated]);
        }
        if on_pull_requests && self.commands {
            topics.push(Topic::Comments);
        }
        topics
    }
}

/// The scopes that need a subscription, each with the name of its project and of its checks: one
/// for each project with a watched repository and each topic. They have no filters, since a filter
/// would have to be changed for every new repository and branch.
pub fn desired_scopes(
    checks: &[Check],
    organization: &str,
    seen: &[Watched],
) -> BTreeMap<HookScope, (String, Vec<String>)> {
    let mut scopes: BTreeMap<HookScope, (String, Vec<String>)> = BTreeMap::new();
    for Watched { repository, former_names } in seen {
        let watching =
            checks.iter().filter(|check| check.watches(organization, repository, former_names));
        for check in watching {
            for topic in check.topics() {
                let hook_scope = HookScope { project_id: repository.project_id.clone(), topic };
                let (_, names) = scopes
                    .entry(hook_scope)
                    .or_insert_with(|| (repository.project.clone(), Vec::new()));
                if !names.contains(&check.name) {
                    names.push(check.name.clone());
                }
            }
        }
    }
    scopes
}
