//! One pass over an organization, a project at a time. It must never lose its hook_scope: what is
//! not read yet stays to be read.

use std::collections::{BTreeMap, VecDeque};

use super::super::turn::{Stop, Turn};
use super::project::read_project;
use super::{Followed, OVERLAP, Pass, their_now};
use crate::ado::Scope;
use crate::domain::event::Repository;
use crate::domain::time::Timestamp;
use crate::storage::{WatchRow, Watermark};
use crate::worker::Notifier;

/// Watched repositories that are read in one step.
const REPOSITORIES_PER_STEP: usize = 100;
/// Repositories in a row that could not be read: then the cause is not theirs.
const FAILURES_MAX: u32 = 3;
/// Single pull requests and pushes that one pass asks for.
const LOOKUPS_MAX: usize = 200;

/// A pass that goes on.
#[derive(Debug)]
pub(super) struct Going {
    pub(super) pass: Pass,
    pub(super) is_thorough: bool,
    /// What required checks show is judged again.
    pub(super) is_guarded_anew: bool,
    /// Until when the pushes of each repository were read.
    pub(super) pushes_read: BTreeMap<String, Timestamp>,
    /// The same for what is not stored yet.
    pushes_reading: BTreeMap<String, Timestamp>,
    /// Single calls that may still be made.
    lookups: usize,
    /// Watched repositories of one project each; none until they were listed.
    todo: Option<VecDeque<Vec<WatchRow>>>,
    failures: u32,
    read_until: BTreeMap<String, Timestamp>,
}

/// Whether a pass is at its end.
#[derive(Debug)]
pub(super) enum Next {
    More,
    Done,
}

impl Going {
    pub(super) fn new(
        at: Timestamp,
        is_thorough: bool,
        is_guarded_anew: bool,
        pushes_read: BTreeMap<String, Timestamp>,
    ) -> Self {
        Self {
            pass: Pass { at, ..Pass::default() },
            is_thorough,
            is_guarded_anew,
            pushes_read,
            pushes_reading: BTreeMap::new(),
            lookups: LOOKUPS_MAX,
            todo: None,
            failures: 0,
            read_until: BTreeMap::new(),
        }
    }

    /// How far the repository was read that was read longest ago.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.read_until.values().min().copied()
    }

    /// Lists what is watched, or reads the next project.
    pub(super) async fn step(
        &mut self,
        followed: &Followed,
        turn: &Turn<'_>,
        decide: &Notifier,
    ) -> Result<Next, Stop> {
        let Some(todo) = &mut self.todo else {
            let rows = watched(followed, turn).await?;
            let until =
                |row: &WatchRow| (row.repository.id.clone(), row.read_until.unwrap_or(row.since));
            self.read_until = rows.iter().map(until).collect();
            let is_watched = |id: &String, _: &mut Timestamp| self.read_until.contains_key(id);
            self.pushes_read.retain(is_watched);
            self.todo = Some(by_project(rows));
            return Ok(Next::More);
        };
        let Some(rows) = todo.pop_front() else { return Ok(Next::Done) };
        let mut left = rows.clone();
        let read = read_project(self, followed, turn, &mut left, decide).await;
        if let Err(stop) = read {
            if is_of_all(&stop) || self.is_hopeless() {
                self.failures = 0;
                self.todo.get_or_insert_default().push_front(left);
                return Err(stop);
            }
            self.note(&stop, &left);
        }
        Ok(Next::More)
    }

    /// A repository was read up to a moment.
    pub(super) fn done(&mut self, watermark: &Watermark) {
        self.failures = 0;
        self.read_until.insert(watermark.repository.clone(), watermark.read_until);
        if let Some(until) = self.pushes_reading.remove(&watermark.repository) {
            self.pushes_read.insert(watermark.repository.clone(), until);
        }
    }

    /// The pushes of a repository were read until then; it counts when all of it is stored.
    pub(super) fn reads_pushes(&mut self, repository: &str, until: Timestamp) {
        self.pushes_reading.insert(repository.to_owned(), until);
    }

    /// Whether a single call may still be made, which it is then.
    pub(super) fn takes_lookup(&mut self) -> bool {
        let left = self.lookups.checked_sub(1);
        self.lookups = left.unwrap_or_default();
        left.is_some()
    }

    /// Nothing was read for so long that the cause is hardly with the repositories.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// These could not be read; the others still can.
    pub(super) fn note(&mut self, stop: &Stop, rows: &[WatchRow]) {
        self.failures += 1;
        let named = |Repository { project, name, .. }: &Repository| format!("{project}/{name}");
        let first = rows.first().map(|row| named(&row.repository)).unwrap_or_default();
        tracing::warn!(
            "catch-up cannot read {first} and {} others: {stop}",
            rows.len().saturating_sub(1)
        );
        self.pass.problem.get_or_insert_with(|| format!("{first}: {stop}"));
    }
}

/// Whether it would meet every call.
pub(super) fn is_of_all(stop: &Stop) -> bool {
    use crate::ado::Error as Ado;
    use crate::credentials::CallError;
    match stop {
        Stop::Paused(_) | Stop::Overtaken | Stop::Stopping | Stop::Store(_) => true,
        Stop::Call(CallError::Credential(_)) => true,
        Stop::Call(CallError::Ado(error)) => {
            matches!(error, Ado::Unauthorized { .. } | Ado::RateLimited { .. } | Ado::NoPat(_))
        }
    }
}

/// The repositories that checks watch. From when on is stored before anything of them is read.
async fn watched(followed: &Followed, turn: &Turn<'_>) -> Result<Vec<WatchRow>, Stop> {
    let Followed { upkept, checks, .. } = followed;
    let (client, organization) = (&upkept.client, upkept.organization.as_str());
    let list = |credential| client.repositories(credential);
    let all = turn.call(Scope::Code, "catch-up", list).await?;
    let mut watched = Vec::new();
    for repository in all {
        let watches = |former: &[String]| {
            checks.iter().any(|check| check.watches(organization, &repository, former))
        };
        if watches(&[]) || watches(&upkept.store.former_names(organization, &repository).await?) {
            watched.push(repository);
        }
    }
    Ok(upkept.store.watch(organization, watched, their_now(upkept)).await?)
}

/// By project, what was read longest ago first.
fn by_project(mut rows: Vec<WatchRow>) -> VecDeque<Vec<WatchRow>> {
    rows.sort_by_key(|row| row.read_until);
    let mut projects: Vec<Vec<WatchRow>> = Vec::new();
    for row in rows {
        let same = |project: &&mut Vec<WatchRow>| {
            project.len() < REPOSITORIES_PER_STEP
                && project
                    .first()
                    .is_some_and(|first| first.repository.project_id == row.repository.project_id)
        };
        match projects.iter_mut().find(same) {
            Some(project) => project.push(row),
            None => projects.push(vec![row]),
        }
    }
    projects.into()
}

/// How far a repository is read by what was asked for at a moment.
pub(super) fn watermark(organization: &str, row: &WatchRow, asked_at: Timestamp) -> Watermark {
    let before = row.read_until.unwrap_or(row.since).max(row.since);
    Watermark {
        organization: organization.to_owned(),
        repository: row.repository.id.clone(),
        read_until: asked_at.minus(OVERLAP).max(before),
    }
}
