//! Runners: which runs they may take and have, and which runners there are.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::Sqlite;
use super::engine::rows::{from_json, run, time, to_json};
use super::engine::search::Where;
use crate::domain::run::Run;
use crate::storage::{Error, Page, Paged, RunnerQueue, RunnerRow, Runners, SeenRunner};

#[async_trait]
impl Runners for Sqlite {
    async fn runner_queue(&self, cis: Vec<String>) -> Result<RunnerQueue, Error> {
        self.readers.read(move |db| queue(db, &cis)).await
    }

    async fn see_runner(&self, seen: SeenRunner) -> Result<(), Error> {
        self.writer.write_without_sync(1024, move |db| see(db, &seen)).await
    }

    async fn runners(&self, page: Page) -> Result<Paged<RunnerRow>, Error> {
        self.readers.read(move |db| list(db, page)).await
    }
}

/// A run that a runner has is followed.
fn queue(db: &Connection, cis: &[String]) -> rusqlite::Result<RunnerQueue> {
    let cis = to_json(&cis)?;
    let read = |sql: &str| -> rusqlite::Result<Vec<Run>> {
        db.prepare_cached(sql)?.query_map([&cis], run)?.collect()
    };
    let offered = read(
        "SELECT number, revision, body FROM run WHERE number IN (
            SELECT min(number) FROM run
            WHERE ci IN (SELECT value FROM json_each(?1)) AND overdue_at IS NOT NULL
                AND state = 'dispatched' AND follow_at IS NULL GROUP BY check_key)
         ORDER BY number",
    )?;
    let leased = read(
        "SELECT number, revision, body FROM run
         WHERE ci IN (SELECT value FROM json_each(?1)) AND overdue_at IS NOT NULL
            AND state IN ('dispatched', 'running') AND follow_at IS NOT NULL
         ORDER BY number",
    )?;
    Ok(RunnerQueue { offered, leased })
}

fn see(db: &Connection, seen: &SeenRunner) -> rusqlite::Result<()> {
    let SeenRunner { token, name, labels, seen_at, gone_before } = seen;
    let labels = labels.as_ref().map(to_json).transpose()?;
    db.prepare_cached(
        "INSERT INTO runner (token, name, labels, since, seen_at)
         VALUES (?1, ?2, coalesce(?3, '[]'), ?4, ?4)
         ON CONFLICT (token, name) DO UPDATE
         SET labels = coalesce(?3, labels), seen_at = max(seen_at, ?4),
             since = CASE WHEN seen_at < ?5 THEN excluded.since ELSE since END",
    )?
    .execute(params![token, name, labels, seen_at.micros(), gone_before.micros()])?;
    Ok(())
}

fn list(db: &Connection, page: Page) -> rusqlite::Result<Paged<RunnerRow>> {
    let select = "SELECT id, token, name, labels, since, seen_at FROM runner";
    Where::default().page(db, select, "id", page, |row| Ok((row.get(0)?, runner(row)?)))
}

fn runner(row: &Row<'_>) -> rusqlite::Result<RunnerRow> {
    let labels: String = row.get(3)?;
    Ok(RunnerRow {
        id: row.get(0)?,
        token: row.get(1)?,
        name: row.get(2)?,
        labels: from_json(3, &labels)?,
        since: time(row, 4)?,
        seen_at: time(row, 5)?,
    })
}
