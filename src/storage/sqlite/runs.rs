//! Runs: planned once, leased to be started, replaced by later revisions of themselves.

mod follow;
pub(super) mod list;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::Sqlite;
use super::engine::rows::{limit, run, to_json};
use super::statuses::slots;
use crate::domain::concurrency::{Free, Group, is_limited};
use crate::domain::follow::{due_after_change, is_followed};
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::run::{Run, State};
use crate::domain::run_keys::{check_key, subject};
use crate::domain::slot::Request;
use crate::domain::status::{self, Status, Target};
use crate::domain::time::Timestamp;
use crate::storage::{
    CiPause, Claim, Commit, Error, Lease, LeasedRun, Page, Paged, Postponed, RunCommit, RunFilter,
    Runs,
};

#[async_trait]
impl Runs for Sqlite {
    async fn claim_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        // Synced: after a power failure the lease says that the CI may have been asked.
        self.writer.write(0, move |db| claim_due(db, claim)).await
    }

    async fn claim_followed_runs(&self, claim: Claim) -> Result<Vec<LeasedRun>, Error> {
        self.writer.write_without_sync(0, move |db| follow::claim_due(db, claim)).await
    }

    async fn postpone_run(&self, postponed: Postponed) -> Result<Commit, Error> {
        self.writer.write(256, move |db| follow::postpone(db, &postponed)).await
    }

    async fn runs_at_ci(&self, ci: &str, ci_id: &str) -> Result<Vec<Run>, Error> {
        let (ci, ci_id) = (ci.to_owned(), ci_id.to_owned());
        self.readers.read(move |db| follow::at_ci(db, &ci, &ci_id)).await
    }

    async fn pause_ci(&self, pause: CiPause) -> Result<(), Error> {
        self.writer.write(256, move |db| follow::pause(db, &pause)).await
    }

    async fn ci_pauses(&self, now: Timestamp) -> Result<Vec<CiPause>, Error> {
        self.readers.read(move |db| follow::pauses(db, now)).await
    }

    async fn run(&self, id: RunId) -> Result<Option<Run>, Error> {
        self.readers.look_up(|db| find(db, id))
    }

    async fn commit_run(&self, commit: RunCommit) -> Result<Commit, Error> {
        self.writer.write(2048, move |db| replace(db, &commit)).await
    }

    async fn commit_rerun(&self, old: Option<RunCommit>, new: Run) -> Result<Commit, Error> {
        self.writer.write(4096, move |db| commit_rerun(db, old.as_ref(), &new)).await
    }

    async fn overdue_runs(&self, now: Timestamp, limit: usize) -> Result<Vec<Run>, Error> {
        self.readers.read(move |db| overdue(db, now, limit)).await
    }

    async fn runs(&self, filter: RunFilter, page: Page) -> Result<Paged<Run>, Error> {
        self.readers.read(move |db| list::runs(db, &filter, page)).await
    }
}

pub(super) fn insert(
    db: &Connection,
    run: &Run,
    delivery: Option<DeliveryId>,
) -> rusqlite::Result<()> {
    assert!(run.state == State::Planned, "a run begins as planned");
    db.prepare_cached(
        "INSERT INTO run (id, revision, delivery, organization, subject, check_key, state, body,
            updated_at, overdue_at, due_at, commit_start, ci)
         VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8, substr(?10, 1, 16), ?11)",
    )?
    .execute(params![
        run.id.0.as_bytes(),
        delivery.map(|delivery| delivery.0),
        run.organization,
        subject(run),
        check_key(run),
        run.state.as_str(),
        to_json(run)?,
        run.updated_at.micros(),
        run.overdue_at.micros(),
        run.commit,
        run.ci,
    ])?;
    show(db, run, db.last_insert_rowid())
}

/// Replaces a run that is at the revision which `run` names.
pub(super) fn update(
    db: &Connection,
    run: &Run,
    due_at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let is_final = run.state.is_final();
    let due_at = due_at.or(due_after_change(run));
    db.prepare_cached(
        "UPDATE run SET revision = revision + 1, state = ?2, body = ?3, updated_at = ?4,
            overdue_at = ?5, due_at = CASE WHEN ?2 = 'planned' THEN coalesce(?6, due_at) END,
            follow_at = CASE WHEN ?7 THEN coalesce(?6, follow_at) END
         WHERE number = ?1",
    )?
    .execute(params![
        run.number,
        run.state.as_str(),
        to_json(run)?,
        run.updated_at.micros(),
        (!is_final).then_some(run.overdue_at.micros()),
        due_at.map(Timestamp::micros),
        is_followed(run),
    ])?;
    show(db, run, run.number)
}

/// Queues the statuses of a run, in the transaction that changes the run.
fn show(db: &Connection, run: &Run, number: i64) -> rusqlite::Result<()> {
    for status in status::of(run) {
        slots::queue(db, &status, Request::OfRun(number), run.updated_at)?;
    }
    Ok(())
}

/// Has the pull request show the statuses of the run once more.
pub(super) fn show_again(db: &Connection, run: &Run, now: Timestamp) -> rusqlite::Result<()> {
    let on_pull_request = |status: &Status| matches!(status.target, Target::PullRequest { .. });
    for status in status::of(run).iter().filter(|status| on_pull_request(status)) {
        slots::queue(db, status, Request::OfRunAgain(run.number), now)?;
    }
    Ok(())
}

pub(super) fn is_at(db: &Connection, run: &Run) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM run WHERE number = ?1 AND revision = ?2")?
        .exists([run.number, run.revision])
}

