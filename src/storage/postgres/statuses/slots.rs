//! Slots and their statuses: load, ask `domain::slot`, store. Leases are given to slots, not to
//! statuses, so that two statuses of one context cannot overtake each other on their way.
//!
//! Whoever writes a slot or one of its statuses locks the slot first, and reads its status in a
//! later statement: a statement that has waited for a lock sees other rows as they were before.

mod queue;

use std::collections::HashMap;

use futures_util::future::{try_join, try_join3};
use tokio_postgres::Row;

use crate::domain::id::StatusId;
use crate::domain::slot::{Ended, FoundIteration, SUPERSEDED_REASON, Slot};
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{
    count, from_json, get, json, limit, run_id, time, time_maybe, to_json,
};
use crate::storage::{Claim, Commit, Lease, LeasedSlot, PostingCommit};

pub(in crate::storage::postgres) use queue::{NewStatus, queue_all};

/// The columns that `slot_row` reads.
const SLOT: &str = "slot.id, owner, newest, due_at, leased_until, attempts, doubtful, posted,
    iteration, iteration_of, renewed, lease";

/// A slot with its id and the number of its last lease.
struct Stored {
    id: i64,
    lease: i64,
    slot: Slot,
}

fn slot_row(row: &Row) -> Result<Stored, Failure> {
    let posted: Option<&str> = get(row, 7)?;
    let (iteration, run) = (get::<Option<i64>>(row, 8)?, run_id(row, 9)?);
    let slot = Slot {
        owner: get(row, 1)?,
        newest: StatusId(get(row, 2)?),
        due_at: time_maybe(row, 3)?,
        leased_until: time(row, 4)?,
        attempts: count(row, 5)?,
        is_doubtful: get(row, 6)?,
        posted: posted.map(from_json).transpose()?,
        iteration: run.zip(iteration).map(|(run, number)| FoundIteration { run, number }),
        renewed: StatusId(get(row, 10)?),
    };
    Ok(Stored { id: get(row, 0)?, lease: get(row, 11)?, slot })
}

/// The statuses to show in the slots whose keys begin with `prefix`.
pub(super) async fn of_target(db: &Db, prefix: &str) -> Result<Vec<Status>, Failure> {
    // No text is greater than one that ends in the last character.
    let sql = "SELECT status.body FROM slot JOIN status ON status.id = slot.newest
        WHERE slot.key >= $1 AND slot.key < $1 || chr(1114111) ORDER BY slot.key";
    let rows = db.rows(sql, params![text(prefix)]).await?;
    rows.iter().map(|row| json(row, 0)).collect()
}

/// Ends the statuses of slots that wait and are older than one: each pair is a slot and that one.
async fn supersede_before(db: &Db, newer: &[(i64, StatusId)]) -> Result<(), Failure> {
    if newer.is_empty() {
        return Ok(());
    }
    let (slots, statuses): (Vec<i64>, Vec<i64>) =
        newer.iter().map(|(slot, status)| (*slot, status.0)).unzip();
    let sql = "UPDATE status SET outcome = 'superseded', reason = $3
        FROM unnest($1, $2) AS newer (slot, id)
        WHERE status.slot = ANY($1) AND status.slot = newer.slot AND status.outcome = 'queued'
            AND status.id < newer.id";
    db.execute(sql, params![slots, statuses, text(SUPERSEDED_REASON)]).await?;
    Ok(())
}

