//! Statuses in the model: per slot the newest of the newest run, one attempt at a time.

use azdo_gateway::domain::id::{RunId, StatusId};
use azdo_gateway::domain::status::{Status, Target};
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{Claim, Commit, Lease, Posted, Posting, PostingCommit};

use super::{Model, next};

/// A hook_scope at Azure DevOps.
pub(in super::super) struct Slot {
    number: i64,
    owner: i64,
    newest: i64,
    posted: Option<Posted>,
    iteration: Option<(Option<RunId>, i64)>,
    /// Iterations found for earlier statuses do not count any more.
    renewed: i64,
    pub(super) due_at: Option<Timestamp>,
    pub(super) leased_until: Timestamp,
    lease: i64,
    attempts: u32,
    doubtful: bool,
}

/// A status and what became of it.
pub(in super::super) struct StatusRow {
    slot: String,
    pub(in super::super) status: Status,
    pub(in super::super) queued_at: Timestamp,
    pub(in super::super) posted_at: Option<Timestamp>,
    pub(in super::super) outcome: &'static str,
}

/// What a claim hands out.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Claimed {
    pub(in super::super) slot: String,
    pub(in super::super) lease: Lease<i64>,
    pub(in super::super) status: i64,
    pub(in super::super) posted: Option<Posted>,
    pub(in super::super) iteration: Option<i64>,
    pub(in super::super) attempts: u32,
    pub(in super::super) doubtful: bool,
    pub(in super::super) queued_at: Timestamp,
}

impl Model {
    /// A status without an owner is shown now, and leaves the slot to whom it belongs.
    pub(in super::super) fn queue(
        &mut self,
        status: &Status,
        owner: Option<i64>,
        now: Timestamp,
    ) -> i64 {
        let (slot, id) = (status.slot(), next(&self.statuses));
        let row = |outcome| StatusRow {
            slot: slot.clone(),
            status: status.clone(),
            queued_at: now,
            posted_at: None,
            outcome,
        };
        let Some(known) = self.slots.get_mut(&slot) else {
            self.slots_made += 1;
            let new = Slot {
                number: self.slots_made,
                owner: owner.unwrap_or(0),
                newest: id,
                posted: None,
                iteration: None,
                renewed: 0,
                due_at: Some(now),
                leased_until: Timestamp::ZERO,
                lease: 0,
                attempts: 0,
                doubtful: false,
            };
            self.slots.insert(slot.clone(), new);
            self.statuses.insert(id, row("queued"));
            return id;
        };
        let owner = owner.unwrap_or(known.owner);
        if owner < known.owner {
            self.statuses.insert(id, row("superseded"));
            return id;
        }
        let newest = &self.statuses[&known.newest];
        let is_wanted = newest.status == *status && newest.outcome != "refused";
        // What comes from outside about a pull request is about the iteration of that moment.
        let may_move = status.run.is_none() && matches!(status.target, Target::PullRequest { .. });
        if owner == known.owner && is_wanted && !may_move {
            return known.newest;
        }
        self.take(status, owner, now)
    }

    /// What a check shows where it does not run gives way to a run that goes on in its hook_scope.
    pub(super) fn queue_unless_running(&mut self, status: &Status, now: Timestamp) {
        let slot = status.slot();
        let owner = self.slots.get(&slot).and_then(|slot| self.runs.get(&slot.owner));
        if owner.is_none_or(|row| row.run.state.is_final()) {
            self.queue(status, None, now);
            return;
        }
        let (id, status) = (next(&self.statuses), status.clone());
        let row =
            StatusRow { slot, status, queued_at: now, posted_at: None, outcome: "superseded" };
        self.statuses.insert(id, row);
    }

    pub(super) fn queue_again(&mut self, status: &Status, owner: i64, now: Timestamp) {
        match self.slots.get(&status.slot()).map(|slot| slot.owner) {
            None => drop(self.queue(status, Some(owner), now)),
            Some(of) if of == owner => {
                let id = self.take(status, owner, now);
                let slot = self.slots.get_mut(&status.slot()).expect("it was found");
                (slot.iteration, slot.renewed) = (None, id);
            }
            Some(_) => {}
        }
    }

    fn take(&mut self, status: &Status, owner: i64, now: Timestamp) -> i64 {
        let (slot, id) = (status.slot(), next(&self.statuses));
        let row = StatusRow {
            slot: slot.clone(),
            status: status.clone(),
            queued_at: now,
            posted_at: None,
            outcome: "queued",
        };
        let known = self.slots.get_mut(&slot).expect("it was found");
        (known.owner, known.newest, known.attempts) = (owner, id, 0);
        known.due_at = Some(known.due_at.map_or(now, |due_at| due_at.min(now)));
        let is_leased = known.leased_until > now;
        self.statuses.insert(id, row);
        if !is_leased {
            self.pass_over(&slot, id);
        }
        id
    }