fn find(db: &Connection, id: RunId) -> rusqlite::Result<Option<Run>> {
    db.prepare_cached("SELECT number, revision, body FROM run WHERE id = ?1")?
        .query_row([id.0.as_bytes()], run)
        .optional()
}

fn overdue(db: &Connection, now: Timestamp, count: usize) -> rusqlite::Result<Vec<Run>> {
    db.prepare_cached(
        "SELECT number, revision, body FROM run WHERE overdue_at <= ?1
         ORDER BY overdue_at LIMIT ?2",
    )?
    .query_map(params![now.micros(), limit(count)], run)?
    .collect()
}

fn claim_due(db: &Connection, claim: Claim) -> rusqlite::Result<Vec<LeasedRun>> {
    let now = claim.now.micros();
    let (mut free, mut leased) = (Free::default(), Vec::new());
    let (mut behind, mut last, mut is_end) = (Vec::new(), 0, false);
    while !is_end && leased.len() < claim.limit {
        let wanted = claim.limit.saturating_sub(leased.len());
        let due = due_after(db, now, last, &free, wanted)?;
        is_end = due.len() < wanted;
        for (is_interrupted, run) in due {
            last = run.number;
            for (group, limit) in free.uncounted(&run) {
                let at_ci = at_ci(db, &group, now)?;
                free.set(group, i64::from(limit) - at_ci);
            }
            if is_limited(&run) && has_earlier(db, &run)? {
                behind.push((is_interrupted, run));
            } else if free.take(&run) {
                leased.push(lease(db, run, is_interrupted, claim)?);
            }
        }
        behind.truncate(claim.limit);
    }
    for (is_interrupted, run) in behind {
        if leased.len() < claim.limit && free.take(&run) {
            leased.push(lease(db, run, is_interrupted, claim)?);
        }
    }
    Ok(leased)
}

/// Whether an earlier run of the check for the same pull request or ref has not ended.
fn has_earlier(db: &Connection, run: &Run) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT 1 FROM run WHERE check_key = ?1 AND subject = ?2 AND number < ?3
         AND overdue_at IS NOT NULL",
    )?
    .exists(params![check_key(run), subject(run), run.number])
}

/// The runs that were planned after that of a number and are due, without those of checks and CIs
/// that are full.
fn due_after(
    db: &Connection,
    now: i64,
    number: i64,
    free: &Free,
    count: usize,
) -> rusqlite::Result<Vec<(bool, Run)>> {
    let (checks, cis) = free.full();
    let (checks, cis) = (to_json(&checks)?, to_json(&cis)?);
    db.prepare_cached(
        "SELECT number, revision, body, leased_until FROM run INDEXED BY run_by_number
         WHERE due_at <= ?1 AND number > ?2
         AND check_key NOT IN (SELECT value FROM json_each(?3))
         AND coalesce(ci, '') NOT IN (SELECT value FROM json_each(?4)) AND leased_until <= ?1
         ORDER BY number LIMIT ?5",
    )?
    .query_map(params![now, number, checks, cis, limit(count)], |row| {
        Ok((row.get::<_, i64>(3)? > 0, run(row)?))
    })?
    .collect()
}

/// How many runs of a group are at the CI or are being started.
fn at_ci(db: &Connection, group: &Group, now: i64) -> rusqlite::Result<i64> {
    let (column, key) = match group {
        Group::Check(key) => ("check_key", key),
        Group::Ci(name) => ("ci", name),
    };
    db.prepare_cached(&format!(
        "SELECT count(*) FROM run WHERE {column} = ?1 AND overdue_at IS NOT NULL
         AND (state IN ('dispatched', 'running') OR leased_until > ?2)"
    ))?
    .query_row(params![key, now], |row| row.get(0))
}

fn lease(
    db: &Connection,
    run: Run,
    is_interrupted: bool,
    claim: Claim,
) -> rusqlite::Result<LeasedRun> {
    let number = db
        .prepare_cached(
            "UPDATE run SET lease = lease + 1, leased_until = ?2 WHERE number = ?1
             RETURNING lease",
        )?
        .query_row([run.number, claim.now.plus(claim.lease).micros()], |row| row.get(0))?;
    Ok(LeasedRun { lease: Lease { id: run.id, number }, run, is_interrupted })
}

fn replace(db: &Connection, commit: &RunCommit) -> rusqlite::Result<Commit> {
    if let Some(lease) = commit.lease
        && !is_held(db, lease)?
    {
        return Ok(Commit::LeaseLost);
    }
    if !is_at(db, &commit.run)? {
        return Ok(Commit::Conflict);
    }
    update(db, &commit.run, commit.due_at)?;
    if commit.lease.is_some() {
        db.prepare_cached("UPDATE run SET leased_until = 0 WHERE number = ?1")?
            .execute([commit.run.number])?;
    }
    Ok(Commit::Committed)
}

fn is_held(db: &Connection, lease: Lease<RunId>) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM run WHERE id = ?1 AND lease = ?2")?
        .exists(params![lease.id.0.as_bytes(), lease.number])
}

fn commit_rerun(db: &Connection, old: Option<&RunCommit>, new: &Run) -> rusqlite::Result<Commit> {
    if let Some(old) = old
        && replace(db, old)? != Commit::Committed
    {
        return Ok(Commit::Conflict);
    }
    insert(db, new, None)?;
    Ok(Commit::Committed)
}
