//! The operation of the store as a whole: backlog, availability, retention, and a clean stop.

mod retention;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};

use super::Sqlite;
use super::engine::file_lock;
use super::engine::rows::parsed;
use crate::domain::run::State;
use crate::domain::time::Timestamp;
use crate::storage::{Admin, Availability, Backlog, Error, LiveRuns};

#[async_trait]
impl Admin for Sqlite {
    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        let delete =
            move |db: &Connection| retention::delete_older(db, before, audit_before, limit);
        self.writer.write(0, delete).await
    }

    async fn backlog(&self) -> Result<Backlog, Error> {
        let waiting = self.intake.waiting();
        let backlog = self.readers.read(backlog).await?;
        Ok(Backlog { undecided: backlog.undecided + waiting, ..backlog })
    }

    fn waiting(&self) -> Vec<(&'static str, usize)> {
        let deliveries = usize::try_from(self.intake.waiting()).unwrap_or(usize::MAX);
        vec![("deliveries", deliveries), ("writes", self.writer.waiting())]
    }

    fn health(&self) -> Availability {
        self.faults.availability()
    }

    fn damage(&self) -> Option<String> {
        let files = self.intake.damaged_files();
        let shown = files.iter().map(|(path, is_needed)| {
            let still = if *is_needed { " (still needed: leave it for now)" } else { "" };
            format!("{}{still}", path.display())
        });
        let shown: Vec<String> = shown.collect();
        (!files.is_empty()).then(|| {
            format!(
                "deliveries that were answered 202 were damaged on disk and may be lost: check the \
                 disk, and move the damaged files elsewhere: {}",
                shown.join(", ")
            )
        })
    }

    async fn close(&self, within: Duration) {
        let started = Instant::now();
        // After a clean stop no delivery waits in the intake. If this fails, the next start does
        // it.
        let moved = tokio::time::timeout(within, self.move_all_to_inbox()).await;
        if let Err(error) = moved.unwrap_or(Err(Error::unavailable("the time for it is over"))) {
            tracing::warn!("the next start moves the last deliveries to the inbox: {error}");
        }
        let (intake, checkpointer) = (Arc::clone(&self.intake), Arc::clone(&self.checkpointer));
        let (writer, lock) = (Arc::clone(&self.writer), Arc::clone(&self.lock));
        let close = move || {
            intake.close();
            checkpointer.stop();
            writer.close();
            lock.release();
        };
        file_lock::close_within(within.saturating_sub(started.elapsed()), close).await;
    }
}

fn backlog(db: &Connection) -> rusqlite::Result<Backlog> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let count: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    let received: Option<i64> = db
        .prepare_cached(
            "SELECT received_at FROM delivery WHERE id = (SELECT min(delivery) FROM inbox)",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    let planned = db
        .prepare_cached(
            "SELECT json_extract(body, '$.created_at') FROM run
             WHERE number = (SELECT min(number) FROM run WHERE due_at IS NOT NULL)",
        )?
        .query_row([], |row| {
            let at: String = row.get(0)?;
            parsed(0, &at, Timestamp::parse(&at))
        })
        .optional()?;
    Ok(Backlog {
        undecided: count("SELECT count(*) FROM inbox")?,
        planned: count("SELECT count(*) FROM run WHERE due_at IS NOT NULL")?,
        at_ci: count("SELECT count(*) FROM run WHERE overdue_at IS NOT NULL AND due_at IS NULL")?,
        unposted: count("SELECT count(*) FROM slot WHERE due_at IS NOT NULL")?,
        oldest_undecided: received.map(Timestamp::from_micros),
        oldest_planned: planned,
        live_runs: live_runs(db)?,
    })
}

fn live_runs(db: &Connection) -> rusqlite::Result<Vec<LiveRuns>> {
    let sql = "SELECT ci, state, count(*) FROM run WHERE overdue_at IS NOT NULL
        GROUP BY ci, state ORDER BY ci, state";
    let live = |row: &Row<'_>| {
        let state: String = row.get(1)?;
        let state = parsed(1, &state, State::parse(&state))?;
        Ok(LiveRuns { ci: row.get(0)?, state, count: row.get::<_, i64>(2)?.unsigned_abs() })
    };
    db.prepare_cached(sql)?.query_map([], live)?.collect()
}
