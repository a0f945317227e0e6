//! What our identity is, sees and may do in an organization, compared with what the checks need.
//!
//! A survey runs when a person asks for it. It is limited in time and calls, and reports what it
//! did not look at, since that would otherwise look fine.

mod explain;
mod policies;
mod target;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use crate::ado::{Connection, EVALUATIONS_MAX, Lane, Throttle};
use crate::clock::Clock;
use crate::domain::check::Check;
use crate::domain::event::Repository;
use crate::domain::permission::{self, Findings, Row};
use crate::domain::policy::Defaults;

use explain::explain;
use target::REPOSITORIES_MAX;

pub use target::SurveyTarget;

/// The longest that a survey takes: less than the command line waits for an answer.
const SURVEY_MAX: Duration = Duration::from_secs(25);
/// The most permissions that are asked for; every hundred is one call.
const NEEDED_MAX: usize = 2_000;
/// The most repositories in which a status is tried; each is one call.
const PROBES_MAX: usize = 50;
/// How many calls of a survey are made at the same time.
const CONCURRENT_MAX: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct Surveys {
    /// By name as configured.
    pub organizations: HashMap<String, SurveyTarget>,
    pub checks: Vec<Check>,
    pub throttle: Arc<Throttle>,
    pub clock: Clock,
}

impl Surveys {
    /// Who our identity is and what it sees; none where the organization is not configured.
    pub async fn look(&self, organization: &str) -> Option<Findings> {
        let target = self.organizations.get(organization)?;
        let mut findings = self.blank(organization, target);
        let looking = async {
            let _turn = target.lock().await;
            self.visible(target, &mut findings).await;
        };
        let ended = tokio::time::timeout(SURVEY_MAX, looking).await;
        Some(complete(findings, ended.is_ok()))
    }

    /// The same, and whether it may do what the checks need.
    pub async fn survey(&self, organization: &str) -> Option<Findings> {
        let target = self.organizations.get(organization)?;
        let mut findings = self.blank(organization, target);
        let looking = async {
            let _turn = target.lock().await;
            if let Some((repositories, defaults)) = self.visible(target, &mut findings).await {
                self.permissions(target, &repositories, &mut findings).await;
                policies::judge(&self.checks, target, &repositories, &defaults, &mut findings)
                    .await;
                self.probes(target, &repositories, &mut findings).await;
            }
        };
        let ended = tokio::time::timeout(SURVEY_MAX, looking).await;
        Some(complete(findings, ended.is_ok()))
    }

    fn blank(&self, organization: &str, target: &SurveyTarget) -> Findings {
        Findings {
            organization: organization.to_owned(),
            url: target.url().to_owned(),
            kind: target.kind(),
            ..Findings::default()
        }
    }

    /// Who we are and what we see; none where the sign-in fails.
    async fn visible(
        &self,
        target: &SurveyTarget,
        findings: &mut Findings,
    ) -> Option<(Vec<Repository>, Defaults)> {
        if let Some(pause) =
            self.throttle.pause(&findings.organization, Lane::Subscriptions, self.clock.now())
        {
            let problem = format!("not asked: {} until {}", pause.reason, pause.until);
            findings.problems.push(problem);
            return None;
        }
        match target.connection().await {
            Ok(Connection { identity, is_server }) => {
                findings.identity = Some(identity);
                findings.is_server = is_server;
            }
            Err(error) => {
                findings.problems.push(explain("signing in", &error));
                return None;
            }
        }
        let problems = findings.problems.len();
        let projects = target.projects(&mut findings.problems).await;
        let are_all_listed = findings.problems.len() == problems;
        let listed = target.repositories(&mut findings.problems).await;
        let (repositories, defaults) = listed.unzip();
        let organization = &findings.organization;
        if let Some(repositories) = repositories.as_ref().filter(|all| all.len() < REPOSITORIES_MAX)
        {
            findings.problems.extend(permission::idle(&self.checks, organization, repositories));
        }
        let repositories = repositories.unwrap_or_default();
        findings.projects = permission::seen(&self.checks, organization, projects, &repositories);
        if are_all_listed {
            let unseen = permission::unseen(&self.checks, organization, &findings.projects);
            findings.permissions = unseen.into_iter().map(Row::missing).collect();
        }
        Some((repositories, defaults.unwrap_or_default()))
    }

    /// Which of the needed permissions we have.
    async fn permissions(
        &self,
        target: &SurveyTarget,
        repositories: &[Repository],
        findings: &mut Findings,
    ) {
        let Findings { organization, projects, is_server, .. } = findings;
        let checks = &self.checks;
        let mut needed =
            permission::needed(checks, organization, repositories, projects, *is_server);
        if needed.len() > NEEDED_MAX {
            let total = needed.len();
            let problem = format!("only {NEEDED_MAX} of {total} permissions were asked for");
            findings.problems.push(problem);
            needed.truncate(NEEDED_MAX);
        }
        let mut answers = stream::iter(needed.chunks(EVALUATIONS_MAX))
            .map(async |chunk| (chunk, target.has(chunk).await))
            .buffered(CONCURRENT_MAX);
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

    /// Whether statuses of commits are accepted, in the repositories where checks post any.
    async fn probes(
        &self,
        target: &SurveyTarget,
        repositories: &[Repository],
        findings: &mut Findings,
    ) {
        let organization = &findings.organization;
        let probed = permission::with_commit_statuses(&self.checks, organization, repositories);
        if probed.len() > PROBES_MAX {
            let total = probed.len();
            let problem = format!("only {PROBES_MAX} of {total} repositories were probed");
            findings.problems.push(problem);
        }
        let mut probes = stream::iter(probed.into_iter().take(PROBES_MAX))
            .map(async |repository| target.probe(repository).await)
            .buffered(CONCURRENT_MAX);
        while let Some(probe) = probes.next().await {
            findings.probes.push(probe);
        }
    }
}

/// Removes problems that occur twice, and adds one where the time was over.
fn complete(mut findings: Findings, is_whole: bool) -> Findings {
    let mut seen = Vec::new();
    for problem in findings.problems.drain(..) {
        if !seen.contains(&problem) {
            seen.push(problem);
        }
    }
    if !is_whole {
        let limit = SURVEY_MAX.as_secs();
        seen.push(format!(
            "the survey was ended after {limit} seconds before everything was asked: try again"
        ));
    }
    Findings { problems: seen, ..findings }
}
