//! Runs in the model: numbered, leased in order, limited in the concurrency of their check and CI,
//! followed while they are at their CIs.

use std::collections::{BTreeMap, BTreeSet};

use azdo_gateway::domain::concurrency::is_limited;
use azdo_gateway::domain::follow::{due_after_change, is_followed};
use azdo_gateway::domain::id::{DeliveryId, RunId};
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::run_keys::{check_key, subject};
use azdo_gateway::domain::slot::Request;
use azdo_gateway::domain::status::{self, Target};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{Claim, Commit, Lease, LeasedRun, Postponed, RunCommit};

use super::{Model, next};

/// A lease that ended without an outcome, before its time.
const INTERRUPTED: Timestamp = Timestamp::from_micros(1);

/// A run and the right to ask its CI about it.
pub(in super::super) struct RunRow {
    pub(in super::super) run: Run,
    pub(super) delivery: Option<DeliveryId>,
    /// When it is to be started.
    pub(super) due_at: Option<Timestamp>,
    /// When its CI, which was asked to start it, is asked about it.
    follow_at: Option<Timestamp>,
    /// Zero where the last lease has an outcome.
    leased_until: Timestamp,
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

    /// Ends its lease without an outcome.
    pub(super) fn interrupt(&mut self) {
        if (self.due_at.is_some() || self.follow_at.is_some()) && self.leased_until > INTERRUPTED {
            self.leased_until = INTERRUPTED;
        }
    }

    fn lease(&mut self, claim: Claim, holder: usize) -> LeasedRun {
        let is_interrupted = self.leased_until > Timestamp::ZERO;
        self.lease += 1;
        self.holder = holder;
        self.leased_until = claim.now.plus(claim.lease);
        let lease = Lease { id: self.run.id, number: self.lease };
        LeasedRun { lease, run: self.run.clone(), is_interrupted }
    }
}

impl Model {
    pub(super) fn plan(&mut self, run: &Run, delivery: Option<DeliveryId>) {
        let number = next(&self.runs);
        let run = Run { number, revision: 1, ..run.clone() };
        let (due_at, leased_until) = (Some(run.updated_at), Timestamp::ZERO);
        let follow_at = None;
        let row = RunRow { run, delivery, due_at, follow_at, leased_until, lease: 0, holder: 0 };
        self.runs.insert(number, row);
        self.show(number);
    }

    pub(super) fn is_at(&self, run: &Run) -> bool {
        self.runs.get(&run.number).is_some_and(|row| row.run.revision == run.revision)
    }

