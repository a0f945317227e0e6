//! The fewest subscriptions that deliver every event that the checks need.

use std::collections::BTreeMap;

use super::super::check::{Check, Trigger, in_pipelines};
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
        if self.obeys_commands() {
            topics.push(Topic::Comments);
        }
        topics
    }
}

/// The scopes that need a subscription, each with the name of its project and of its checks: one
/// for each project with a watched repository and each topic, and one for the builds of each
/// project whose pipelines run a check. They have no filters, since a filter would have to be
/// changed for every new repository and branch. `projects` are ids and names.
pub fn desired_scopes(
    checks: &[Check],
    organization: &str,
    seen: &[Watched],
    projects: &BTreeMap<String, String>,
) -> BTreeMap<HookScope, (String, Vec<String>)> {
    let mut scopes: BTreeMap<HookScope, (String, Vec<String>)> = BTreeMap::new();
    let mut need = |project_id: &str, topic: Topic, project: &str, check: &Check| {
        let hook_scope = HookScope { project_id: project_id.to_owned(), topic };
        let (_, names) =
            scopes.entry(hook_scope).or_insert_with(|| (project.to_owned(), Vec::new()));
        if !names.contains(&check.name) {
            names.push(check.name.clone());
        }
    };
    for Watched { repository, former_names } in seen {
        let watching =
            checks.iter().filter(|check| check.watches(organization, repository, former_names));
        for check in watching {
            for topic in check.topics() {
                need(&repository.project_id, topic, &repository.project, check);
            }
        }
    }
    for (check, project) in in_pipelines(checks, organization) {
        if let Some((id, name)) = projects.iter().find(|(id, name)| project.is(id, name)) {
            need(id, Topic::BuildsCompleted, name, check);
        }
    }
    scopes
}

/// The projects whose pipelines run checks and that are not among `projects`, ids and names: each
/// as configured, with the names of its checks.
pub fn unseen_pipeline_projects(
    checks: &[Check],
    organization: &str,
    projects: &BTreeMap<String, String>,
) -> BTreeMap<String, Vec<String>> {
    let mut unseen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (check, project) in in_pipelines(checks, organization) {
        if !projects.iter().any(|(id, name)| project.is(id, name)) {
            unseen.entry(project.project.clone()).or_default().push(check.name.clone());
        }
    }
    unseen
}

#[cfg(test)]
mod tests {
    use super::super::super::check;
    use super::super::super::pipeline_project::PipelineProject;
    use super::*;

    const ID: &str = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c";

    fn at_pipelines(name: &str, organization: &str, project: &str) -> Check {
        let (organization, project) = (organization.to_owned(), project.to_owned());
        let pipeline_project = Some(PipelineProject { organization, project });
        Check { name: name.into(), pipeline_project, ..check::tests::check() }
    }

    fn scopes(checks: &[Check]) -> Vec<(String, &'static str, String, Vec<String>)> {
        let projects = BTreeMap::from([(ID.to_owned(), "Build Farm".to_owned())]);
        desired_scopes(checks, "fabrikam", &[], &projects)
            .into_iter()
            .map(|(of, (project, checks))| (of.project_id, of.topic.as_str(), project, checks))
            .collect()
    }

    #[test]
    fn builds_are_wanted_of_each_project_whose_pipelines_run_a_check() {
        let checks = [
            at_pipelines("unit", "Fabrikam", "build farm"),
            at_pipelines("lint", "fabrikam", &ID.to_uppercase()),
            at_pipelines("elsewhere", "contoso", "Build Farm"),
            at_pipelines("hidden", "fabrikam", "Secret"),
            check::tests::check(),
        ];
        let wanted = vec!["unit".to_owned(), "lint".to_owned()];
        assert_eq!(scopes(&checks), [(ID.to_owned(), "builds", "Build Farm".to_owned(), wanted)]);
        assert_eq!(scopes(&checks[2..]), []);
        let projects = BTreeMap::from([(ID.to_owned(), "Build Farm".to_owned())]);
        let unseen = unseen_pipeline_projects(&checks, "fabrikam", &projects);
        assert_eq!(unseen, BTreeMap::from([("Secret".to_owned(), vec!["hidden".to_owned()])]));
    }

    #[test]
    fn a_check_in_pipelines_of_the_project_that_it_watches_wants_builds_as_well() {
        let repository = check::tests::storefront();
        let check = Check {
            organization: "fabrikam".into(),
            ..at_pipelines("unit", "fabrikam", &repository.project)
        };
        let projects =
            BTreeMap::from([(repository.project_id.clone(), repository.project.clone())]);
        let seen = [Watched { repository, former_names: Vec::new() }];
        let wanted = desired_scopes(&[check], "fabrikam", &seen, &projects);
        let topics: Vec<Topic> = wanted.keys().map(|hook_scope| hook_scope.topic).collect();
        assert!(topics.len() > 1 && topics.contains(&Topic::BuildsCompleted), "{topics:?}");
    }
}
