//! Statuses in the model: stored as `domain::slot` decides.

use azdo_gateway::domain::id::StatusId;
use azdo_gateway::domain::slot::{self, Current, Posted, Queued, Request, Slot, StatusOutcome};
use azdo_gateway::domain::status::Status;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::storage::{Claim, Commit, Lease, PostingCommit};

use super::{Model, next};

/// A slot and its lease.
pub(in super::super) struct SlotRow {
    number: i64,
    pub(super) slot: Slot,
    lease: i64,
    /// The process that leased it last.
    pub(super) holder: usize,
}

/// A status and its outcome.
pub(in super::super) struct StatusRow {
    slot: String,
    pub(in super::super) status: Status,
    pub(in super::super) queued_at: Timestamp,
    pub(in super::super) posted_at: Option<Timestamp>,
    pub(in super::super) outcome: StatusOutcome,
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
    pub(in super::super) fn queue(
        &mut self,
        status: &Status,
        request: Request,
        now: Timestamp,
    ) -> i64 {
        let key = status.slot();
        let known = self.slots.get(&key).map(|row| &row.slot);
        let newest = known.and_then(|slot| self.statuses.get(&slot.newest.0));
        let newest = newest.filter(|newest| newest.outcome != StatusOutcome::Refused);
        let current = known.map(|slot| Current {
            owner: slot.owner,
            is_owner_live: self.runs.get(&slot.owner).is_some_and(|row| row.is_live()),
            newest: newest.map(|newest| &newest.status),
            waits: slot.waits(),
        });
        match slot::queue(current, status, request) {
            Queued::Show { owner, is_again } => {
                let id = self.insert_status(status, StatusOutcome::Queued, now);
                let Some(row) = self.slots.get_mut(&key) else {
                    self.slots_made += 1;
                    let slot = Slot::new(owner, StatusId(id), now);
                    let row = SlotRow { number: self.slots_made, slot, lease: 0, holder: 0 };
                    self.slots.insert(key, row);
                    return id;
                };
                if row.slot.show(StatusId(id), owner, is_again, now) {
                    self.supersede_before(&key, id);
                }
                id
            }
            Queued::Replace => {
                let newest = known.map_or(0, |slot| slot.newest.0);
                let row = self.statuses.get_mut(&newest).expect("it waits");
                row.status = status.clone();
                newest
            }
            Queued::Superseded(_) => self.insert_status(status, StatusOutcome::Superseded, now),
            Queued::Nothing => known.map_or(0, |slot| slot.newest.0),
        }
    }

    fn insert_status(&mut self, status: &Status, outcome: StatusOutcome, now: Timestamp) -> i64 {
        let (id, slot, status) = (next(&self.statuses), status.slot(), status.clone());
        let row = StatusRow { slot, status, queued_at: now, posted_at: None, outcome };
        self.statuses.insert(id, row);
        id
    }

    fn supersede_before(&mut self, slot: &str, newest: i64) {
        for (_, row) in self.statuses.range_mut(..newest) {
            if row.slot == slot && row.outcome == StatusOutcome::Queued {
                row.outcome = StatusOutcome::Superseded;
            }
        }
    }

    pub(in super::super) fn claim_slots(&mut self, claim: Claim) -> Vec<Claimed> {
        let due = |(key, row): (&String, &SlotRow)| {
            let due_at = row.slot.due_at.filter(|due_at| *due_at <= claim.now)?;
            (row.slot.leased_until <= claim.now).then(|| (due_at, row.slot.newest, key.clone()))
        };
        let mut due: Vec<_> = self.slots.iter().filter_map(due).collect();
        due.sort();
        let mut claimed = Vec::new();
        for (.., key) in due.into_iter().take(claim.limit) {
            let row = self.slots.get_mut(&key).expect("it was found");
            let doubtful = row.slot.is_doubtful;
            row.slot.lease(claim.now.plus(claim.lease));
            row.lease += 1;
            row.holder = self.process;
            let newest = row.slot.newest.0;
            let status = &self.statuses[&newest];
            claimed.push(Claimed {
                slot: key.clone(),
                lease: Lease { id: row.number, number: row.lease },
                status: newest,
                posted: row.slot.posted.clone(),
                iteration: row.slot.iteration_of(status.status.run),
                attempts: row.slot.attempts,
                doubtful,
                queued_at: status.queued_at,
            });
            self.supersede_before(&key, newest);
        }
        claimed
    }

    /// All slots of the model belong to one organization.
    pub(in super::super) fn make_slots_due(&mut self, now: Timestamp) -> usize {
        let waits = |slot: &&mut Slot| {
            slot.due_at.is_some_and(|due_at| due_at > now) && slot.leased_until <= now
        };
        let waiting = self.slots.values_mut().map(|row| &mut row.slot).filter(waits);
        waiting.map(|slot| slot.due_at = Some(now)).count()
    }

    pub(in super::super) fn commit_posting(&mut self, commit: &PostingCommit) -> Commit {
        let PostingCommit { lease, status_id, posting, now } = commit;
        let Some(slot) = self.slots.values_mut().find(|row| row.number == lease.id) else {
            return Commit::LeaseLost;
        };
        // Retention may have deleted a status that was superseded after the lease had ended.
        let row = self.statuses.get_mut(&status_id.0).filter(|_| slot.lease == lease.number);
        let Some(row) = row else {
            if posting.may_be_posted() {
                slot.slot.doubt(*now);
                slot.lease += 1;
            }
            return Commit::LeaseLost;
        };
        let ended = slot.slot.finish(*status_id, &row.status, posting, *now);
        (row.outcome, row.posted_at) = (ended.outcome, ended.posted_at);
        Commit::Committed
    }

    pub(super) fn delete_older_statuses(&mut self, before: Timestamp, limit: usize) -> usize {
        let newest = next(&self.statuses) - 1;
        let is_old = |id: &i64, row: &StatusRow| {
            row.queued_at < before && row.outcome != StatusOutcome::Queued && *id < newest
        };
        let first = self.statuses.iter().take(limit);
        let old: Vec<i64> = first.filter(|(id, row)| is_old(id, row)).map(|(id, _)| *id).collect();
        for id in &old {
            let row = self.statuses.remove(id).expect("it was found");
            // A slot is deleted with the last status that it showed.
            let slot = self.slots.get(&row.slot).map(|row| &row.slot);
            if slot.is_some_and(|slot| slot.newest.0 == *id && slot.due_at.is_none()) {
                self.slots.remove(&row.slot);
            }
        }
        old.len()
    }
}
