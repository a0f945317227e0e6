//! An organization with a repository and its policies, as plans change them.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::super::check::{Check, Forks, Patterns, Trigger};
use super::super::super::event::Repository;
use super::super::super::run::{Targets, Verdict};
use super::super::super::status::Context;
use super::super::super::subscription::Watched;
use super::super::*;

pub(super) const ME: &str = "00000000-0000-0000-0000-00000000000e";
pub(super) const JO: &str = "00000000-0000-0000-0000-00000000000f";
pub(super) const PROJECT: &str = "11111111-0000-0000-0000-000000000000";
pub(super) const WEB: &str = "22222222-0000-0000-0000-000000000000";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn check(name: &str, targets: &[&str]) -> Check {
    Check {
        name: name.into(),
        genre: "ci".into(),
        organization: "contoso".into(),
        repositories: Patterns::of_names(&texts(&["Webshop/*"])).unwrap(),
        on: vec![Trigger::PullRequest],
        target_branches: Patterns::of_branches(&texts(targets)).unwrap(),
        branches: Patterns::of_branches(&texts(&["**"])).unwrap(),
        paths: Patterns::default(),
        paths_ignore: Patterns::default(),
        drafts: false,
        forks: Forks::Run,
        labels: vec![],
        skip_ci: true,
        commands: false,
        replies: false,
        has_summary: false,
        required: true,
        supersede: true,
        reuse_results: false,
        concurrency: None,
        timeout: Duration::from_secs(3_600),
        targets: Targets { pull_request: true, commit: false },
        status_link: Default::default(),
        verdict: Verdict::Report,
        ci: "jenkins".into(),
        inputs: Default::default(),
        is_cancellable: false,
        ci_concurrency: None,
        pipeline_project: None,
    }
}

pub(super) fn web() -> Watched {
    let repository = Repository {
        id: WEB.into(),
        name: "web".into(),
        project_id: PROJECT.into(),
        project: "Webshop".into(),
    };
    Watched { repository, former_names: vec![] }
}

/// The policies at Azure DevOps and what the store says is ours.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) checks: Vec<Check>,
    pub(super) seen: Vec<Watched>,
    pub(super) defaults: Defaults,
    pub(super) owned: BTreeSet<(String, i64)>,
    pub(super) read: BTreeSet<String>,
    pub(super) found: Vec<Found>,
    next: i64,
}

impl World {
    pub(super) fn of(checks: impl Into<Vec<Check>>) -> Self {
        let (checks, seen) = (checks.into(), vec![web()]);
        let defaults = [(WEB.to_owned(), "refs/heads/main".to_owned())].into();
        let (owned, read) = (BTreeSet::new(), [PROJECT.to_owned()].into());
        Self { checks, seen, defaults, owned, read, found: vec![], next: 1 }
    }

    pub(super) fn view(&self) -> View<'_> {
        let Self { checks, seen, defaults, owned, read, found, .. } = self;
        View { organization: "Contoso", checks, seen, defaults, owned, me: ME, read, found }
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.view())
    }

    /// The steps, as `change 7 blocking: no -> yes`.
    pub(super) fn steps(&self) -> Vec<String> {
        let line = |step: &Step| {
            let id = step.policy.map(|id| format!(" {id}")).unwrap_or_default();
            let changes: Vec<String> = step
                .changes
                .iter()
                .map(|one| format!(" {}: {} -> {}", one.field, one.from, one.to))
                .collect();
            format!("{}{id} {}{}", step.kind.as_str(), step.branches, changes.join(","))
        };
        self.plan().steps.iter().map(line).collect()
    }

    /// Somebody creates a policy; its number.
    pub(super) fn create(&mut self, by: &str, settings: Settings) -> i64 {
        let id = self.next;
        self.next += 1;
        let (project_id, created_by) = (PROJECT.into(), by.into());
        let creator = if by == ME { "CI" } else { "Jo Doe" }.into();
        self.found.push(Found { id, project_id, created_by, creator, settings });
        id
    }

    /// Executes the plan.
    pub(super) fn execute(&mut self) {
        let plan = self.plan();
        self.owned.extend(plan.adopted.iter().cloned());
        self.owned.retain(|key| !plan.forgotten.contains(key));
        for step in plan.steps {
            match step.action {
                Action::Create(settings) => {
                    let id = self.create(ME, settings);
                    self.owned.insert((PROJECT.into(), id));
                }
                Action::Replace(id, settings) => {
                    let found = self.found.iter_mut().find(|found| found.id == id).unwrap();
                    found.settings = settings;
                    self.owned.insert((PROJECT.into(), id));
                }
                Action::Delete(id) => {
                    self.found.retain(|found| found.id != id);
                    self.owned.retain(|(_, owned)| *owned != id);
                }
                Action::Nothing => {}
            }
        }
    }

    pub(super) fn policy(&mut self, id: i64) -> &mut Settings {
        &mut self.found.iter_mut().find(|found| found.id == id).unwrap().settings
    }
}

/// What the gateway would set for `ci/unit` on one branch.
pub(super) fn settings(branch: &str) -> Settings {
    Settings {
        is_enabled: true,
        is_blocking: true,
        context: Context { genre: "ci".into(), name: "unit".into() },
        author_id: Some(ME.into()),
        resets_on_push: true,
        is_conditional: false,
        display_name: "ci/unit".into(),
        file_patterns: vec![],
        scopes: vec![Scope {
            repository_id: Some(WEB.into()),
            branches: Branches::Exact(format!("refs/heads/{branch}")),
        }],
    }
}
