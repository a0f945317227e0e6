//! Looks at an organization with the eyes of our identity: who it is, what it sees, and whether it
//! may do what the checks need.
//!
//! It is asked for by people and runs then, not by itself. It is bounded in time and in calls, and
//! says where it stopped: what is not told must not be taken for fine. It must never change
//! anything, nor decide what is needed.

mod explaining;
mod policies;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Mutex;

use crate::ado::{Client, Connection, EVALUATIONS_MAX, Lane, PROJECTS_PER_PAGE, Scope, Throttle};
use crate::clock::Clock;
use crate::credentials::{CallError, Purpose, Source, call};
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::permission::{self, Findings, Needed, Probe, Row};
use crate::domain::policy::Defaults;

use explaining::{explain, is_refusal};

/// Shorter than the command line waits for an answer.
const SURVEY_MAX: Duration = Duration::from_secs(25);
const PROJECTS_MAX: usize = 1_000;
const REPOSITORIES_MAX: usize = 5_000;
/// Every hundred is one call.
const NEEDED_MAX: usize = 2_000;
/// Every one is a call.
const PROBES_MAX: usize = 50;
/// Calls of a survey at the same time.
const SIDE_BY_SIDE: usize = 4;

const LOOK: Purpose = Purpose::new("survey");
const PROBE: Purpose = Purpose::new("probe");

/// One organization to look at.
#[derive(Debug)]
pub struct Surveyed {
    client: Client,
    source: Arc<dyn Source>,
    kind: &'static str,
    /// One survey at a time: their calls come out of the budget of the statuses.
    turn: Mutex<()>,
}

impl Surveyed {
    /// Looked at with the credentials of `source`, an identity of this kind.
    pub fn new(client: Client, source: Arc<dyn Source>, kind: &'static str) -> Self {
        Self { client, source, kind, turn: Mutex::default() }
    }
}

/// See the module.
#[derive(Debug)]
pub struct Surveys {
    /// By name as configured.
    pub organizations: HashMap<String, Surveyed>,
    pub checks: Vec<Check>,
    pub throttle: Arc<Throttle>,
    pub clock: Clock,
}

impl Surveys {
    /// Who our identity is and what it sees; none where there is no such organization.
    pub async fn look(&self, organization: &str) -> Option<Findings> {
        let surveyed = self.organizations.get(organization)?;
        let mut findings = self.blank(organization, surveyed);
        let looking = async {
            let _turn = surveyed.turn.lock().await;
            self.places(surveyed, &mut findings).await;
        };
        let ended = tokio::time::timeout(SURVEY_MAX, looking).await;
        Some(noted(findings, ended.is_ok()))
    }

    /// The same, and whether it may do what the checks need.
    pub async fn survey(&self, organization: &str) -> Option<Findings> {
        let surveyed = self.organizations.get(organization)?;
        let mut findings = self.blank(organization, surveyed);
        let looking = async {
            let _turn = surveyed.turn.lock().await;
            if let Some((repositories, defaults)) = self.places(surveyed, &mut findings).await {
                self.rights(surveyed, &repositories, &mut findings).await;
                self.policies(surveyed, &repositories, &defaults, &mut findings).await;
                self.probes(surveyed, &repositories, &mut findings).await;
            }
        };
        let ended = tokio::time::timeout(SURVEY_MAX, looking).await;
        Some(noted(findings, ended.is_ok()))
    }

    fn blank(&self, organization: &str, surveyed: &Surveyed) -> Findings {
        let url = surveyed.client.options().azure_devops_url.as_str();
        Findings {
            organization: organization.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            kind: surveyed.kind,
            ..Findings::default()
        }
    }

    /// Who we are and what we see; no repositories where we are not let in.
    async fn places(
        &self,
        surveyed: &Surveyed,
        findings: &mut Findings,
    ) -> Option<(Vec<Repository>, Defaults)> {
        if let Some(pause) =
            self.throttle.pause(&findings.organization, Lane::Subscriptions, self.clock.now())
        {
            let told = format!("not asked: {} until {}", pause.reason, pause.until);
            findings.problems.push(told);
            return None;
        }
        match surveyed.connection().await {
            Ok(Connection { identity, is_server }) => {
                findings.identity = Some(identity);
                findings.is_server = is_server;
            }
            Err(error) => {
                findings.problems.push(explain("signing in", &error));
                return None;
            }
        }
        let projects = surveyed.projects(&mut findings.problems).await;
        let listed = surveyed.repositories(&mut findings.problems).await;
        let (repositories, defaults) = listed.unzip();
        let organization = &findings.organization;
        if let Some(repositories) = repositories.as_ref().filter(|all| all.len() < REPOSITORIES_MAX)
        {
            findings.problems.extend(permission::idle(&self.checks, organization, repositories));
        }
        let repositories = repositories.unwrap_or_default();
        findings.projects = permission::seen(&self.checks, organization, projects, &repositories);
        Some((repositories, defaults.unwrap_or_default()))
    }