    fn pass_over(&mut self, slot: &str, newest: i64) {
        for (_, row) in self.statuses.range_mut(..newest) {
            if row.slot == slot && row.outcome == "queued" {
                row.outcome = "superseded";
            }
        }
    }

    pub(in super::super) fn claim_slots(&mut self, claim: Claim) -> Vec<Claimed> {
        let mut due: Vec<(Timestamp, i64, String)> = self
            .slots
            .iter()
            .filter(|(_, slot)| slot.leased_until <= claim.now)
            .filter_map(|(key, slot)| Some((slot.due_at?, slot.number, key.clone())))
            .filter(|(due_at, ..)| *due_at <= claim.now)
            .collect();
        due.sort();
        let mut claimed = Vec::new();
        for (.., key) in due.into_iter().take(claim.limit) {
            let slot = self.slots.get_mut(&key).expect("it was found");
            let doubtful = std::mem::replace(&mut slot.doubtful, true);
            slot.lease += 1;
            slot.leased_until = claim.now.plus(claim.lease);
            let row = &self.statuses[&slot.newest];
            let of_run = slot.iteration.filter(|(run, _)| run.is_some() && *run == row.status.run);
            claimed.push(Claimed {
                slot: key.clone(),
                lease: Lease { id: slot.number, number: slot.lease },
                status: slot.newest,
                posted: slot.posted.clone(),
                iteration: of_run.map(|(_, iteration)| iteration),
                attempts: slot.attempts,
                doubtful,
                queued_at: row.queued_at,
            });
            let newest = slot.newest;
            self.pass_over(&key, newest);
        }
        claimed
    }

    /// All of them belong to one organization.
    pub(in super::super) fn hurry_slots(&mut self, now: Timestamp) -> usize {
        let waits = |slot: &&mut Slot| {
            slot.due_at.is_some_and(|due_at| due_at > now) && slot.leased_until <= now
        };
        let hurried = self.slots.values_mut().filter(waits);
        hurried.map(|slot| slot.due_at = Some(now)).count()
    }

    pub(in super::super) fn commit_posting(&mut self, commit: &PostingCommit) -> Commit {
        let PostingCommit { lease, status_id: StatusId(id), posting, now } = commit;
        let held = |slot: &&mut Slot| (slot.number, slot.lease) == (lease.id, lease.number);
        let slot = self.slots.values_mut().find(held);
        // What was passed over after the end of its lease may have been deleted since.
        let (Some(slot), Some(row)) = (slot, self.statuses.get_mut(id)) else {
            return Commit::LeaseLost;
        };
        let is_newest = slot.newest == *id;
        slot.leased_until = Timestamp::ZERO;
        if let Posting::Later { due_at, counts, doubtful, .. } = posting {
            slot.due_at = Some(if is_newest { *due_at } else { *now });
            slot.attempts += u32::from(*counts && is_newest);
            slot.doubtful = *doubtful;
            row.outcome = if is_newest { "queued" } else { "superseded" };
            return Commit::Committed;
        }
        slot.due_at = (!is_newest).then_some(*now);
        (slot.attempts, slot.doubtful) = (0, false);
        if let Posting::Posted { iteration } | Posting::Unchanged { iteration } = posting {
            let Status { state, description, url, run, .. } = row.status.clone();
            slot.posted = Some(Posted { state, description, url, iteration: *iteration });
            let counts = *id >= slot.renewed;
            slot.iteration = iteration.filter(|_| counts).map(|iteration| (run, iteration));
        }
        if let Posting::Refused(_) = posting {
            slot.posted = None;
        }
        row.outcome = match posting {
            Posting::Posted { .. } => "posted",
            Posting::Unchanged { .. } => "unchanged",
            _ => "refused",
        };
        row.posted_at = (row.outcome == "posted").then_some(*now);
        Commit::Committed
    }

    pub(super) fn delete_older_statuses(&mut self, before: Timestamp, limit: usize) -> usize {
        let newest = next(&self.statuses) - 1;
        let is_old = |id: &i64, row: &StatusRow| {
            row.queued_at < before && row.outcome != "queued" && *id < newest
        };
        let first = self.statuses.iter().take(limit);
        let old: Vec<i64> = first.filter(|(id, row)| is_old(id, row)).map(|(id, _)| *id).collect();
        for id in &old {
            let row = self.statuses.remove(id).expect("it was found");
            // A slot is forgotten with the last that was shown there.
            let slot = self.slots.get(&row.slot);
            if slot.is_some_and(|slot| slot.newest == *id && slot.due_at.is_none()) {
                self.slots.remove(&row.slot);
            }
        }
        old.len()
    }
}
