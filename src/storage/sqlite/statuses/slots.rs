//! Slots and their statuses: load, ask `domain::slot`, store. Leases are given to slots, not to
//! statuses, so that two statuses of one context cannot overtake each other on their way.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::domain::id::{RunId, StatusId};
use crate::domain::slot::{
    self, Current, Ended, FoundIteration, Queued, Request, SUPERSEDED_REASON, Slot, StatusOutcome,
};
use crate::domain::status::Status;
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{from_json, limit, time, time_maybe, to_json};
use crate::storage::{Claim, Commit, Lease, LeasedSlot, PostingCommit};

/// The columns that `slot_row` reads, followed by the status that is joined.
const SLOT: &str = "slot.id, owner, newest, due_at, leased_until, attempts, doubtful, posted,
    iteration, iteration_of, renewed, status.body, status.outcome, status.queued_at";

/// A slot, its id, and the status that was joined to it; retention may have deleted that status.
struct Loaded {
    id: i64,
    slot: Slot,
    status: Option<LoadedStatus>,
}

struct LoadedStatus {
    status: Status,
    is_refused: bool,
    queued_at: Timestamp,
}

fn slot_row(row: &Row<'_>) -> rusqlite::Result<Loaded> {
    let (posted, body): (Option<String>, Option<String>) = (row.get(7)?, row.get(11)?);
    let (iteration, run): (Option<i64>, Option<[u8; 16]>) = (row.get(8)?, row.get(9)?);
    let found = |(run, number)| FoundIteration { run: RunId(Uuid::from_bytes(run)), number };
    let status = |body: String| {
        Ok::<_, rusqlite::Error>(LoadedStatus {
            status: from_json(11, &body)?,
            is_refused: row.get::<_, String>(12)? == StatusOutcome::Refused.as_str(),
            queued_at: time(row, 13)?,
        })
    };
    Ok(Loaded {
        id: row.get(0)?,
        slot: Slot {
            owner: row.get(1)?,
            newest: StatusId(row.get(2)?),
            due_at: time_maybe(row, 3)?,
            leased_until: time(row, 4)?,
            attempts: row.get(5)?,
            is_doubtful: row.get(6)?,
            posted: posted.map(|posted| from_json(7, &posted)).transpose()?,
            iteration: run.zip(iteration).map(found),
            renewed: StatusId(row.get(10)?),
        },
        status: body.map(status).transpose()?,
    })
}

/// Queues a status as `domain::slot::queue` decides. The id of the status that the slot is to show,
/// or of the one that was stored as superseded.
pub(in crate::storage::sqlite) fn queue(
    db: &Connection,
    status: &Status,
    request: Request,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    let key = status.slot();
    let loaded = db
        .prepare_cached(&format!(
            "SELECT {SLOT} FROM slot LEFT JOIN status ON status.id = slot.newest
             WHERE slot.key = ?1"
        ))?
        .query_row([&key], slot_row)
        .optional()?;
    let current = match &loaded {
        Some(Loaded { slot, status, .. }) => Some(Current {
            owner: slot.owner,
            is_owner_live: request == Request::UnlessRunning && is_live(db, slot.owner)?,
            newest: status.as_ref().filter(|newest| !newest.is_refused).map(|one| &one.status),
            waits: slot.waits(),
        }),
        None => None,
    };
    match (slot::queue(current, status, request), loaded) {
        (Queued::Show { owner, .. }, None) => create(db, &key, owner, status, now),
        (Queued::Show { owner, is_again }, Some(Loaded { id: slot_id, mut slot, .. })) => {
            let id = insert(db, slot_id, status, None, now)?;
            let supersedes = slot.show(id, owner, is_again, now);
            store_shown(db, slot_id, &slot)?;
            if supersedes {
                supersede_before(db, slot_id, id)?;
            }
            Ok(id)
        }
        (Queued::Replace, Some(Loaded { slot, .. })) => {
            db.prepare_cached("UPDATE status SET body = ?2 WHERE id = ?1")?
                .execute(params![slot.newest.0, to_json(status)?])?;
            Ok(slot.newest)
        }
        (Queued::Superseded(reason), Some(loaded)) => {
            insert(db, loaded.id, status, Some(reason), now)
        }
        (_, loaded) => Ok(loaded.map_or(StatusId(0), |loaded| loaded.slot.newest)),
    }
}

