//! Runners: which runs they may take and have, and which runners there are.

use async_trait::async_trait;
use futures_util::future::try_join;
use tokio_postgres::Row;

use super::Postgres;
use super::engine::db::{Db, params, text};
use super::engine::failure::Failure;
use super::engine::rows::{get, json, run, time, to_json};
use super::engine::search::Where;
use crate::domain::run::Run;
use crate::storage::{Error, Page, Paged, RunnerQueue, RunnerRow, Runners, SeenRunner};

#[async_trait]
impl Runners for Postgres {
    async fn runner_queue(&self, cis: Vec<String>) -> Result<RunnerQueue, Error> {
        self.pool.read(cis, |db, cis| async move { queue(&db, &cis).await }).await
    }

    async fn see_runner(&self, seen: SeenRunner) -> Result<(), Error> {
        self.pool.write(seen, |db, seen| async move { see(&db, &seen).await }).await
    }

    async fn runners(&self, page: Page) -> Result<Paged<RunnerRow>, Error> {
        self.pool.read(page, |db, page| async move { list(&db, *page).await }).await
    }
}

/// A run that a runner has is followed.
async fn queue(db: &Db, cis: &[String]) -> Result<RunnerQueue, Failure> {
    let cis: Vec<_> = cis.iter().map(|ci| text(ci)).collect();
    let offered = "SELECT number, revision, body FROM run WHERE number IN (
            SELECT min(number) FROM run WHERE ci = ANY($1) AND overdue_at IS NOT NULL
                AND state = 'dispatched' AND follow_at IS NULL GROUP BY check_key)
        ORDER BY number";
    let leased = "SELECT number, revision, body FROM run
        WHERE ci = ANY($1) AND overdue_at IS NOT NULL
            AND state IN ('dispatched', 'running') AND follow_at IS NOT NULL
        ORDER BY number";
    let (offered, leased) =
        try_join(db.rows(offered, params![cis]), db.rows(leased, params![cis])).await?;
    let runs = |rows: &[Row]| -> Result<Vec<Run>, Failure> {
        rows.iter().map(|row| run(row, 0)).collect()
    };
    Ok(RunnerQueue { offered: runs(&offered)?, leased: runs(&leased)? })
}

async fn see(db: &Db, seen: &SeenRunner) -> Result<(), Failure> {
    let SeenRunner { token, name, labels, seen_at, gone_before } = seen;
    let sql = "INSERT INTO runner (token, name, labels, since, seen_at)
        VALUES ($1, $2, coalesce($3, '[]'), $4, $4) ON CONFLICT (token, name) DO UPDATE
        SET labels = coalesce($3, runner.labels),
            seen_at = greatest(runner.seen_at, excluded.seen_at),
            since = CASE WHEN runner.seen_at < $5 THEN excluded.since ELSE runner.since END";
    let labels = labels.as_ref().map(to_json).transpose()?;
    let (seen_at, gone_before) = (seen_at.micros(), gone_before.micros());
    let (token, name, labels) = (text(token), text(name), labels.as_deref().map(text));
    db.execute(sql, params![token, name, labels, seen_at, gone_before]).await?;
    Ok(())
}

async fn list(db: &Db, page: Page) -> Result<Paged<RunnerRow>, Failure> {
    let select = "SELECT id, token, name, labels, since, seen_at FROM runner";
    Where::default().page(db, select, "id", page, runner).await
}

fn runner(row: &Row) -> Result<RunnerRow, Failure> {
    Ok(RunnerRow {
        id: get(row, 0)?,
        token: get(row, 1)?,
        name: get(row, 2)?,
        labels: json(row, 3)?,
        since: time(row, 4)?,
        seen_at: time(row, 5)?,
    })
}
