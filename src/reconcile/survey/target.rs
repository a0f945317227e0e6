//! The calls of a survey to one organization.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::explain::{explain, is_refusal};
use crate::ado::{Client, Connection, PROJECTS_PER_PAGE, Scope};
use crate::credentials::{CallError, Purpose, Source, call};
use crate::domain::event::Repository;
use crate::domain::permission::{Needed, Probe};
use crate::domain::policy::{Defaults, Found};

const PROJECTS_MAX: usize = 1_000;
pub(super) const REPOSITORIES_MAX: usize = 5_000;
/// The most pages of policies of one project.
const POLICY_PAGES_MAX: usize = 5;

const SURVEY: Purpose = Purpose::new("survey");
const PROBE: Purpose = Purpose::new("probe");

/// See the module.
#[derive(Debug)]
pub struct SurveyTarget {
    client: Client,
    source: Arc<dyn Source>,
    kind: &'static str,
    /// Allows one survey at a time, since its calls use up the budget of the statuses.
    turn: Mutex<()>,
}

impl SurveyTarget {
    /// Calls with the credentials of `source`, an identity of this kind.
    pub fn new(client: Client, source: Arc<dyn Source>, kind: &'static str) -> Self {
        Self { client, source, kind, turn: Mutex::default() }
    }

    /// Waits until no other survey runs.
    pub(super) async fn lock(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// The kind of the identity.
    pub(super) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The address of the organization, without a slash at its end.
    pub(super) fn url(&self) -> &str {
        self.client.options().azure_devops_url.as_str().trim_end_matches('/')
    }

    /// Who we are.
    pub(super) async fn connection(&self) -> Result<Connection, CallError> {
        let get = |credential| self.client.connection(credential);
        call(self.source.as_ref(), Scope::Code, SURVEY, get).await
    }

    /// Ids and names of the projects that our identity sees.
    pub(super) async fn projects(&self, problems: &mut Vec<String>) -> Vec<(String, String)> {
        let mut projects: Vec<(String, String)> = Vec::new();
        while projects.len() < PROJECTS_MAX {
            let get = |credential| self.client.projects(credential, projects.len());
            let page = match call(self.source.as_ref(), Scope::Code, SURVEY, get).await {
                Ok(page) => page,
                Err(error) => {
                    problems.push(explain("listing projects", &error));
                    break;
                }
            };
            let (length, before) = (page.len(), projects.len());
            let new = page.into_iter().filter(|one| !projects.contains(one)).collect::<Vec<_>>();
            projects.extend(new);
            // A server without paging returns the same projects again.
            if length < PROJECTS_PER_PAGE || projects.len() == before {
                return projects;
            }
        }
        if projects.len() >= PROJECTS_MAX {
            problems.push(format!("only the first {PROJECTS_MAX} projects are listed"));
        }
        projects
    }

    /// The repositories that our identity sees, with their default branches; none on an error.
    pub(super) async fn repositories(
        &self,
        problems: &mut Vec<String>,
    ) -> Option<(Vec<Repository>, Defaults)> {
        let get = |credential| self.client.repositories_and_defaults(credential);
        match call(self.source.as_ref(), Scope::Code, SURVEY, get).await {
            Ok(mut repositories) => {
                if repositories.len() > REPOSITORIES_MAX {
                    let limit =
                        format!("only the first {REPOSITORIES_MAX} repositories are listed");
                    problems.push(limit);
                    repositories.truncate(REPOSITORIES_MAX);
                }
                let default = |(repository, name): &(Repository, Option<String>)| {
                    name.clone().map(|name| (repository.id.clone(), name))
                };
                let defaults = repositories.iter().filter_map(default).collect();
                Some((repositories.into_iter().map(|(one, _)| one).collect(), defaults))
            }
            Err(error) => {
                problems.push(explain("listing repositories", &error));
                None
            }
        }
    }

    /// For each permission whether our identity has it.
    pub(super) async fn has(&self, needed: &[Needed]) -> Result<Vec<bool>, CallError> {
        let get = |credential| self.client.has(credential, needed);
        call(self.source.as_ref(), Scope::Code, SURVEY, get).await
    }

    /// Whether a status of a commit is accepted, by posting one that Azure DevOps must reject.
    pub(super) async fn probe(&self, repository: &Repository) -> Probe {
        let get = |credential| self.client.probe_statuses(credential, repository);
        let tried = call(self.source.as_ref(), Scope::CodeStatus, PROBE, get).await;
        let (allowed, detail) = match &tried {
            Ok(()) => (Some(true), String::new()),
            Err(error) => (is_refusal(error).then_some(false), explain("posting a status", error)),
        };
        let (project, repository) = (repository.project.clone(), repository.name.clone());
        Probe { project, repository, allowed, detail }
    }

    /// The status policies of a project; none where there are too many to list.
    pub(super) async fn policies(&self, project: &str) -> Result<Option<Vec<Found>>, CallError> {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        for _ in 0..POLICY_PAGES_MAX {
            let get = |credential| self.client.policies(credential, project, after.as_deref());
            let (page, next) = call(self.source.as_ref(), Scope::Code, SURVEY, get).await?;
            found.extend(page);
            if next.is_none() || next == after {
                return Ok(Some(found));
            }
            after = next;
        }
        Ok(None)
    }
}