/// The statuses to show in the slots whose keys begin with `prefix`.
pub(super) fn of_target(db: &Connection, prefix: &str) -> rusqlite::Result<Vec<Status>> {
    // No text is greater than one that ends in the last character.
    db.prepare_cached(
        "SELECT status.body FROM slot JOIN status ON status.id = slot.newest
         WHERE slot.key >= ?1 AND slot.key < ?1 || char(1114111) ORDER BY slot.key",
    )?
    .query_map([prefix], |row| from_json(0, &row.get::<_, String>(0)?))?
    .collect()
}

/// Whether a run has not ended.
fn is_live(db: &Connection, number: i64) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM run WHERE number = ?1 AND overdue_at IS NOT NULL")?
        .exists([number])
}

fn create(
    db: &Connection,
    key: &str,
    owner: i64,
    status: &Status,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    // A slot and its first status name each other; the defaults of the columns are those of a new
    // slot.
    let slot = Slot::new(owner, StatusId(0), now);
    db.prepare_cached(
        "INSERT INTO slot (key, organization, owner, newest, due_at) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        key,
        status.organization,
        slot.owner,
        slot.newest.0,
        slot.due_at.map(Timestamp::micros)
    ])?;
    let slot_id = db.last_insert_rowid();
    let id = insert(db, slot_id, status, None, now)?;
    db.prepare_cached("UPDATE slot SET newest = ?2 WHERE id = ?1")?.execute([slot_id, id.0])?;
    Ok(id)
}

fn insert(
    db: &Connection,
    slot_id: i64,
    status: &Status,
    superseded: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    let outcome =
        if superseded.is_some() { StatusOutcome::Superseded } else { StatusOutcome::Queued };
    db.prepare_cached(
        "INSERT INTO status (slot, run, organization, body, queued_at, outcome, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        slot_id,
        status.run.as_ref().map(|run| run.0.as_bytes()),
        status.organization,
        to_json(status)?,
        now.micros(),
        outcome.as_str(),
        superseded.unwrap_or(""),
    ])?;
    Ok(StatusId(db.last_insert_rowid()))
}

/// Stores what `Slot::show` changes.
fn store_shown(db: &Connection, slot_id: i64, slot: &Slot) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE slot SET owner = ?2, newest = ?3, due_at = ?4, attempts = ?5, iteration = ?6,
            renewed = ?7 WHERE id = ?1",
    )?
    .execute(params![
        slot_id,
        slot.owner,
        slot.newest.0,
        slot.due_at.map(Timestamp::micros),
        slot.attempts,
        slot.iteration.map(|found| found.number),
        slot.renewed.0,
    ])?;
    Ok(())
}

/// Ends the statuses of a slot that wait and are older than `newest`.
fn supersede_before(db: &Connection, slot_id: i64, newest: StatusId) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE status SET outcome = 'superseded', reason = ?3
         WHERE slot = ?1 AND outcome = 'queued' AND id < ?2",
    )?
    .execute(params![slot_id, newest.0, SUPERSEDED_REASON])?;
    Ok(())
}

