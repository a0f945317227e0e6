//! Leases runs to be started, within the concurrency limits of their checks.
//!
//! Due runs are read without locks, and the chosen ones are locked when they are leased: a claim
//! that leases nothing writes nothing, and a run that waits for its check is locked by nobody. What
//! another transaction has changed or locked meanwhile is left to the next claim.
//!
//! The runs of a check are counted while an advisory lock of the check is held, which every claim
//! of such runs takes until it commits: so the leases of other claims are either committed, and
//! counted, or not given yet. No claim waits for anything, neither for that lock nor for a row,
//! and so no claims wait for each other in a circle. A check whose lock another claim has counts as
//! full; that claim leases its runs.

use std::collections::HashMap;

use futures_util::future::try_join;
use tokio_postgres::Row;

use crate::domain::run::Run;
use crate::domain::run_keys::check_key;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, limit, run};
use crate::storage::{Claim, Lease, LeasedRun};

/// How many more runs of each check may be at the CI, by the key of the check; of checks with a
/// limit.
type Free = HashMap<String, i64>;

pub(super) async fn claim_due(
    db: &Db,
    claim: Claim,
    holder: &str,
) -> Result<Vec<LeasedRun>, Failure> {
    let now = claim.now.micros();
    // Runs of a check at its limit stay due; later queries leave them out, so that they do not hide
    // runs of other checks.
    let mut free = Free::new();
    let (mut leased, mut last) = (Vec::new(), (i64::MIN, 0));
    loop {
        let wanted = claim.limit.saturating_sub(leased.len());
        let due = due_after(db, now, last, &free, wanted).await?;
        let is_end = due.len() < wanted;
        last = due.last().map_or(last, |(due_at, due)| (*due_at, due.run.number));
        count_free(db, &due, now, &mut free).await?;
        let mut chosen = Vec::new();
        for (_, due) in due {
            let Due { run, .. } = &due;
            if run.concurrency.is_some() {
                let free = free.entry(check_key(run)).or_default();
                *free -= 1;
                if *free < 0 {
                    continue;
                }
            }
            chosen.push(due);
        }
        leased.extend(lease(db, chosen, "due_at", claim, holder).await?);
        if is_end || leased.len() >= claim.limit {
            return Ok(leased);
        }
    }
}

/// A run that is due, and whether its last lease ended without an outcome.
pub(super) struct Due {
    run: Run,
    is_interrupted: bool,
}

/// The runs that are at their CIs and are to be asked about, longest due first.
pub(super) async fn claim_followed(
    db: &Db,
    claim: Claim,
    holder: &str,
) -> Result<Vec<LeasedRun>, Failure> {
    let sql = "SELECT number, revision, body, leased_until FROM run
        WHERE follow_at <= $1 AND leased_until <= $1 ORDER BY follow_at, number LIMIT $2";
    let rows = db.rows(sql, params![claim.now.micros(), limit(claim.limit)]).await?;
    let due = rows.iter().map(|row| due(row, 3)).collect::<Result<_, _>>()?;
    lease(db, due, "follow_at", claim, holder).await
}

fn due(row: &Row, leased_until: usize) -> Result<Due, Failure> {
    let is_interrupted = get::<i64>(row, leased_until)? > 0;
    Ok(Due { run: run(row, 0)?, is_interrupted })
}

/// The runs behind a due time and number in the queue, without those of checks that are full.
async fn due_after(
    db: &Db,
    now: i64,
    (due_at, number): (i64, i64),
    free: &Free,
    count: usize,
) -> Result<Vec<(i64, Due)>, Failure> {
    let full = free.iter().filter(|(_, free)| **free <= 0);
    let full: Vec<_> = full.map(|(key, _)| text(key)).collect();
    let sql = "SELECT number, revision, body, due_at, leased_until FROM run
        WHERE due_at <= $1 AND (due_at, number) > ($2, $3)
        AND leased_until <= $1 AND check_key <> ALL($4)
        ORDER BY due_at, number LIMIT $5";
    let rows = db.rows(sql, params![now, due_at, number, full, limit(count)]).await?;
    rows.iter().map(|row| Ok((get(row, 3)?, due(row, 4)?))).collect()
}

/// Adds the checks of these runs to `free`.
async fn count_free(db: &Db, due: &[(i64, Due)], now: i64, free: &mut Free) -> Result<(), Failure> {
    let mut limits: HashMap<String, i64> = HashMap::new();
    for (_, Due { run, .. }) in due {
        if let Some(concurrency) = run.concurrency {
            let key = check_key(run);
            if !free.contains_key(&key) {
                limits.entry(key).or_insert(concurrency.into());
            }
        }
    }
    if limits.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = limits.keys().map(|key| text(key)).collect();
    let lock = "SELECT key FROM unnest($1) AS key
        WHERE pg_try_advisory_xact_lock(hashtextextended(key, 13))";
    let at_ci = "SELECT key, at_ci.count FROM unnest($1) AS key CROSS JOIN LATERAL (
            SELECT count(*) FROM run WHERE check_key = key AND overdue_at IS NOT NULL
            AND (state IN ('dispatched', 'running') OR leased_until > $2)) AS at_ci";
    let (locked, counts) =
        try_join(db.rows(lock, params![keys]), db.rows(at_ci, params![keys, now])).await?;
    let locked = locked.iter().map(|row| get(row, 0));
    let locked: Vec<&str> = locked.collect::<Result<_, _>>()?;
    let counts = counts.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    let counts: HashMap<&str, i64> = counts.collect::<Result<_, Failure>>()?;
    for (key, limit) in limits {
        let stored = text(&key);
        let at_ci = counts.get(&*stored).copied().unwrap_or_default();
        let is_locked = locked.contains(&&*stored);
        let left = if is_locked { limit - at_ci } else { 0 };
        free.insert(key, left);
    }
    Ok(())
}

/// Leases those that are still as they were read and that nobody has locked. `due_at` is the column
/// with the time at which they are due.
async fn lease(
    db: &Db,
    chosen: Vec<Due>,
    due_at: &str,
    claim: Claim,
    holder: &str,
) -> Result<Vec<LeasedRun>, Failure> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let numbers: Vec<i64> = chosen.iter().map(|due| due.run.number).collect();
    let revisions: Vec<i64> = chosen.iter().map(|due| due.run.revision).collect();
    let sql = format!(
        "WITH due AS (
            SELECT run.number FROM run JOIN unnest($1, $2) AS chosen (number, revision)
                ON run.number = chosen.number AND run.revision = chosen.revision
            WHERE {due_at} <= $3 AND leased_until <= $3
            FOR UPDATE OF run SKIP LOCKED)
        UPDATE run SET lease = lease + 1, leased_until = $4, holder = $5 FROM due
        WHERE run.number = due.number RETURNING run.number, lease"
    );
    let until = claim.now.plus(claim.lease).micros();
    let rows =
        db.rows(&sql, params![numbers, revisions, claim.now.micros(), until, text(holder)]).await?;
    let leases = rows.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    let leases: HashMap<i64, i64> = leases.collect::<Result<_, Failure>>()?;
    let leased = chosen.into_iter().filter_map(|Due { run, is_interrupted }| {
        let number = *leases.get(&run.number)?;
        Some(LeasedRun { lease: Lease { id: run.id, number }, run, is_interrupted })
    });
    Ok(leased.collect())
}
