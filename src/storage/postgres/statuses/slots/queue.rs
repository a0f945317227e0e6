//! Queues statuses: locks their slots, asks `domain::slot::queue` about one after the other, and
//! writes all together.
//!
//! Slots that are missing are inserted first, in the order of their keys, and then all are locked
//! in that order. So transactions that queue statuses of the same slots wait for each other, and
//! never in a circle, and each finds a row to lock. A transaction does this once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use futures_util::future::{try_join4, try_join5};
use tokio_postgres::Row;

use super::{SLOT, Stored, slot_row, supersede_before};
use crate::domain::id::StatusId;
use crate::domain::slot::{self, Current, Queued, Request, Slot, StatusOutcome};
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, to_json};

/// How often slots are inserted and locked, when retention deletes some in between.
const ATTEMPTS_MAX: usize = 5;

/// A status to be queued.
#[derive(Clone, Debug)]
pub(in crate::storage::postgres) struct NewStatus<'a> {
    pub(in crate::storage::postgres) status: Cow<'a, Status>,
    pub(in crate::storage::postgres) request: Request,
    pub(in crate::storage::postgres) now: Timestamp,
}

/// Queues statuses in their order, as `domain::slot::queue` decides. For each the id of the status
/// that the slot is to show, or of the one that was stored as superseded.
pub(in crate::storage::postgres) async fn queue_all(
    db: &Db,
    new: &[NewStatus<'_>],
) -> Result<Vec<StatusId>, Failure> {
    let keys: Vec<String> = new.iter().map(|one| text(&one.status.slot()).into_owned()).collect();
    let mut slots = BTreeMap::new();
    for (key, one) in keys.iter().zip(new) {
        slots.insert(key.as_str(), &*one.status.organization);
    }
    if slots.is_empty() {
        return Ok(Vec::new());
    }
    let mut locked = lock(db, &slots, new).await?;
    let mut changes = Changes::default();
    let mut queued = Vec::with_capacity(new.len());
    for (key, one) in keys.iter().zip(new) {
        queued.push(locked.queue(key, one, &mut changes)?);
    }
    changes.store(db, &locked).await?;
    Ok(queued)
}

/// The slots of the new statuses, which are locked, by their keys.
struct Locked<'a> {
    slots: BTreeMap<String, Held<'a>>,
    /// Ids for new statuses. They were taken while the slots were locked, so those of one slot
    /// grow in the order of the transactions.
    ids: std::vec::IntoIter<StatusId>,
    /// The runs that own the slots or may own them, as far as they have not ended.
    live: HashSet<i64>,
}

struct Held<'a> {
    id: i64,
    slot: Slot,
    /// The status to show, unless Azure DevOps refused it or retention deleted it.
    newest: Option<Cow<'a, Status>>,
    is_changed: bool,
    /// Older statuses that wait are superseded.
    superseded_before: Option<StatusId>,
}

/// Inserts the slots that are missing, and locks all. `slots` are keys and organizations.
async fn lock<'a>(
    db: &Db,
    slots: &BTreeMap<&str, &str>,
    new: &[NewStatus<'_>],
) -> Result<Locked<'a>, Failure> {
    let keys: Vec<Cow<'_, str>> = slots.keys().map(|key| text(key)).collect();
    let organizations: Vec<Cow<'_, str>> = slots.values().map(|name| text(name)).collect();
    // A slot has no status yet while `newest` is 0.
    let insert = "INSERT INTO slot (key, organization, owner, newest)
        SELECT key, organization, 0, 0 FROM unnest($1, $2) AS missing (key, organization)
        ORDER BY key COLLATE \"C\" ON CONFLICT (key) DO NOTHING";
    let lock = "SELECT 1 FROM slot WHERE key = ANY($1) ORDER BY key FOR UPDATE";
    let load = format!(
        "SELECT {SLOT}, key, status.body, status.outcome FROM slot
         LEFT JOIN status ON status.id = slot.newest WHERE slot.key = ANY($1)"
    );
    let take = "SELECT nextval('status_id_seq') FROM generate_series(1, $1)";
    let count = i64::try_from(new.len()).unwrap_or(i64::MAX);
    for _ in 0..ATTEMPTS_MAX {
        let (_, locked, rows, ids, live) = try_join5(
            db.execute(insert, params![keys, organizations]),
            db.execute(lock, params![keys]),
            db.rows(&load, params![keys]),
            db.rows(take, params![count]),
            live(db, slots, new),
        )
        .await?;
        // Retention may have deleted a slot that was there, and another transaction inserted it.
        if usize::try_from(locked) == Ok(keys.len()) && rows.len() == keys.len() {
            let ids: Vec<StatusId> =
                ids.iter().map(|row| get(row, 0).map(StatusId)).collect::<Result<_, _>>()?;
            let slots = rows.iter().map(held).collect::<Result<_, _>>()?;
            return Ok(Locked { slots, ids: ids.into_iter(), live });
        }
    }
    Err(Failure::Value("slots disappear as fast as they are inserted".into()))
}

