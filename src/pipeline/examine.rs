//! Says for each check why it runs on a pull request, or why it does not, as `explain --against`
//! asks. Azure DevOps is asked for the pull request as it is now; nothing is started or stored.

use std::collections::HashMap;
use std::sync::Arc;

use super::decide::runs_elsewhere;
use super::look_up::LookUp;
use crate::ado::{Lane, Scope, Throttle};
use crate::clock::Clock;
use crate::credentials::{self, CallError, Identity, Purpose};
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::domain::decision::{Finding, Observation, Source, examine};
use crate::domain::pull_request::PullRequest;
use crate::domain::question::Answers;
use crate::storage::{self, Deliveries, Runs};

/// Questions lead to an answer in one round.
const ROUNDS_MAX: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct Examine {
    checks: Arc<[Check]>,
    /// By organization.
    identities: HashMap<String, Identity>,
    look_up: Arc<LookUp>,
    deliveries: Arc<dyn Deliveries>,
    runs: Arc<dyn Runs>,
    throttle: Arc<Throttle>,
    clock: Clock,
}

/// Which pull request.
#[derive(Clone, Debug)]
pub struct Address {
    /// As configured.
    pub organization: String,
    /// Name or id.
    pub project: String,
    /// Name or id.
    pub repository: String,
    pub id: i64,
}

/// A pull request, and what was found about each check.
#[derive(Clone, Debug)]
pub struct Examined {
    pub pull_request: PullRequest,
    pub findings: Vec<Finding>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Missing(String),
    #[error("{0}")]
    Paused(String),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Store(#[from] storage::Error),
}

impl Examine {
    /// Examines by the checks of all organizations; `identities` are theirs, by name.
    pub fn new(
        checks: &[Check],
        identities: HashMap<String, Identity>,
        look_up: Arc<LookUp>,
        deps: &Deps,
    ) -> Self {
        Self {
            checks: checks.into(),
            identities,
            look_up,
            deliveries: Arc::clone(&deps.store) as Arc<dyn Deliveries>,
            runs: Arc::clone(&deps.store) as Arc<dyn Runs>,
            throttle: Arc::clone(&deps.throttle),
            clock: deps.clock.clone(),
        }
    }

    /// The checks of all organizations.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// Looks at every check of the organization.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn pull_request(&self, address: &Address) -> Result<Examined, Refusal> {
        let organization = &address.organization;
        let seen = self.seen(address).await?;
        let repository = &seen.repository;
        let known =
            self.deliveries.known_pull_request(organization, &repository.id, seen.id).await?;
        let mut known = known.value;
        known.elsewhere =
            runs_elsewhere(self.runs.as_ref(), &self.checks, organization, &seen).await?;
        let former_names = self.deliveries.former_names(organization, repository).await?;
        let (mut answers, now) = (Answers::default(), self.clock.now());
        let mut findings = Vec::new();
        for _ in 0..ROUNDS_MAX {
            let observation = Observation {
                organization,
                source: Source::Replay,
                at: now,
                former_names: &former_names,
                caught_up: None,
                answers: &answers,
            };
            let (found, questions) = examine(&self.checks, &observation, &seen, &known, now);
            findings = found;
            if questions.is_empty() {
                break;
            }
            self.look_up.ask(organization, &questions, &mut answers).await;
        }
        Ok(Examined { pull_request: seen, findings })
    }

    /// The pull request as Azure DevOps has it, with its labels.
    async fn seen(&self, address: &Address) -> Result<PullRequest, Refusal> {
        let Address { organization, project, repository, id } = address;
        let missing = || {
            let place = format!("{organization}/{project}/{repository}");
            Refusal::Missing(format!("{place} has no pull request {id}, or it is not visible"))
        };
        let identity = self.identities.get(organization).ok_or_else(missing)?;
        let pause = self.throttle.pause(organization, Lane::CatchUp, self.clock.now());
        if let Some(pause) = pause {
            let why = format!("no calls to {organization} until {}: {}", pause.until, pause.reason);
            return Err(Refusal::Paused(why));
        }
        let (source, client) = (identity.source.as_ref(), &identity.client);
        let purpose = Purpose::new("explain");
        let listed = credentials::call(source, Scope::Code, purpose, |credential| {
            client.pull_request(credential, project, *id)
        });
        let mut listed = listed.await?.ok_or_else(missing)?;
        let found = &listed.seen.pull_request.repository;
        let is_it = found.name.eq_ignore_ascii_case(repository)
            || found.id.eq_ignore_ascii_case(repository);
        if !is_it {
            return Err(missing());
        }
        let of_organization =
            |check: &&Check| check.organization.eq_ignore_ascii_case(organization);
        if self.checks.iter().filter(of_organization).any(|check| !check.labels.is_empty()) {
            let found = found.clone();
            let labels = credentials::call(source, Scope::Code, purpose, |credential| {
                client.labels(credential, &found, *id)
            });
            listed.insert_labels(labels.await?);
        }
        Ok(listed.seen.pull_request)
    }
}