pub(super) fn claim(db: &Connection, claim: Claim) -> rusqlite::Result<Vec<LeasedSlot>> {
    let due: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM slot WHERE due_at <= ?1 AND leased_until <= ?1
             ORDER BY due_at, newest LIMIT ?2",
        )?
        .query_map(params![claim.now.micros(), limit(claim.limit)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let leased = due.into_iter().map(|slot_id| lease(db, slot_id, claim));
    leased.filter_map(Result::transpose).collect()
}

/// None when there is no status to show, which retention prevents.
fn lease(db: &Connection, slot_id: i64, claim: Claim) -> rusqlite::Result<Option<LeasedSlot>> {
    let Loaded { mut slot, status, .. } = db
        .prepare_cached(&format!(
            "SELECT {SLOT} FROM slot LEFT JOIN status ON status.id = slot.newest
             WHERE slot.id = ?1"
        ))?
        .query_row([slot_id], slot_row)?;
    let Some(LoadedStatus { status, queued_at, .. }) = status else { return Ok(None) };
    let doubtful = slot.is_doubtful;
    slot.lease(claim.now.plus(claim.lease));
    let number = db
        .prepare_cached(
            "UPDATE slot SET lease = lease + 1, leased_until = ?2, doubtful = ?3 WHERE id = ?1
             RETURNING lease",
        )?
        .query_row(params![slot_id, slot.leased_until.micros(), slot.is_doubtful], |row| {
            row.get(0)
        })?;
    supersede_before(db, slot_id, slot.newest)?;
    Ok(Some(LeasedSlot {
        lease: Lease { id: slot_id, number },
        status_id: slot.newest,
        iteration: slot.iteration_of(status.run),
        status,
        posted: slot.posted,
        attempts: slot.attempts,
        doubtful,
        queued_at,
    }))
}

/// Makes the slots of an organization that wait due now.
pub(super) fn make_due(
    db: &Connection,
    organization: &str,
    now: Timestamp,
) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "UPDATE slot SET due_at = ?2 WHERE due_at > ?2 AND leased_until <= ?2
         AND organization = ?1 COLLATE NOCASE",
    )?
    .execute(params![organization, now.micros()])
}

pub(super) fn commit(db: &Connection, commit: &PostingCommit) -> rusqlite::Result<Commit> {
    let PostingCommit { lease, status_id, posting, now } = commit;
    // Retention may have deleted a status that was superseded after the lease had ended.
    let leased = db
        .prepare_cached(&format!(
            "SELECT {SLOT} FROM slot JOIN status ON status.id = ?3
             WHERE slot.id = ?1 AND slot.lease = ?2"
        ))?
        .query_row([lease.id, lease.number, status_id.0], slot_row)
        .optional()?;
    let Some(Loaded { mut slot, status: Some(LoadedStatus { status, .. }), .. }) = leased else {
        if posting.may_be_posted() {
            doubt(db, lease.id, *now)?;
        }
        return Ok(Commit::LeaseLost);
    };
    let ended = slot.finish(*status_id, &status, posting, *now);
    store_finished(db, lease.id, &slot)?;
    let Ended { outcome, reason, posted_at } = ended;
    db.prepare_cached("UPDATE status SET outcome = ?2, reason = ?3, posted_at = ?4 WHERE id = ?1")?
        .execute(params![
            status_id.0,
            outcome.as_str(),
            reason,
            posted_at.map(Timestamp::micros)
        ])?;
    Ok(Commit::Committed)
}

fn doubt(db: &Connection, slot_id: i64, now: Timestamp) -> rusqlite::Result<()> {
    let slot = db
        .prepare_cached(&format!(
            "SELECT {SLOT} FROM slot LEFT JOIN status ON status.id = slot.newest
             WHERE slot.id = ?1"
        ))?
        .query_row([slot_id], slot_row)
        .optional()?;
    let Some(Loaded { mut slot, .. }) = slot else { return Ok(()) };
    slot.doubt(now);
    store_finished(db, slot_id, &slot)?;
    db.prepare_cached("UPDATE slot SET lease = lease + 1 WHERE id = ?1")?.execute([slot_id])?;
    Ok(())
}

/// Stores what `Slot::finish` and `Slot::doubt` change.
fn store_finished(db: &Connection, slot_id: i64, slot: &Slot) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE slot SET leased_until = ?2, due_at = ?3, attempts = ?4, doubtful = ?5, posted = ?6,
            iteration = ?7, iteration_of = ?8 WHERE id = ?1",
    )?
    .execute(params![
        slot_id,
        slot.leased_until.micros(),
        slot.due_at.map(Timestamp::micros),
        slot.attempts,
        slot.is_doubtful,
        slot.posted.as_ref().map(to_json).transpose()?,
        slot.iteration.map(|found| found.number),
        slot.iteration.as_ref().map(|found| found.run.0.as_bytes()),
    ])?;
    Ok(())
}