/// Which of the runs that own these slots, or want to, have not ended. Nothing is read where no
/// new status depends on it.
async fn live(
    db: &Db,
    slots: &BTreeMap<&str, &str>,
    new: &[NewStatus<'_>],
) -> Result<HashSet<i64>, Failure> {
    if !new.iter().any(|one| one.request == Request::UnlessRunning) {
        return Ok(HashSet::new());
    }
    let wanting = new.iter().filter_map(|one| match one.request {
        Request::OfRun(number) | Request::OfRunAgain(number) => Some(number),
        Request::WithoutRun | Request::UnlessRunning => None,
    });
    let wanting: Vec<i64> = wanting.collect();
    let keys: Vec<Cow<'_, str>> = slots.keys().map(|key| text(key)).collect();
    let sql = "SELECT number FROM run WHERE overdue_at IS NOT NULL
        AND number = ANY($2 || ARRAY(SELECT owner FROM slot WHERE key = ANY($1)))";
    let rows = db.rows(sql, params![keys, wanting]).await?;
    rows.iter().map(|row| get(row, 0)).collect()
}

fn held<'a>(row: &Row) -> Result<(String, Held<'a>), Failure> {
    let Stored { id, slot, .. } = slot_row(row)?;
    let outcome: Option<&str> = get(row, 14)?;
    let newest = match outcome {
        Some(outcome) if outcome != StatusOutcome::Refused.as_str() => {
            Some(Cow::Owned(json(row, 13)?))
        }
        _ => None,
    };
    let held = Held { id, slot, newest, is_changed: false, superseded_before: None };
    Ok((get(row, 12)?, held))
}

impl<'a> Locked<'a> {
    fn queue(
        &mut self,
        key: &str,
        NewStatus { status, request, now }: &'a NewStatus<'_>,
        changes: &mut Changes<'a>,
    ) -> Result<StatusId, Failure> {
        let (Some(held), Some(id)) = (self.slots.get_mut(key), self.ids.next()) else {
            return Err(Failure::Value(format!("the slot {key} is not locked")));
        };
        let is_new = held.slot.newest == StatusId(0);
        let current = Current {
            owner: held.slot.owner,
            is_owner_live: self.live.contains(&held.slot.owner),
            newest: held.newest.as_deref(),
            waits: held.slot.waits(),
        };
        let status: &'a Status = status;
        let slot = held.id;
        let insert = |outcome, reason| Insert { id, slot, status, now: *now, outcome, reason };
        match slot::queue((!is_new).then_some(current), status, *request) {
            Queued::Show { owner, is_again } => {
                if is_new {
                    held.slot = Slot::new(owner, id, *now);
                } else if held.slot.show(id, owner, is_again, *now) {
                    held.superseded_before = Some(id);
                    changes.supersede(slot);
                }
                (held.newest, held.is_changed) = (Some(Cow::Borrowed(status)), true);
                changes.inserts.push(insert(StatusOutcome::Queued, ""));
                Ok(id)
            }
            Queued::Replace => {
                held.newest = Some(Cow::Borrowed(status));
                changes.replace(held.slot.newest, status);
                Ok(held.slot.newest)
            }
            Queued::Superseded(reason) => {
                changes.inserts.push(insert(StatusOutcome::Superseded, reason));
                Ok(id)
            }
            Queued::Nothing => Ok(held.slot.newest),
        }
    }
}

/// A status to be inserted.
struct Insert<'a> {
    id: StatusId,
    slot: i64,
    status: &'a Status,
    now: Timestamp,
    outcome: StatusOutcome,
    reason: &'static str,
}

/// What is to be written, besides the slots themselves.
#[derive(Default)]
struct Changes<'a> {
    inserts: Vec<Insert<'a>>,
    /// Stored statuses that others replace.
    replaced: BTreeMap<StatusId, &'a Status>,
}

