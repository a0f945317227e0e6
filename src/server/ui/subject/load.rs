//! What is known of a pull request, a commit or a branch, in at most five queries.

use super::super::visit::Visit;
use crate::domain::about::{commit_subject, key};
use crate::domain::address::Subject;
use crate::domain::decision::Remembered;
use crate::domain::event::{Event, Repository};
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::status::{Context, Target};
use crate::domain::timeline::{Delivered, Known, Reported};
use crate::server::problem::Problem;
use crate::storage::{Delivery, DeliveryFilter, Page, RepositoryRow, RunFilter, StatusRow};

/// The newest deliveries and runs are shown, so many of each.
const DELIVERIES_MAX: usize = 100;
const RUNS_MAX: usize = 100;

/// See the module.
pub(super) struct Loaded {
    pub(super) organization: String,
    /// As the address has it where the store knows no repository of that name.
    pub(super) repository: Repository,
    pub(super) former_names: Vec<String>,
    pub(super) row: Option<RepositoryRow>,
    pub(super) subject: Subject,
    pub(super) pull_request: Option<Remembered>,
    pub(super) head: Option<String>,
    pub(super) known: Known,
}

impl Loaded {
    pub(super) fn run(&self, id: RunId) -> Option<&Run> {
        self.known.runs.iter().find(|run| run.id == id)
    }

    /// The filters of the list of its deliveries; none where its repository is not known.
    pub(super) fn filters(&self) -> Option<Vec<(&'static str, String)>> {
        let organization = ("organization", self.organization.clone());
        let repository = ("repository_id", self.row.as_ref()?.repository.id.clone());
        Some(match &self.subject {
            Subject::PullRequest(id) => {
                vec![organization, repository, ("pull_request", id.to_string())]
            }
            Subject::Ref(name) => vec![organization, repository, ("ref", name.clone())],
            Subject::Commit(commit) => vec![organization, ("commit", commit.clone())],
            Subject::Repository => return None,
        })
    }
}

pub(super) async fn load(
    visit: &Visit,
    organization: String,
    unknown: Repository,
    row: Option<RepositoryRow>,
    subject: Subject,
) -> Result<Loaded, Problem> {
    let mut loaded = Loaded {
        organization,
        repository: row.as_ref().map_or(unknown, |row| row.repository.clone()),
        former_names: row.as_ref().map(|row| row.former_names.clone()).unwrap_or_default(),
        row,
        subject,
        pull_request: None,
        head: None,
        known: Known::default(),
    };
    if loaded.row.is_some() {
        loaded.read_runs(visit).await?;
        loaded.read_deliveries(visit).await?;
        let runs = loaded.known.runs.iter().map(|run| run.id).collect();
        let statuses = visit.state.deps.store.statuses_of_runs(runs).await?;
        loaded.known.statuses = statuses.iter().filter_map(reported).collect();
    }
    Ok(loaded)
}

impl Loaded {
    async fn read_runs(&mut self, visit: &Visit) -> Result<(), Problem> {
        let (store, repository) = (&visit.state.deps.store, &self.repository.id);
        let organization = &self.organization;
        match &self.subject {
            Subject::PullRequest(id) => {
                let known = store.known_pull_request(organization, repository, *id).await?.value;
                let seen = known.remembered.as_ref().map(|known| &known.pull_request);
                self.head = seen.and_then(|seen| seen.source_commit.clone());
                // It may be the only one who knows the GUID of the project.
                if let Some(seen) = seen.filter(|_| self.repository.project_id.is_empty()) {
                    self.repository.project_id.clone_from(&seen.repository.project_id);
                }
                (self.pull_request, self.known.runs) = (known.remembered, known.runs);
                self.known.has_iterations = true;
            }
            Subject::Ref(name) => {
                let names = vec![name.clone()];
                let known = store.known_refs(organization, repository, names).await?;
                if let Some(known) = known.into_iter().next() {
                    self.head = known.value.remembered.and_then(|known| known.head);
                    self.known.runs = known.value.runs;
                }
                self.known.has_iterations = true;
            }
            Subject::Commit(commit) => {
                let filter = RunFilter {
                    organization: Some(organization.clone()),
                    repository: Some(repository.clone()),
                    commit: Some(commit.clone()),
                    ..RunFilter::default()
                };
                let page = Page { limit: RUNS_MAX, before: None };
                self.known.runs = store.runs(filter, page).await?.items;
            }
            Subject::Repository => {}
        }
        self.known.runs.truncate(RUNS_MAX);
        Ok(())
    }

    async fn read_deliveries(&mut self, visit: &Visit) -> Result<(), Problem> {
        let repository = &self.repository.id;
        let subject = match &self.subject {
            // Deliveries about a commit may be of any repository that has it.
            Subject::Commit(commit) => visit.sees_all().then(|| commit_subject(commit)),
            subject => subject.of_runs(repository),
        };
        let Some(subject) = subject else { return Ok(()) };
        let about = Some(key(&self.organization, &subject));
        let filter = DeliveryFilter { about, ..DeliveryFilter::default() };
        let page = Page { limit: DELIVERIES_MAX, before: None };
        let found = visit.state.deps.store.deliveries(filter, page).await?;
        self.known.deliveries = found.items.into_iter().map(delivered).collect();
        Ok(())
    }
}

fn delivered(delivery: Delivery) -> Delivered {
    Delivered {
        id: delivery.id,
        created_at: delivery.created_at,
        received_at: delivery.received_at,
        decided_at: delivery.decided_at,
        source: delivery.source,
        event: delivery.event.as_deref().and_then(Event::parse),
        outcome: delivery.outcome,
        reason: delivery.reason,
        checks: delivery.checks,
        runs: delivery.runs,
    }
}

fn reported(row: &StatusRow) -> Option<Reported> {
    let Context { genre, name } = &row.status.context;
    Some(Reported {
        run: row.status.run?,
        context: format!("{genre}/{name}"),
        on: match row.status.target {
            Target::PullRequest { .. } => "the pull request",
            Target::Commit { .. } => "the commit",
            Target::Comment { .. } => "a comment",
        },
        state: row.status.state,
        outcome: row.outcome,
        reason: row.reason.clone(),
        queued_at: row.queued_at,
        posted_at: row.posted_at,
    })
}
