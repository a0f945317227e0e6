//! The operation of the store as a whole: backlog, availability, retention, and a clean stop.

pub(super) mod partitions;
mod retention;

use std::time::Duration;

use async_trait::async_trait;

use super::Postgres;
use super::engine::db::Db;
use super::engine::failure::Failure;
use super::engine::rows::{count, get, parsed, time_maybe};
use super::runs::list::TIMES;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::storage::{Admin, Availability, Backlog, Error, LiveRuns};

#[async_trait]
impl Admin for Postgres {
    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let deleted = self.pool.write((before, audit_before, limit), |db, of| async move {
            let (before, audit_before, limit) = *of;
            retention::delete_older(&db, before, audit_before, limit).await
        });
        let deleted = deleted.await?;
        if deleted == 0 {
            // Once, at the end of each pass.
            partitions::maintain(&self.pool, before).await;
        }
        Ok(deleted)
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        self.pool.read((), |db, _| async move { backlog(&db).await }).await
    }

    fn waiting(&self) -> Vec<(&'static str, usize)> {
        vec![("deliveries", self.accept.waiting()), ("connections", self.pool.waiting())]
    }

    fn health(&self) -> Availability {
        self.pool.availability()
    }

    fn damage(&self) -> Option<String> {
        None
    }

    async fn close(&self, within: Duration) {
        let close = async {
            self.accept.close().await;
            self.activity.stop().await;
            self.pool.end_writes().await;
        };
        if tokio::time::timeout(within, close).await.is_err() {
            tracing::warn!("the database did not answer in time: some writes were not waited for");
        }
        // The last word: what this process has leased is free for the others.
        self.monitor.stop().await;
        self.pool.close();
    }
}

async fn backlog(db: &Db) -> Result<Backlog, Failure> {
    let planned_at = TIMES.at;
    let sql = format!(
        "SELECT (SELECT count(*) FROM inbox),
        (SELECT count(*) FROM run WHERE due_at IS NOT NULL),
        (SELECT count(*) FROM run WHERE overdue_at IS NOT NULL AND due_at IS NULL),
        (SELECT count(*) FROM slot WHERE due_at IS NOT NULL),
        (SELECT received_at FROM delivery WHERE id = (SELECT min(delivery) FROM inbox)),
        (SELECT {planned_at} FROM run
            WHERE number = (SELECT min(number) FROM run WHERE due_at IS NOT NULL))"
    );
    let row = db.row(&sql, &[]).await?;
    let row = row.ok_or_else(|| Failure::Value("the server counts nothing".into()))?;
    Ok(Backlog {
        undecided: count(&row, 0)?,
        planned: count(&row, 1)?,
        at_ci: count(&row, 2)?,
        unposted: count(&row, 3)?,
        oldest_undecided: time_maybe(&row, 4)?,
        oldest_planned: time_maybe(&row, 5)?,
        live_runs: live_runs(db).await?,
    })
}

async fn live_runs(db: &Db) -> Result<Vec<LiveRuns>, Failure> {
    let sql = "SELECT ci, state, count(*) FROM run WHERE overdue_at IS NOT NULL
        GROUP BY ci, state ORDER BY ci, state";
    let live = |row| {
        let state = get(row, 1)?;
        let state = parsed(state, State::parse(state))?;
        Ok(LiveRuns { ci: get(row, 0)?, state, count: count(row, 2)? })
    };
    db.rows(sql, &[]).await?.iter().map(live).collect()
}
