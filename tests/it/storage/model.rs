//! A store in plain collections: what each operation means, without speed, threads and disks. Rules
//! are those of the domain, which the engines call, too.

/// Statuses and their slots.
mod outbox;
/// Runs, their leases and limits of concurrency.
mod runs;

use std::collections::BTreeMap;

use azdo_gateway::domain::audit::Entry;
use azdo_gateway::domain::check_outcome::CheckOutcome;
use azdo_gateway::domain::decision::{Outcome, Remembered, Source};
use azdo_gateway::domain::delivery;
use azdo_gateway::domain::id::{DeliveryId, RunId};
use azdo_gateway::domain::run::{Run, State};
use azdo_gateway::domain::slot::Request;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{
    Backlog, CiPause, Claim, Commit, DecisionCommit, Lease, LiveRuns, Replayed,
};

use super::make::HookCall;
use outbox::{SlotRow, StatusRow};
use runs::RunRow;

pub(super) use outbox::Claimed;

/// The rows. A new row gets the number after the highest one.
#[derive(Default)]
pub(super) struct Model {
    pub(super) deliveries: BTreeMap<i64, Row>,
    pub(super) runs: BTreeMap<i64, RunRow>,
    pub(super) slots: BTreeMap<String, SlotRow>,
    pub(super) statuses: BTreeMap<i64, StatusRow>,
    pub(super) pull_requests: BTreeMap<i64, (Remembered, i64)>,
    /// By number.
    pub(super) audit: BTreeMap<i64, Entry>,
    /// By account.
    pub(super) pauses: BTreeMap<String, CiPause>,
    /// The process that carries out what comes next, and holds what it leases.
    pub(super) process: usize,
    slots_made: i64,
    entries_made: i64,
}

/// A delivery.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) organization: String,
    pub(super) source: Source,
    pub(super) received_at: Timestamp,
    /// The hook that it came to.
    hook: String,
    /// Scope, subscription and notification.
    key: Option<(String, String, i64)>,
    /// Of a body that is JSON.
    event: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) checks: Vec<CheckOutcome>,
    pub(super) about: Vec<i64>,
    /// What it was copied for.
    pub(super) request: Option<i64>,
    /// While it waits for a decision.
    pub(super) work: Option<Work>,
}

/// The right to decide a delivery.
#[derive(Clone)]
pub(super) struct Work {
    due_at: Timestamp,
    lease: i64,
    /// The process that leased it last.
    holder: usize,
    attempts: u32,
}

fn next<T>(rows: &BTreeMap<i64, T>) -> i64 {
    rows.last_key_value().map_or(1, |(number, _)| number + 1)
}

impl Model {
    pub(super) fn receive(&mut self, call: &HookCall) {
        let key = delivery::key(&call.hook, call.subscription.as_deref(), call.notification);
        let key = key.map(|(scope, subscription, number)| (scope, subscription.to_owned(), number));
        let same_organization = |(_, row): &(&i64, &Row)| row.organization == call.organization;
        let mut others = self.deliveries.iter().filter(same_organization);
        if key.is_some() && others.clone().any(|(_, row)| row.key == key) {
            return;
        }
        let of_event = |(_, row): &(&i64, &Row)| {
            row.source == Source::Hook
                && row.event.as_ref() == Some(&call.event)
                && delivery::stands_for(&row.hook, &call.hook)
        };
        let earlier = others.find(of_event).filter(|_| call.is_json).map(|(id, _)| DeliveryId(*id));
        let quarantined = (!call.is_json).then_some("not JSON");
        let ended = delivery::on_arrival(quarantined, call.subscription.as_deref(), earlier);
        self.insert(Row {
            organization: call.organization.clone(),
            source: Source::Hook,
            received_at: call.received_at,
            hook: call.hook.clone(),
            key,
            event: call.is_json.then(|| call.event.clone()),
            outcome: ended.map_or(Outcome::Pending, |(outcome, _)| outcome),
            checks: Vec::new(),
            about: Vec::new(),
            request: None,
            work: None,
        });
    }

