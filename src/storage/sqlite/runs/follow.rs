//! Runs that are at their CIs: leased to ask about them; and pauses of calls to CIs.

use rusqlite::{Connection, params};

use super::{is_held, lease};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{limit, run};
use crate::storage::{CiPause, Claim, Commit, LeasedRun, Postponed};

pub(super) fn claim_due(db: &Connection, claim: Claim) -> rusqlite::Result<Vec<LeasedRun>> {
    let due: Vec<(bool, Run)> = db
        .prepare_cached(
            "SELECT number, revision, body, leased_until FROM run
             WHERE follow_at <= ?1 AND leased_until <= ?1 ORDER BY follow_at, number LIMIT ?2",
        )?
        .query_map([claim.now.micros(), limit(claim.limit)], |row| {
            Ok((row.get::<_, i64>(3)? > 0, run(row)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    due.into_iter().map(|(interrupted, run)| lease(db, run, interrupted, claim)).collect()
}

pub(super) fn postpone(db: &Connection, postponed: &Postponed) -> rusqlite::Result<Commit> {
    let Postponed { lease, revision, due_at } = postponed;
    if !is_held(db, *lease)? {
        return Ok(Commit::LeaseLost);
    }
    let changed = db
        .prepare_cached(
            "UPDATE run SET due_at = CASE WHEN due_at IS NOT NULL THEN ?3 END,
                follow_at = CASE WHEN follow_at IS NOT NULL THEN ?3 END
             WHERE id = ?1 AND revision = ?2",
        )?
        .execute(params![lease.id.0.as_bytes(), revision, due_at.micros()])?;
    db.prepare_cached("UPDATE run SET leased_until = 0 WHERE id = ?1")?
        .execute([lease.id.0.as_bytes()])?;
    Ok(if changed == 0 { Commit::Conflict } else { Commit::Committed })
}

pub(super) fn at_ci(db: &Connection, ci: &str, ci_id: &str) -> rusqlite::Result<Vec<Run>> {
    // Without INDEXED BY, SQLite would read every run that is stored, in the order of numbers.
    db.prepare_cached(
        "SELECT number, revision, body FROM run INDEXED BY run_by_follow
         WHERE follow_at IS NOT NULL
         AND json_extract(body, '$.ci') = ?1 AND json_extract(body, '$.ci_id') = ?2
         ORDER BY number",
    )?
    .query_map([ci, ci_id], run)?
    .collect()
}

pub(super) fn pause(db: &Connection, pause: &CiPause) -> rusqlite::Result<()> {
    let CiPause { account, until, reason } = pause;
    db.prepare_cached(
        "INSERT INTO ci_pause (account, until, reason) VALUES (?1, ?2, ?3)
         ON CONFLICT (account) DO UPDATE SET until = ?2, reason = ?3 WHERE until < ?2",
    )?
    .execute(params![account, until.micros(), reason])?;
    Ok(())
}

pub(super) fn pauses(db: &Connection, now: Timestamp) -> rusqlite::Result<Vec<CiPause>> {
    db.prepare_cached("SELECT account, until, reason FROM ci_pause WHERE until > ?1")?
        .query_map([now.micros()], |row| {
            let until = Timestamp::from_micros(row.get(1)?);
            Ok(CiPause { account: row.get(0)?, until, reason: row.get(2)? })
        })?
        .collect()
}