    /// Whether we have what the checks need.
    async fn rights(
        &self,
        surveyed: &Surveyed,
        repositories: &[Repository],
        findings: &mut Findings,
    ) {
        let Findings { organization, is_server, .. } = findings;
        let mut needed = permission::needed(&self.checks, organization, repositories, *is_server);
        if needed.len() > NEEDED_MAX {
            let total = needed.len();
            let told = format!("only {NEEDED_MAX} of {total} permissions were asked for");
            findings.problems.push(told);
            needed.truncate(NEEDED_MAX);
        }
        let mut answers = stream::iter(needed.chunks(EVALUATIONS_MAX))
            .map(async |chunk| (chunk, surveyed.has(chunk).await))
            .buffered(SIDE_BY_SIDE);
        while let Some((chunk, answer)) = answers.next().await {
            match answer {
                Ok(has) => {
                    let rows = chunk.iter().cloned().zip(has);
                    let rows = rows.map(|(needed, has)| Row { needed, has });
                    findings.permissions.extend(rows);
                }
                Err(error) => findings.problems.push(explain("asking for permissions", &error)),
            }
        }
    }

    /// Whether statuses of commits are really taken, where checks show any.
    async fn probes(
        &self,
        surveyed: &Surveyed,
        repositories: &[Repository],
        findings: &mut Findings,
    ) {
        let organization = &findings.organization;
        let probed = permission::with_commit_statuses(&self.checks, organization, repositories);
        if probed.len() > PROBES_MAX {
            let total = probed.len();
            let told = format!("statuses were tried in {PROBES_MAX} of {total} repositories only");
            findings.problems.push(told);
        }
        let mut probes = stream::iter(probed.into_iter().take(PROBES_MAX))
            .map(async |repository| surveyed.probe(repository).await)
            .buffered(SIDE_BY_SIDE);
        while let Some(probe) = probes.next().await {
            findings.probes.push(probe);
        }
    }
}

/// What several calls told alike is told once, and that there was no time for more.
fn noted(mut findings: Findings, is_whole: bool) -> Findings {
    let mut seen = Vec::new();
    for problem in findings.problems.drain(..) {
        if !seen.contains(&problem) {
            seen.push(problem);
        }
    }
    if !is_whole {
        let limit = SURVEY_MAX.as_secs();
        seen.push(format!("not everything was asked within {limit} seconds: try again"));
    }
    Findings { problems: seen, ..findings }
}

impl Surveyed {
    async fn connection(&self) -> Result<Connection, CallError> {
        let ask = |credential| self.client.connection(credential);
        call(self.source.as_ref(), Scope::Code, LOOK, ask).await
    }

    async fn projects(&self, problems: &mut Vec<String>) -> Vec<(String, String)> {
        let mut projects: Vec<(String, String)> = Vec::new();
        while projects.len() < PROJECTS_MAX {
            let ask = |credential| self.client.projects(credential, projects.len());
            let page = match call(self.source.as_ref(), Scope::Code, LOOK, ask).await {
                Ok(page) => page,
                Err(error) => {
                    problems.push(explain("listing projects", &error));
                    break;
                }
            };
            let (length, before) = (page.len(), projects.len());
            let new = page.into_iter().filter(|one| !projects.contains(one)).collect::<Vec<_>>();
            projects.extend(new);
            // A server that does not page gives the same ones again.
            if length < PROJECTS_PER_PAGE || projects.len() == before {
                return projects;
            }
        }
        if projects.len() >= PROJECTS_MAX {
            problems.push(format!("only the first {PROJECTS_MAX} projects are listed"));
        }
        projects
    }

    async fn repositories(
        &self,
        problems: &mut Vec<String>,
    ) -> Option<(Vec<Repository>, Defaults)> {
        let ask = |credential| self.client.repositories_and_defaults(credential);
        match call(self.source.as_ref(), Scope::Code, LOOK, ask).await {
            Ok(mut repositories) => {
                if repositories.len() > REPOSITORIES_MAX {
                    let told = format!("only the first {REPOSITORIES_MAX} repositories are listed");
                    problems.push(told);
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

    async fn has(&self, needed: &[Needed]) -> Result<Vec<bool>, CallError> {
        let ask = |credential| self.client.has(credential, needed);
        call(self.source.as_ref(), Scope::Code, LOOK, ask).await
    }

    async fn probe(&self, repository: &Repository) -> Probe {
        let ask = |credential| self.client.probe_statuses(credential, repository);
        let tried = call(self.source.as_ref(), Scope::CodeStatus, PROBE, ask).await;
        let (allowed, detail) = match &tried {
            Ok(()) => (Some(true), String::new()),
            Err(error) => (is_refusal(error).then_some(false), explain("posting a status", error)),
        };
        let (project, repository) = (repository.project.clone(), repository.name.clone());
        Probe { project, repository, allowed, detail }
    }
}