    fn insert(&mut self, row: Row) -> DeliveryId {
        let id = next(&self.deliveries);
        let work = Work { due_at: Timestamp::ZERO, lease: 0, holder: 0, attempts: 0 };
        let work = (row.outcome == Outcome::Pending).then_some(work);
        self.deliveries.insert(id, Row { work, ..row });
        DeliveryId(id)
    }

    pub(super) fn replay(
        &mut self,
        id: DeliveryId,
        request: i64,
        now: Timestamp,
    ) -> Option<Replayed> {
        let mut copies = self.deliveries.iter();
        if let Some((before, _)) = copies.find(|(_, row)| row.request == Some(request)) {
            return Some(Replayed { id: DeliveryId(*before), is_new: false });
        }
        let row = self.deliveries.get(&id.0)?.clone();
        let (source, outcome) = (Source::Replay, Outcome::Pending);
        let (checks, about, request) = (Vec::new(), Vec::new(), Some(request));
        let row =
            Row { source, received_at: now, key: None, outcome, checks, about, request, ..row };
        Some(Replayed { id: self.insert(row), is_new: true })
    }

    /// Leases and attempts, in the order of ids.
    pub(super) fn claim_deliveries(&mut self, claim: Claim) -> Vec<(Lease<DeliveryId>, u32)> {
        let mut due: Vec<(Timestamp, i64)> = self
            .deliveries
            .iter()
            .filter_map(|(id, row)| Some((row.work.as_ref()?.due_at, *id)))
            .filter(|(due_at, _)| *due_at <= claim.now)
            .collect();
        due.sort();
        let mut ids: Vec<i64> = due.into_iter().take(claim.limit).map(|(_, id)| id).collect();
        ids.sort_unstable();
        let mut leased = Vec::new();
        for id in ids {
            let row = self.deliveries.get_mut(&id).expect("it was found");
            let work = row.work.as_mut().expect("it waits");
            work.due_at = claim.now.plus(claim.lease);
            work.lease += 1;
            work.holder = self.process;
            work.attempts += 1;
            leased.push((Lease { id: DeliveryId(id), number: work.lease }, work.attempts));
        }
        leased
    }

    fn work(&mut self, lease: Lease<DeliveryId>) -> Option<&mut Work> {
        let work = self.deliveries.get_mut(&lease.id.0)?.work.as_mut()?;
        (work.lease == lease.number).then_some(work)
    }

    pub(super) fn revision(&self, pull_request: i64) -> i64 {
        self.pull_requests.get(&pull_request).map_or(0, |(_, revision)| *revision)
    }

    /// None where the engine returns an error and changes nothing.
    pub(super) fn decide(&mut self, commit: &DecisionCommit) -> Option<Commit> {
        if self.work(commit.lease).is_none() {
            return Some(Commit::LeaseLost);
        }
        let decision = &commit.decision;
        let remembered = decision.pull_request.as_ref();
        let stands = remembered.is_none_or(|remembered| {
            self.revision(remembered.pull_request.id) == commit.pull_request_revision
        });
        let looked_at = decision.ended.iter().chain(&decision.shown_again);
        let mut looked_at = looked_at.chain(&decision.polled);
        if !stands || !looked_at.all(|run| self.is_at(run)) {
            return Some(Commit::Conflict);
        }
        if decision.planned.iter().any(|run| self.find(run.id).is_some()) {
            return None;
        }
        let row = self.deliveries.get_mut(&commit.lease.id.0).expect("its lease is held");
        (row.outcome, row.work) = (decision.outcome, None);
        (row.checks, row.about) = (decision.checks.clone(), commit.about.clone());
        if let Some(remembered) = remembered {
            let id = remembered.pull_request.id;
            let revision = self.revision(id) + 1;
            self.pull_requests.insert(id, (remembered.clone(), revision));
        }
        decision.ended.iter().for_each(|run| self.update(run, None));
        for run in &decision.planned {
            self.plan(run, Some(commit.lease.id));
        }
        decision.polled.iter().for_each(|run| self.update(run, Some(commit.now)));
        decision.shown_again.iter().for_each(|run| self.show_again(run, commit.now));
        for status in &decision.without_run {
            self.queue(status, Request::UnlessRunning, commit.now);
        }
        Some(Commit::Committed)
    }