impl<'a> Changes<'a> {
    /// Ends the statuses of a slot that wait and are not stored yet.
    fn supersede(&mut self, slot: i64) {
        let waits =
            |one: &&mut Insert<'_>| one.slot == slot && one.outcome == StatusOutcome::Queued;
        for older in self.inserts.iter_mut().filter(waits) {
            (older.outcome, older.reason) = (StatusOutcome::Superseded, slot::SUPERSEDED_REASON);
        }
    }

    fn replace(&mut self, id: StatusId, status: &'a Status) {
        match self.inserts.iter_mut().find(|one| one.id == id) {
            Some(one) => one.status = status,
            None => drop(self.replaced.insert(id, status)),
        }
    }

    async fn store(&self, db: &Db, locked: &Locked<'_>) -> Result<(), Failure> {
        let slots = || locked.slots.values();
        let superseded = slots().filter_map(|held| Some((held.id, held.superseded_before?)));
        let superseded: Vec<(i64, StatusId)> = superseded.collect();
        let changed: Vec<&Held<'_>> = slots().filter(|held| held.is_changed).collect();
        try_join4(
            self.store_inserts(db),
            self.store_replaced(db),
            store_shown(db, &changed),
            supersede_before(db, &superseded),
        )
        .await?;
        Ok(())
    }

    async fn store_inserts(&self, db: &Db) -> Result<(), Failure> {
        if self.inserts.is_empty() {
            return Ok(());
        }
        let each = || self.inserts.iter();
        let ids: Vec<i64> = each().map(|one| one.id.0).collect();
        let slots: Vec<i64> = each().map(|one| one.slot).collect();
        let run = |one: &Insert<'_>| one.status.run.map(|run| run.0.as_bytes().to_vec());
        let runs: Vec<Option<Vec<u8>>> = each().map(run).collect();
        let organizations: Vec<_> = each().map(|one| text(&one.status.organization)).collect();
        let bodies = each().map(|one| Ok(Cow::Owned(to_json(one.status)?)));
        let bodies: Vec<Cow<'_, str>> = bodies.collect::<Result<_, Failure>>()?;
        let queued_at: Vec<i64> = each().map(|one| one.now.micros()).collect();
        let outcomes: Vec<_> = each().map(|one| text(one.outcome.as_str())).collect();
        let reasons: Vec<_> = each().map(|one| text(one.reason)).collect();
        let sql = "INSERT INTO status (id, slot, run, organization, body, queued_at, outcome,
                reason)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)";
        db.execute(
            sql,
            params![ids, slots, runs, organizations, bodies, queued_at, outcomes, reasons],
        )
        .await?;
        Ok(())
    }

    async fn store_replaced(&self, db: &Db) -> Result<(), Failure> {
        if self.replaced.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = self.replaced.keys().map(|id| id.0).collect();
        let bodies = self.replaced.values().map(|status| Ok(Cow::Owned(to_json(status)?)));
        let bodies: Vec<Cow<'_, str>> = bodies.collect::<Result<_, Failure>>()?;
        let sql = "UPDATE status SET body = newer.body FROM unnest($1, $2) AS newer (id, body)
            WHERE status.id = ANY($1) AND status.id = newer.id";
        db.execute(sql, params![ids, bodies]).await?;
        Ok(())
    }
}

/// Stores what `Slot::show` changes.
async fn store_shown(db: &Db, changed: &[&Held<'_>]) -> Result<(), Failure> {
    if changed.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = changed.iter().map(|held| held.id).collect();
    let slots = || changed.iter().map(|held| &held.slot);
    let owners: Vec<i64> = slots().map(|slot| slot.owner).collect();
    let newest: Vec<i64> = slots().map(|slot| slot.newest.0).collect();
    let due_at: Vec<Option<i64>> = slots().map(|slot| slot.due_at.map(Timestamp::micros)).collect();
    let attempts: Vec<i64> = slots().map(|slot| slot.attempts.into()).collect();
    let iterations: Vec<Option<i64>> =
        slots().map(|slot| slot.iteration.map(|found| found.number)).collect();
    let renewed: Vec<i64> = slots().map(|slot| slot.renewed.0).collect();
    let sql = "UPDATE slot SET owner = shown.owner, newest = shown.newest, due_at = shown.due_at,
            attempts = shown.attempts, iteration = shown.iteration, renewed = shown.renewed
        FROM unnest($1, $2, $3, $4, $5, $6, $7) AS shown (id, owner, newest, due_at, attempts,
            iteration, renewed)
        WHERE slot.id = ANY($1) AND slot.id = shown.id";
    db.execute(sql, params![ids, owners, newest, due_at, attempts, iterations, renewed]).await?;
    Ok(())
}
