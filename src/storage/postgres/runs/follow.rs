//! Runs that are at their CIs, and pauses of calls to CIs.

use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, run, time};
use crate::storage::{CiPause, Commit, Postponed};

pub(super) async fn postpone(db: &Db, postponed: &Postponed) -> Result<Commit, Failure> {
    let Postponed { lease, revision, due_at } = postponed;
    let sql = "UPDATE run SET leased_until = 0,
            due_at = CASE WHEN due_at IS NULL OR revision <> $3 THEN due_at ELSE $4 END,
            follow_at = CASE WHEN follow_at IS NULL OR revision <> $3 THEN follow_at ELSE $4 END
        WHERE id = $1 AND lease = $2 RETURNING revision = $3";
    let id = lease.id.0.as_bytes().as_slice();
    let row = db.row(sql, params![id, lease.number, *revision, due_at.micros()]).await?;
    match row.map(|row| get(&row, 0)).transpose()? {
        Some(true) => Ok(Commit::Committed),
        Some(false) => Ok(Commit::Conflict),
        None => Ok(Commit::LeaseLost),
    }
}

pub(super) async fn at_ci(db: &Db, ci: &str, ci_id: &str) -> Result<Vec<Run>, Failure> {
    let sql = "SELECT number, revision, body FROM run WHERE follow_at IS NOT NULL
        AND body::json ->> 'ci' = $1 AND body::json ->> 'ci_id' = $2 ORDER BY number";
    let rows = db.rows(sql, params![text(ci), text(ci_id)]).await?;
    rows.iter().map(|row| run(row, 0)).collect()
}

pub(super) async fn pause(db: &Db, pause: &CiPause) -> Result<(), Failure> {
    let CiPause { account, until, reason } = pause;
    let sql = "INSERT INTO ci_pause (account, until, reason) VALUES ($1, $2, $3)
        ON CONFLICT (account) DO UPDATE SET until = excluded.until, reason = excluded.reason
        WHERE ci_pause.until < excluded.until";
    db.execute(sql, params![text(account), until.micros(), text(reason)]).await?;
    Ok(())
}

pub(super) async fn pauses(db: &Db, now: Timestamp) -> Result<Vec<CiPause>, Failure> {
    let sql = "SELECT account, until, reason FROM ci_pause WHERE until > $1";
    let rows = db.rows(sql, params![now.micros()]).await?;
    let pauses = rows.iter().map(|row| {
        let (account, reason) = (get::<String>(row, 0)?, get::<String>(row, 2)?);
        Ok(CiPause { account, until: time(row, 1)?, reason })
    });
    pauses.collect()
}