    pub(super) fn update(&mut self, run: &Run, due_at: Option<Timestamp>) {
        let row = self.runs.get_mut(&run.number).expect("it was found");
        row.run = Run { revision: run.revision + 1, ..run.clone() };
        let due_at = due_at.or(due_after_change(run));
        row.due_at = due_at.or(row.due_at).filter(|_| run.state == State::Planned);
        row.follow_at = due_at.or(row.follow_at).filter(|_| is_followed(run));
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
        if commit.lease.is_some_and(|lease| self.held(lease).is_none()) {
            return Commit::LeaseLost;
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

    fn held(&mut self, lease: Lease<RunId>) -> Option<&mut RunRow> {
        let held = |row: &&mut RunRow| row.run.id == lease.id && row.lease == lease.number;
        self.runs.values_mut().find(held)
    }

    pub(in super::super) fn postpone(&mut self, postponed: &Postponed) -> Commit {
        let Some(row) = self.held(postponed.lease) else { return Commit::LeaseLost };
        row.leased_until = Timestamp::ZERO;
        if row.run.revision != postponed.revision {
            return Commit::Conflict;
        }
        row.due_at = row.due_at.map(|_| postponed.due_at);
        row.follow_at = row.follow_at.map(|_| postponed.due_at);
        Commit::Committed
    }

    pub(in super::super) fn rerun(&mut self, old: Option<&RunCommit>, new: &Run) -> Commit {
        if old.is_some_and(|old| self.commit_run(old) != Commit::Committed) {
            return Commit::Conflict;
        }
        self.plan(new, None);
        Commit::Committed
    }

    /// The runs that nobody has leased and that are due by that time, longest due first.
    fn due(&self, claim: Claim, due_at: impl Fn(&RunRow) -> Option<Timestamp>) -> Vec<i64> {
        let mut due: Vec<(Timestamp, i64)> = self
            .runs
            .iter()
            .filter(|(_, row)| row.leased_until <= claim.now)
            .filter_map(|(number, row)| Some((due_at(row)?, *number)))
            .filter(|(due_at, _)| *due_at <= claim.now)
            .collect();
        due.sort();
        due.into_iter().map(|(_, number)| number).collect()
    }

    pub(in super::super) fn claim_runs(&mut self, claim: Claim) -> Vec<LeasedRun> {
        let mut of_check: BTreeMap<String, u32> = BTreeMap::new();
        let mut of_ci: BTreeMap<String, u32> = BTreeMap::new();
        for row in self.runs.values().filter(|row| row.is_at_ci(claim.now)) {
            *of_check.entry(row.run.check.clone()).or_default() += 1;
            *of_ci.entry(row.run.ci.clone()).or_default() += 1;
        }
        let mut leased = Vec::new();
        let mut due: Vec<_> = self
            .due(claim, |row| row.due_at)
            .into_iter()
            .map(|number| {
                let run = &self.runs[&number].run;
                let same = |(_, row): &(&i64, &RunRow)| {
                    row.is_live()
                        && check_key(&row.run) == check_key(run)
                        && subject(&row.run) == subject(run)
                };
                (is_limited(run) && self.runs.range(..number).any(|row| same(&row)), number)
            })
            .collect();
        due.sort();
        for (_, number) in due {
            let row = self.runs.get_mut(&number).expect("it was found");
            let of_check = of_check.entry(row.run.check.clone()).or_default();
            let of_ci = of_ci.entry(row.run.ci.clone()).or_default();
            let is_free = row.run.concurrency.is_none_or(|limit| *of_check < limit)
                && row.run.ci_concurrency.is_none_or(|limit| *of_ci < limit);
            if !is_free || leased.len() >= claim.limit {
                continue;
            }
            *of_check += 1;
            *of_ci += 1;
            leased.push(row.lease(claim, self.process));
        }
        leased
    }

    pub(in super::super) fn claim_followed_runs(&mut self, claim: Claim) -> Vec<LeasedRun> {
        let due = self.due(claim, |row| row.follow_at).into_iter().take(claim.limit);
        let process = self.process;
        due.map(|number| self.runs.get_mut(&number).expect("it is").lease(claim, process)).collect()
    }

    pub(in super::super) fn runs_at_ci(&self, ci: &str, ci_id: &str) -> Vec<Run> {
        let rows = self.runs.values().filter(|row| row.follow_at.is_some());
        let runs = rows.map(|row| &row.run);
        runs.filter(|run| run.ci == ci && run.ci_id.as_deref() == Some(ci_id)).cloned().collect()
    }

    pub(in super::super) fn overdue_runs(&self, now: Timestamp) -> Vec<RunId> {
        let overdue = |row: &&RunRow| row.is_live() && row.run.overdue_at <= now;
        self.runs.values().filter(overdue).map(|row| row.run.id).collect()
    }

    /// Of each check the first run that no runner has, and the runs that one has.
    pub(in super::super) fn runner_queue(&self, ci: &str) -> (Vec<RunId>, Vec<RunId>) {
        let begun = |state| matches!(state, State::Dispatched | State::Running);
        let at_ci = self.runs.values().filter(|row| row.run.ci == ci && begun(row.run.state));
        let (leased, rest): (Vec<&RunRow>, Vec<&RunRow>) =
            at_ci.partition(|row| row.follow_at.is_some());
        let mut checks = BTreeSet::new();
        let offered = rest.into_iter().filter(|row| row.run.state == State::Dispatched);
        let first = offered.filter(|row| checks.insert(check_key(&row.run)));
        (first.map(|row| row.run.id).collect(), leased.iter().map(|row| row.run.id).collect())
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