    /// The stored runs that a delivery started.
    pub(super) fn runs_of(&self, delivery: i64) -> Vec<RunId> {
        let of = |row: &&RunRow| row.delivery == Some(DeliveryId(delivery));
        self.runs.values().filter(of).map(|row| row.run.id).collect()
    }

    pub(super) fn delete_older(&mut self, before: Timestamp, limit: usize) -> usize {
        let newest = next(&self.deliveries) - 1;
        let is_old =
            |id: &i64, row: &Row| row.received_at < before && row.work.is_none() && *id < newest;
        let first = self.deliveries.iter().take(limit);
        let old: Vec<i64> = first.filter(|(id, row)| is_old(id, row)).map(|(id, _)| *id).collect();
        old.iter().for_each(|id| drop(self.deliveries.remove(id)));
        old.len()
            + self.delete_older_runs(before, limit)
            + self.delete_older_statuses(before, limit)
            + self.delete_older_entries(before, limit)
    }

    pub(super) fn record(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.entries_made += 1;
            self.audit.insert(self.entries_made, entry.clone());
        }
    }

    fn delete_older_entries(&mut self, before: Timestamp, limit: usize) -> usize {
        let old = self.audit.iter().filter(|(_, entry)| entry.at < before).take(limit);
        let old: Vec<i64> = old.map(|(id, _)| *id).collect();
        old.iter().for_each(|id| drop(self.audit.remove(id)));
        old.len()
    }

    pub(super) fn backlog(&self) -> Backlog {
        let count = |count: usize| u64::try_from(count).expect("it is small");
        let mut undecided = self.deliveries.values().filter(|row| row.work.is_some());
        let runs = || self.runs.values();
        let mut live: BTreeMap<(String, &str), (State, u64)> = BTreeMap::new();
        for Run { ci, state, .. } in runs().filter(|row| row.is_live()).map(|row| &row.run) {
            live.entry((ci.clone(), state.as_str())).or_insert((*state, 0)).1 += 1;
        }
        let live = live.into_iter().map(|((ci, _), (state, count))| LiveRuns { ci, state, count });
        Backlog {
            live_runs: live.collect(),
            oldest_planned: runs().find(|row| row.due_at.is_some()).map(|row| row.run.created_at),
            oldest_undecided: undecided.clone().next().map(|row| row.received_at),
            undecided: count(undecided.by_ref().count()),
            planned: count(runs().filter(|row| row.due_at.is_some()).count()),
            at_ci: count(runs().filter(|row| row.is_live() && row.due_at.is_none()).count()),
            unposted: count(self.slots.values().filter(|row| row.slot.due_at.is_some()).count()),
        }
    }

    /// Ends every lease of the process.
    pub(super) fn reopen(&mut self) {
        let process = self.process;
        for work in self.deliveries.values_mut().filter_map(|row| row.work.as_mut()) {
            if work.lease > 0 && work.holder == process {
                work.due_at = Timestamp::ZERO;
            }
        }
        for row in self.runs.values_mut().filter(|row| row.holder == process) {
            row.interrupt();
        }
        for row in self.slots.values_mut().filter(|row| row.holder == process) {
            if row.slot.due_at.is_some() {
                row.slot.leased_until = Timestamp::ZERO;
            }
        }
    }

    pub(super) fn pause(&mut self, pause: &CiPause) {
        let known = self.pauses.get(&pause.account);
        if known.is_none_or(|known| known.until < pause.until) {
            self.pauses.insert(pause.account.clone(), pause.clone());
        }
    }

    pub(super) fn pauses(&self, now: Timestamp) -> Vec<CiPause> {
        self.pauses.values().filter(|pause| pause.until > now).cloned().collect()
    }

    pub(super) fn find(&self, id: RunId) -> Option<&Run> {
        self.runs.values().map(|row| &row.run).find(|run| run.id == id)
    }
}
