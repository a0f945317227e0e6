//! Runs in the model: numbered, leased in order, limited in the concurrency of their check.

use std::collections::BTreeMap;

use azdo_gateway::domain::id::{DeliveryId, RunId};
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::slot::Request;
use azdo_gateway::domain::status::{self, Target};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{Claim, Commit, Lease, RunCommit};

use super::{Model, next};

/// A run and the right to start it.
pub(in super::super) struct RunRow {
    pub(in super::super) run: Run,
    pub(super) delivery: Option<DeliveryId>,
    pub(super) due_at: Option<Timestamp>,
    pub(super) leased_until: Timestamp,
    lease: i64,
    /// The process that leased it last.
    pub(super) holder: usize,
}

impl RunRow {
    pub(super) fn is_live(&self) -> bool {
        !self.run.state.is_final()
    }

    fn is_at_ci(&self, now: Timestamp) -> bool {
        let begun = matches!(self.run.state, State::Dispatched | State::Running);
        self.is_live() && (begun || self.leased_until > now)
    }
}

impl Model {
    pub(super) fn plan(&mut self, run: &Run, delivery: Option<DeliveryId>) {
        let number = next(&self.runs);
        let run = Run { number, revision: 1, ..run.clone() };
        let (due_at, leased_until) = (Some(run.updated_at), Timestamp::ZERO);
        let row = RunRow { run, delivery, due_at, leased_until, lease: 0, holder: 0 };
        self.runs.insert(number, row);
        self.show(number);
    }

    pub(super) fn is_at(&self, run: &Run) -> bool {
        self.runs.get(&run.number).is_some_and(|row| row.run.revision == run.revision)
    }

    pub(super) fn update(&mut self, run: &Run, due_at: Option<Timestamp>) {
        let row = self.runs.get_mut(&run.number).expect("it was found");
        row.run = Run { revision: run.revision + 1, ..run.clone() };
        row.due_at = due_at.or(row.due_at).filter(|_| run.state == State::Planned);
        self.show(run.number);
    }

    fn show(&mut self, number: i64) {
        let run = self.runs[&number].run.clone();
        for status in status::of(&run) {
            self.queue(&status, Request::OfRun(number), run.updated_at);
        }
    }

    pub(super) fn show_again(&mut self, run: &Run, now: Timestamp) {
        for status in status::of(run) {
            if matches!(status.target, Target::PullRequest { .. }) {
                self.queue(&status, Request::OfRunAgain(run.number), now);
            }
        }
    }

    pub(in super::super) fn commit_run(&mut self, commit: &RunCommit) -> Commit {
        if let Some(lease) = commit.lease {
            let held = |row: &RunRow| row.run.id == lease.id && row.lease == lease.number;
            if !self.runs.values().any(held) {
                return Commit::LeaseLost;
            }
        }
        if !self.is_at(&commit.run) {
            return Commit::Conflict;
        }
        self.update(&commit.run, commit.due_at);
        if commit.lease.is_some() {
            self.runs.get_mut(&commit.run.number).expect("it is").leased_until = Timestamp::ZERO;
        }
        Commit::Committed
    }

    pub(in super::super) fn rerun(&mut self, old: Option<&RunCommit>, new: &Run) -> Commit {
        if old.is_some_and(|old| self.commit_run(old) != Commit::Committed) {
            return Commit::Conflict;
        }
        self.plan(new, None);
        Commit::Committed
    }

    pub(in super::super) fn claim_runs(&mut self, claim: Claim) -> Vec<(Lease<RunId>, Run)> {
        let mut due: Vec<(Timestamp, i64)> = self
            .runs
            .iter()
            .filter(|(_, row)| row.leased_until <= claim.now)
            .filter_map(|(number, row)| Some((row.due_at?, *number)))
            .filter(|(due_at, _)| *due_at <= claim.now)
            .collect();
        due.sort();
        let mut at_ci: BTreeMap<String, u32> = BTreeMap::new();
        for row in self.runs.values().filter(|row| row.is_at_ci(claim.now)) {
            *at_ci.entry(row.run.check.clone()).or_default() += 1;
        }
        let mut leased = Vec::new();
        for (_, number) in due {
            let row = self.runs.get_mut(&number).expect("it was found");
            let taken = at_ci.entry(row.run.check.clone()).or_default();
            let is_free = row.run.concurrency.is_none_or(|concurrency| *taken < concurrency);
            if !is_free || leased.len() >= claim.limit {
                continue;
            }
            *taken += 1;
            row.lease += 1;
            row.holder = self.process;
            row.leased_until = claim.now.plus(claim.lease);
            leased.push((Lease { id: row.run.id, number: row.lease }, row.run.clone()));
        }
        leased
    }

    pub(in super::super) fn overdue_runs(&self, now: Timestamp) -> Vec<RunId> {
        let overdue = |row: &&RunRow| row.is_live() && row.run.overdue_at <= now;
        self.runs.values().filter(overdue).map(|row| row.run.id).collect()
    }

    pub(super) fn delete_older_runs(&mut self, before: Timestamp, limit: usize) -> usize {
        let newest = next(&self.runs) - 1;
        let is_old = |number: &i64, row: &RunRow| {
            row.run.updated_at < before && !row.is_live() && *number < newest
        };
        let first = self.runs.iter().take(limit);
        let old: Vec<i64> = first.filter(|(n, row)| is_old(n, row)).map(|(n, _)| *n).collect();
        old.iter().for_each(|number| drop(self.runs.remove(number)));
        old.len()
    }
}
