//! The outbox: per place at Azure DevOps the newest status wins, one attempt at a time.
//!
//! Claims go to places (slots), not to statuses, so that two statuses of one context can never
//! overtake each other on their way. It must never know how a status is posted.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::id::StatusId;
use crate::domain::status::{Status, Target};
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{from_json, limit, time, to_json};
use crate::storage::{Claim, Commit, Lease, LeasedSlot, Posted, Posting, PostingCommit};

/// Queues a status for its slot, unless it is what the slot is to show anyway. `owner` is the
/// number of its run: a slot belongs to the newest run that wants something shown there. A status
/// without a run is shown now, and leaves the slot to whom it belongs.
pub(in crate::storage::sqlite) fn queue(
    db: &Connection,
    status: &Status,
    owner: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    let key = status.slot();
    let slot: Option<(i64, i64, i64)> = db
        .prepare_cached("SELECT id, owner, newest FROM slot WHERE key = ?1")?
        .query_row([&key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((slot, slot_owner, newest)) = slot else {
        db.prepare_cached(
            "INSERT INTO slot (key, organization, owner, newest, due_at)
             VALUES (?1, ?2, ?3, 0, ?4)",
        )?
        .execute(params![key, status.organization, owner.unwrap_or(0), now.micros()])?;
        let slot = db.last_insert_rowid();
        let id = insert(db, slot, status, now, None)?;
        db.prepare_cached("UPDATE slot SET newest = ?2 WHERE id = ?1")?.execute([slot, id.0])?;
        return Ok(id);
    };
    let owner = owner.unwrap_or(slot_owner);
    if owner < slot_owner {
        return insert(db, slot, status, now, Some("a newer run owns this context"));
    }
    if owner == slot_owner && !may_move(status) && is_wanted_already(db, newest, status)? {
        return Ok(StatusId(newest));
    }
    take(db, slot, owner, status, now)
}

/// Queues what a check shows where it does not run, unless a run that goes on has the place by now:
/// somebody may have asked for one after this was decided.
pub(in crate::storage::sqlite) fn queue_unless_running(
    db: &Connection,
    status: &Status,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    let running: Option<i64> = db
        .prepare_cached(
            "SELECT slot.id FROM slot JOIN run ON run.number = slot.owner
             WHERE slot.key = ?1 AND run.overdue_at IS NOT NULL",
        )?
        .query_row([status.slot()], |row| row.get(0))
        .optional()?;
    match running {
        Some(slot) => insert(db, slot, status, now, Some("a run goes on in this context")),
        None => queue(db, status, None, now),
    }
}

/// Queues what the owner of a slot shows once more, though it may be shown already. The iteration
/// is looked for again: there may be a newer one with the same commit.
pub(in crate::storage::sqlite) fn queue_again(
    db: &Connection,
    status: &Status,
    owner: i64,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let slot: Option<(i64, i64)> = db
        .prepare_cached("SELECT id, owner FROM slot WHERE key = ?1")?
        .query_row([status.slot()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match slot {
        None => queue(db, status, Some(owner), now).map(drop),
        Some((slot, slot_owner)) if slot_owner == owner => {
            let id = take(db, slot, owner, status, now)?;
            db.prepare_cached("UPDATE slot SET iteration = NULL, renewed = ?2 WHERE id = ?1")?
                .execute([slot, id.0])?;
            Ok(())
        }
        // It has become a newer run's place.
        Some(_) => Ok(()),
    }
}

/// Makes a status the one that its slot is to show.
fn take(
    db: &Connection,
    slot: i64,
    owner: i64,
    status: &Status,
    now: Timestamp,
) -> rusqlite::Result<StatusId> {
    let id = insert(db, slot, status, now, None)?;
    db.prepare_cached(
        "UPDATE slot SET owner = ?2, newest = ?3, due_at = min(coalesce(due_at, ?4), ?4),
            attempts = 0 WHERE id = ?1",
    )?
    .execute([slot, owner, id.0, now.micros()])?;
    // What somebody is posting just now gets its own outcome; whoever claims next passes over it.
    let leased = db
        .prepare_cached("SELECT 1 FROM slot WHERE id = ?1 AND leased_until > ?2")?
        .exists([slot, now.micros()])?;
    if !leased {
        pass_over(db, slot, id)?;
    }
    Ok(id)
}

/// Whether the same status may be meant for another place by now: what a CI that started by itself
/// says of a pull request is about the iteration of that moment.
fn may_move(status: &Status) -> bool {
    status.run.is_none() && matches!(status.target, Target::PullRequest { .. })
}

/// Ends the statuses of a slot that wait though `newest` came after them.
fn pass_over(db: &Connection, slot: i64, newest: StatusId) -> rusqlite::Result<()> {
    db.prepare_cached(
        "UPDATE status SET outcome = 'superseded',
            reason = 'a newer state came before it was posted'
         WHERE slot = ?1 AND outcome = 'queued' AND id < ?2",
    )?
    .execute([slot, newest.0])?;
    Ok(())
}

fn insert(
    db: &Connection,
    slot: i64,
    status: &Status,
    now: Timestamp,
    passed_over: Option<&str>,
) -> rusqlite::Result<StatusId> {
    let outcome = if passed_over.is_some() { "superseded" } else { "queued" };
    db.prepare_cached(
        "INSERT INTO status (slot, run, organization, body, queued_at, outcome, reason)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        slot,
        status.run.as_ref().map(|run| run.0.as_bytes()),
        status.organization,
        to_json(status)?,
        now.micros(),
        outcome,
        passed_over.unwrap_or(""),
    ])?;
    Ok(StatusId(db.last_insert_rowid()))
}

fn is_wanted_already(db: &Connection, newest: i64, status: &Status) -> rusqlite::Result<bool> {
    let found: Option<String> = db
        .prepare_cached("SELECT body FROM status WHERE id = ?1 AND outcome <> 'refused'")?
        .query_row([newest], |row| row.get(0))
        .optional()?;
    Ok(match found {
        Some(body) => from_json::<Status>(0, &body)? == *status,
        None => false,
    })
}

pub(in crate::storage::sqlite) fn claim(
    db: &Connection,
    claim: Claim,
) -> rusqlite::Result<Vec<LeasedSlot>> {
    let due: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM slot WHERE due_at <= ?1 AND leased_until <= ?1
             ORDER BY due_at, id LIMIT ?2",
        )?
        .query_map(params![claim.now.micros(), limit(claim.limit)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    due.into_iter().map(|slot| lease(db, slot, claim)).collect()
}

fn lease(db: &Connection, slot: i64, claim: Claim) -> rusqlite::Result<LeasedSlot> {
    // Read before the claim marks the slot as doubtful: until an outcome is committed, nobody
    // knows whether the attempt that begins now reached Azure DevOps.
    let doubtful = db
        .prepare_cached("SELECT doubtful FROM slot WHERE id = ?1")?
        .query_row([slot], |row| row.get(0))?;
    let (number, newest) = db
        .prepare_cached(
            "UPDATE slot SET lease = lease + 1, leased_until = ?2, doubtful = 1 WHERE id = ?1
             RETURNING lease, newest",
        )?
        .query_row([slot, claim.now.plus(claim.lease).micros()], |row| {
            Ok((row.get(0)?, StatusId(row.get(1)?)))
        })?;
    // What came during an attempt, or whose attempt was abandoned, will not be posted any more.
    pass_over(db, slot, newest)?;
    db.prepare_cached(
        "SELECT status.id, status.body, slot.posted, slot.attempts, status.queued_at,
            CASE WHEN slot.iteration_of = status.run THEN slot.iteration END
         FROM slot JOIN status ON status.id = slot.newest WHERE slot.id = ?1",
    )?
    .query_row([slot], |row| {
        let (body, posted): (String, Option<String>) = (row.get(1)?, row.get(2)?);
        Ok(LeasedSlot {
            lease: Lease { id: slot, number },
            status_id: StatusId(row.get(0)?),
            status: from_json(1, &body)?,
            posted: posted.map(|posted| from_json(2, &posted)).transpose()?,
            iteration: row.get(5)?,
            attempts: row.get(3)?,
            doubtful,
            queued_at: time(row, 4)?,
        })
    })
}

/// What waits for its time waits no longer; whoever has a lease finds out by itself.
pub(in crate::storage::sqlite) fn hurry(
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

pub(in crate::storage::sqlite) fn commit(
    db: &Connection,
    commit: &PostingCommit,
) -> rusqlite::Result<Commit> {
    let PostingCommit { lease, status_id, posting, now } = commit;
    // A status that was passed over after the lease had ended may have been deleted since.
    let held: Option<i64> = db
        .prepare_cached(
            "SELECT newest FROM slot WHERE id = ?1 AND lease = ?2
             AND EXISTS (SELECT 1 FROM status WHERE id = ?3)",
        )?
        .query_row([lease.id, lease.number, status_id.0], |row| row.get(0))
        .optional()?;
    let Some(newest) = held else { return Ok(Commit::LeaseLost) };
    if let Posting::Later { due_at, counts, doubtful, reason } = posting {
        // A state that came meanwhile has made the slot due by itself, and wins; what was counted
        // against the older one is not its fault.
        let is_newest = newest == status_id.0;
        let due_at = if is_newest { due_at.micros() } else { now.micros() };
        db.prepare_cached(
            "UPDATE slot SET leased_until = 0, due_at = ?2, attempts = attempts + ?3,
                doubtful = ?4 WHERE id = ?1",
        )?
        .execute(params![lease.id, due_at, i64::from(*counts && is_newest), doubtful])?;
        let outcome = if is_newest { "queued" } else { "superseded" };
        return finish_status(db, *status_id, outcome, reason, None);
    }
    let due_at = (newest != status_id.0).then_some(now.micros());
    db.prepare_cached(
        "UPDATE slot SET leased_until = 0, due_at = ?2, attempts = 0, doubtful = 0 WHERE id = ?1",
    )?
    .execute(params![lease.id, due_at])?;
    match posting {
        Posting::Posted { iteration } => {
            show(db, lease.id, *status_id, *iteration)?;
            finish_status(db, *status_id, "posted", "", Some(*now))
        }
        Posting::Unchanged { iteration } => {
            show(db, lease.id, *status_id, *iteration)?;
            finish_status(db, *status_id, "unchanged", "Azure DevOps shows it already", None)
        }
        Posting::Refused(reason) => {
            // An earlier try without an answer may have been taken: what is shown is not known.
            db.prepare_cached("UPDATE slot SET posted = NULL WHERE id = ?1")?
                .execute([lease.id])?;
            finish_status(db, *status_id, "refused", reason, None)
        }
        Posting::Later { .. } => Ok(Commit::Committed),
    }
}

/// Remembers what the slot shows now.
fn show(db: &Connection, slot: i64, id: StatusId, iteration: Option<i64>) -> rusqlite::Result<()> {
    let body: String = db
        .prepare_cached("SELECT body FROM status WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    let Status { state, description, url, run, .. } = from_json(0, &body)?;
    let posted = Posted { state, description, url, iteration };
    db.prepare_cached(
        "UPDATE slot SET posted = ?2, iteration = CASE WHEN ?5 >= renewed THEN ?3 END,
            iteration_of = ?4 WHERE id = ?1",
    )?
    .execute(params![
        slot,
        to_json(&posted)?,
        iteration,
        run.as_ref().map(|run| run.0.as_bytes()),
        id.0,
    ])?;
    Ok(())
}

fn finish_status(
    db: &Connection,
    id: StatusId,
    outcome: &str,
    reason: &str,
    posted_at: Option<Timestamp>,
) -> rusqlite::Result<Commit> {
    db.prepare_cached("UPDATE status SET outcome = ?2, reason = ?3, posted_at = ?4 WHERE id = ?1")?
        .execute(params![id.0, outcome, reason, posted_at.map(Timestamp::micros)])?;
    Ok(Commit::Committed)
}