/// A slot that another transaction has locked is left to the next claim.
pub(super) async fn claim(db: &Db, claim: Claim, holder: &str) -> Result<Vec<LeasedSlot>, Failure> {
    let sql = format!(
        "SELECT {SLOT} FROM slot WHERE due_at <= $1 AND leased_until <= $1
         ORDER BY due_at, newest LIMIT $2 FOR UPDATE SKIP LOCKED"
    );
    let rows = db.rows(&sql, params![claim.now.micros(), limit(claim.limit)]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let due: Vec<Stored> = rows.iter().map(slot_row).collect::<Result<_, _>>()?;
    let newest: Vec<(i64, StatusId)> = due.iter().map(|one| (one.id, one.slot.newest)).collect();
    let until = claim.now.plus(claim.lease);
    let (mut statuses, (), ()) = try_join3(
        statuses(db, &newest),
        store_leased(db, &due, until, holder),
        supersede_before(db, &newest),
    )
    .await?;
    let leased = due.into_iter().filter_map(|Stored { id, lease, slot }| {
        // There is always one: retention deletes none that a slot is to show.
        let (status, queued_at) = statuses.remove(&slot.newest)?;
        Some(LeasedSlot {
            lease: Lease { id, number: lease + 1 },
            status_id: slot.newest,
            iteration: slot.iteration_of(status.run),
            status,
            posted: slot.posted,
            attempts: slot.attempts,
            doubtful: slot.is_doubtful,
            queued_at,
        })
    });
    Ok(leased.collect())
}

/// The newest statuses of slots, and when they were queued.
async fn statuses(
    db: &Db,
    newest: &[(i64, StatusId)],
) -> Result<HashMap<StatusId, (Status, Timestamp)>, Failure> {
    let ids: Vec<i64> = newest.iter().map(|(_, status)| status.0).collect();
    let sql = "SELECT id, body, queued_at FROM status WHERE id = ANY($1)";
    let rows = db.rows(sql, params![ids]).await?;
    rows.iter().map(|row| Ok((StatusId(get(row, 0)?), (json(row, 1)?, time(row, 2)?)))).collect()
}

/// Stores what `Slot::lease` changes, and the new leases.
async fn store_leased(
    db: &Db,
    due: &[Stored],
    until: Timestamp,
    holder: &str,
) -> Result<(), Failure> {
    let leased = due.iter().map(|Stored { slot, .. }| {
        let mut slot = slot.clone();
        slot.lease(until);
        (slot.leased_until.micros(), slot.is_doubtful)
    });
    let (until, doubtful): (Vec<i64>, Vec<bool>) = leased.unzip();
    let (ids, leases): (Vec<i64>, Vec<i64>) = due.iter().map(|one| (one.id, one.lease + 1)).unzip();
    let sql = "UPDATE slot SET lease = leased.lease, leased_until = leased.until,
            doubtful = leased.doubtful, holder = $5
        FROM unnest($1, $2, $3, $4) AS leased (id, lease, until, doubtful)
        WHERE slot.id = ANY($1) AND slot.id = leased.id";
    db.execute(sql, params![ids, leases, until, doubtful, text(holder)]).await?;
    Ok(())
}

/// Makes the slots of an organization that wait due now.
pub(super) async fn make_due(
    db: &Db,
    organization: &str,
    now: Timestamp,
) -> Result<usize, Failure> {
    let sql = "WITH waiting AS (
            SELECT id FROM slot WHERE due_at > $2 AND leased_until <= $2
            AND lower(organization) = lower($1) ORDER BY key FOR UPDATE)
        UPDATE slot SET due_at = $2 FROM waiting WHERE slot.id = waiting.id";
    let due = db.execute(sql, params![text(organization), now.micros()]).await?;
    Ok(usize::try_from(due).unwrap_or(usize::MAX))
}

pub(super) async fn commit(db: &Db, commit: &PostingCommit) -> Result<Commit, Failure> {
    let PostingCommit { lease, status_id, posting, now } = commit;
    let of_slot = format!("SELECT {SLOT} FROM slot WHERE id = $1 AND lease = $2 FOR UPDATE");
    let of_status = "SELECT body FROM status WHERE id = $1";
    // Retention may have deleted a status that was superseded after the lease had ended.
    let (Some(slot), Some(status)) = try_join(
        db.row(&of_slot, params![lease.id, lease.number]),
        db.row(of_status, params![status_id.0]),
    )
    .await?
    else {
        if posting.may_be_posted() {
            doubt(db, lease.id, *now).await?;
        }
        return Ok(Commit::LeaseLost);
    };
    let (Stored { mut slot, .. }, status) = (slot_row(&slot)?, json(&status, 0)?);
    let ended = slot.finish(*status_id, &status, posting, *now);
    try_join(store_finished(db, lease.id, &slot), store_ended(db, *status_id, &ended)).await?;
    Ok(Commit::Committed)
}

async fn doubt(db: &Db, slot_id: i64, now: Timestamp) -> Result<(), Failure> {
    let of_slot = format!("SELECT {SLOT} FROM slot WHERE id = $1 FOR UPDATE");
    let Some(row) = db.row(&of_slot, params![slot_id]).await? else { return Ok(()) };
    let Stored { mut slot, lease, .. } = slot_row(&row)?;
    slot.doubt(now);
    store_finished(db, slot_id, &slot).await?;
    db.execute("UPDATE slot SET lease = $2 WHERE id = $1", params![slot_id, lease + 1]).await?;
    Ok(())
}

/// Stores what `Slot::finish` and `Slot::doubt` change.
async fn store_finished(db: &Db, slot_id: i64, slot: &Slot) -> Result<(), Failure> {
    let posted = slot.posted.as_ref().map(to_json).transpose()?;
    let iteration_of = slot.iteration.as_ref().map(|found| found.run.0.as_bytes().as_slice());
    let sql = "UPDATE slot SET leased_until = $2, due_at = $3, attempts = $4, doubtful = $5,
            posted = $6, iteration = $7, iteration_of = $8 WHERE id = $1";
    db.execute(
        sql,
        params![
            slot_id,
            slot.leased_until.micros(),
            slot.due_at.map(Timestamp::micros),
            i64::from(slot.attempts),
            slot.is_doubtful,
            posted.as_deref().map(text),
            slot.iteration.map(|found| found.number),
            iteration_of,
        ],
    )
    .await?;
    Ok(())
}

async fn store_ended(db: &Db, id: StatusId, ended: &Ended) -> Result<(), Failure> {
    let Ended { outcome, reason, posted_at } = ended;
    let sql = "UPDATE status SET outcome = $2, reason = $3, posted_at = $4 WHERE id = $1";
    let posted_at = posted_at.map(Timestamp::micros);
    db.execute(sql, params![id.0, text(outcome.as_str()), text(reason), posted_at]).await?;
    Ok(())
}
