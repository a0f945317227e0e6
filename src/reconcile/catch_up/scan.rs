//! One scan over the watched repositories of an organization: what is still to be read, and what
//! was found so far.
//!
//! A scan that is interrupted goes on where it stopped. Each repository is committed by itself.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::event::Repository;
use crate::domain::subscription::{HookScope, Topic};
use crate::domain::time::Timestamp;
use crate::reconcile::pass::Stop;
use crate::storage::{WatchRow, Watermark};

/// After so many repositories in a row that could not be read the scan is interrupted: the cause is
/// hardly with each of them.
const FAILURES_MAX: u32 = 3;
/// The most calls of one scan for single pull requests and pushes.
const LOOKUPS_MAX: usize = 200;
/// The most repositories that are read with one list of pull requests.
const REPOSITORIES_PER_BATCH: usize = 100;

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// When it began.
    pub at: Timestamp,
    /// How many calls to Azure DevOps it made, minting and revoking not counted.
    pub requests: u64,
    /// How many deliveries it put into the inbox.
    pub found: usize,
    /// Changes that a hook should have delivered long before the scan. Those of pull requests count
    /// for the topic of updates.
    pub missed_by_hooks: BTreeMap<HookScope, MissedByHooks>,
    /// The first thing that could not be read, and why.
    pub problem: Option<String>,
}

/// Changes that no hook delivered in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissedByHooks {
    pub count: usize,
    /// When the last of them happened, by the clock of Azure DevOps.
    pub last_at: Timestamp,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) report: Report,
    /// Also looks for branches that moved and came back.
    pub(super) is_thorough: bool,
    /// Decides again about open pull requests with required checks.
    pub(super) rechecks_required: bool,
    /// Until when the pushes of each repository were read, by its id.
    pub(super) pushes_read: BTreeMap<String, Timestamp>,
    /// The same for repositories that are not committed yet.
    pushes_reading: BTreeMap<String, Timestamp>,
    lookups_left: usize,
    /// Watched repositories, each batch of one project; none until they were listed.
    todo: Option<VecDeque<Vec<WatchRow>>>,
    /// Repositories in a row that could not be read.
    failures: u32,
    read_until: BTreeMap<String, Timestamp>,
}

impl Scan {
    pub(super) fn new(
        at: Timestamp,
        is_thorough: bool,
        rechecks_required: bool,
        pushes_read: BTreeMap<String, Timestamp>,
    ) -> Self {
        Self {
            report: Report { at, ..Report::default() },
            is_thorough,
            rechecks_required,
            pushes_read,
            pushes_reading: BTreeMap::new(),
            lookups_left: LOOKUPS_MAX,
            todo: None,
            failures: 0,
            read_until: BTreeMap::new(),
        }
    }

    pub(super) fn is_listed(&self) -> bool {
        self.todo.is_some()
    }

    /// These repositories are to be read.
    pub(super) fn list(&mut self, rows: Vec<WatchRow>) {
        let until =
            |row: &WatchRow| (row.repository.id.clone(), row.read_until.unwrap_or(row.since));
        self.read_until = rows.iter().map(until).collect();
        let read_until = &self.read_until;
        self.pushes_read.retain(|id, _| read_until.contains_key(id));
        self.todo = Some(batches(rows));
    }

    /// The next repositories to read, all of one project; none at the end.
    pub(super) fn next_batch(&mut self) -> Option<Vec<WatchRow>> {
        self.todo.as_mut().and_then(VecDeque::pop_front)
    }

    /// The scan is interrupted before these were read: they come first when it goes on.
    pub(super) fn give_back(&mut self, rows: Vec<WatchRow>) {
        self.failures = 0;
        self.todo.get_or_insert_default().push_front(rows);
    }

    /// Until when the repository was read that was read longest ago.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.read_until.values().min().copied()
    }

    /// A repository was read and committed with this watermark.
    pub(super) fn commit(&mut self, watermark: &Watermark, found: usize) {
        self.failures = 0;
        self.report.found += found;
        self.read_until.insert(watermark.repository.clone(), watermark.read_until);
        if let Some(until) = self.pushes_reading.remove(&watermark.repository) {
            self.pushes_read.insert(watermark.repository.clone(), until);
        }
    }

    /// The pushes of a repository were read until then. It counts when the repository is committed.
    pub(super) fn reads_pushes(&mut self, repository: &str, until: Timestamp) {
        self.pushes_reading.insert(repository.to_owned(), until);
    }

    /// Takes one of the single calls that a scan may make; false when none is left.
    pub(super) fn takes_lookup(&mut self) -> bool {
        let left = self.lookups_left.checked_sub(1);
        self.lookups_left = left.unwrap_or_default();
        left.is_some()
    }

    /// A hook should have delivered this change.
    pub(super) fn note_missed(&mut self, project_id: &str, topic: Topic, at: Timestamp) {
        let hook_scope = HookScope { project_id: project_id.to_owned(), topic };
        let missed = self.report.missed_by_hooks.entry(hook_scope).or_default();
        missed.count += 1;
        missed.last_at = missed.last_at.max(at);
    }

    /// Whether so many repositories in a row could not be read that others will not be either.
    pub(super) fn is_hopeless(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// These repositories could not be read; the scan goes on with the others.
    pub(super) fn fail(&mut self, stop: &Stop, rows: &[WatchRow]) {
        self.failures += 1;
        let name = |Repository { project, name, .. }: &Repository| format!("{project}/{name}");
        let first = rows.first().map(|row| name(&row.repository)).unwrap_or_default();
        let others = rows.len().saturating_sub(1);
        tracing::warn!("catch-up could not read {first} and {others} others: {stop}");
        self.report.problem.get_or_insert_with(|| format!("{first}: {stop}"));
    }
}

/// Whether every further call would fail alike.
pub(super) fn ends_the_scan(stop: &Stop) -> bool {
    use crate::ado::Error as Ado;
    use crate::credentials::CallError;
    match stop {
        Stop::Paused(_)
        | Stop::TimedOut
        | Stop::LeaseLost
        | Stop::Stopping
        | Stop::Store(_)
        | Stop::Call(CallError::Credential(_)) => true,
        Stop::Call(CallError::Ado(error)) => {
            matches!(error, Ado::Unauthorized { .. } | Ado::RateLimited { .. } | Ado::NoPat(_))
        }
    }
}

/// Repositories by project, those first that were read longest ago.
fn batches(mut rows: Vec<WatchRow>) -> VecDeque<Vec<WatchRow>> {
    rows.sort_by_key(|row| row.read_until);
    let mut batches: Vec<Vec<WatchRow>> = Vec::new();
    for row in rows {
        let has_room = |batch: &&mut Vec<WatchRow>| {
            let project_id = batch.first().map(|first| &first.repository.project_id);
            batch.len() < REPOSITORIES_PER_BATCH && project_id == Some(&row.repository.project_id)
        };
        match batches.iter_mut().find(has_room) {
            Some(batch) => batch.push(row),
            None => batches.push(vec![row]),
        }
    }
    batches.into()
}
