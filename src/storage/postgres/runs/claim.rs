//! Leases runs to be started, within the concurrency limits of their checks and CIs.
//!
//! Due runs are read without locks, and the chosen ones are locked when they are leased: a claim
//! that leases nothing writes nothing, and a run that waits for its check or CI is locked by
//! nobody. What another transaction has changed or locked meanwhile is left to the next claim.
//!
//! The runs of a check, and those of a CI, are counted while an advisory lock of it is held, which
//! every claim of runs with that limit takes until it commits: so the leases of other claims are
//! either committed, and counted, or not given yet. No claim waits for anything, neither for such a
//! lock nor for a row, and so no claims wait for each other in a circle. A check or CI whose lock
//! another claim has counts as full; that claim leases its runs.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::future::{try_join, try_join3};
use tokio_postgres::Row;

use crate::domain::concurrency::{Free, Group, is_limited};
use crate::domain::run::Run;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, limit, run};
use crate::storage::{Claim, Lease, LeasedRun};

pub(super) async fn claim_due(
    db: &Db,
    claim: Claim,
    holder: &str,
) -> Result<Vec<LeasedRun>, Failure> {
    let now = claim.now.micros();
    let (mut free, mut leased) = (Free::default(), Vec::new());
    let (mut behind, mut last, mut is_end) = (Vec::new(), 0, false);
    while !is_end && leased.len() < claim.limit {
        let wanted = claim.limit.saturating_sub(leased.len());
        let due = due_after(db, now, last, &free, wanted).await?;
        is_end = due.len() < wanted;
        last = due.last().map_or(last, |due| due.run.number);
        let earlier = try_join(with_earlier(db, &due), count_free(db, &due, now, &mut free));
        let (earlier, ()) = earlier.await?;
        let (later, first): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|due| earlier.contains(&due.run.number));
        behind.extend(later);
        behind.truncate(claim.limit);
        let chosen = first.into_iter().filter(|due| free.take(&due.run)).collect();
        leased.extend(lease(db, chosen, "due_at", claim, holder).await?);
    }
    let wanted = claim.limit.saturating_sub(leased.len());
    let chosen = behind.into_iter().filter(|due| free.take(&due.run)).take(wanted).collect();
    leased.extend(lease(db, chosen, "due_at", claim, holder).await?);
    Ok(leased)
}

/// The numbers of those with a limit for whose pull request or ref an earlier run of the check has
/// not ended.
async fn with_earlier(db: &Db, due: &[Due]) -> Result<HashSet<i64>, Failure> {
    let limited = due.iter().filter(|due| is_limited(&due.run));
    let numbers: Vec<i64> = limited.map(|due| due.run.number).collect();
    if numbers.is_empty() {
        return Ok(HashSet::new());
    }
    let sql = "SELECT number FROM run WHERE number = ANY($1) AND EXISTS (
            SELECT 1 FROM run AS earlier
            WHERE earlier.check_key = run.check_key AND earlier.subject = run.subject
            AND earlier.number < run.number AND earlier.overdue_at IS NOT NULL)";
    let rows = db.rows(sql, params![numbers]).await?;
    rows.iter().map(|row| get(row, 0)).collect()
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

/// The runs that were planned after that of a number and are due, without those of checks and CIs
/// that are full.
async fn due_after(
    db: &Db,
    now: i64,
    number: i64,
    free: &Free,
    count: usize,
) -> Result<Vec<Due>, Failure> {
    let (checks, cis) = free.full();
    let checks: Vec<_> = checks.into_iter().map(text).collect();
    let cis: Vec<_> = cis.into_iter().map(text).collect();
    let sql = "SELECT number, revision, body, leased_until FROM run
        WHERE due_at <= $1 AND number > $2
        AND leased_until <= $1 AND check_key <> ALL($3) AND coalesce(ci, '') <> ALL($4)
        ORDER BY number LIMIT $5";
    let rows = db.rows(sql, params![now, number, checks, cis, limit(count)]).await?;
    rows.iter().map(|row| due(row, 3)).collect()
}

/// Adds the groups of these runs to `free`.
async fn count_free(db: &Db, due: &[Due], now: i64, free: &mut Free) -> Result<(), Failure> {
    let mut groups: BTreeMap<Group, u32> = BTreeMap::new();
    for (group, limit) in due.iter().flat_map(|due| free.uncounted(&due.run)) {
        groups.entry(group).or_insert(limit);
    }
    if groups.is_empty() {
        return Ok(());
    }
    let (mut checks, mut cis) = (Vec::new(), Vec::new());
    for group in groups.keys() {
        match group {
            Group::Check(key) => checks.push(text(key)),
            Group::Ci(name) => cis.push(text(name)),
        }
    }
    let lock = "SELECT 'check_key', key FROM unnest($1) AS key
            WHERE pg_try_advisory_xact_lock(hashtextextended(key, 13))
        UNION ALL SELECT 'ci', key FROM unnest($2) AS key
            WHERE pg_try_advisory_xact_lock(hashtextextended(key, 14))";
    let at_ci = |column| {
        format!(
            "SELECT '{column}', key, at_ci.count FROM unnest($1) AS key CROSS JOIN LATERAL (
                SELECT count(*) FROM run WHERE {column} = key AND overdue_at IS NOT NULL
                AND (state IN ('dispatched', 'running') OR leased_until > $2)) AS at_ci"
        )
    };
    let (of_checks, of_cis) = (at_ci("check_key"), at_ci("ci"));
    // They are carried out in this order: what is counted was locked before.
    let (locked, of_checks, of_cis) = try_join3(
        db.rows(lock, params![checks, cis]),
        db.rows(&of_checks, params![checks, now]),
        db.rows(&of_cis, params![cis, now]),
    )
    .await?;
    let locked = locked.iter().map(|row| Ok((get(row, 0)?, get(row, 1)?)));
    let locked: Vec<(&str, &str)> = locked.collect::<Result<_, Failure>>()?;
    let counts = of_checks.iter().chain(&of_cis);
    let counts = counts.map(|row| Ok(((get(row, 0)?, get(row, 1)?), get(row, 2)?)));
    let counts: HashMap<(&str, &str), i64> = counts.collect::<Result<_, Failure>>()?;
    for (group, limit) in groups {
        let (column, key) = match &group {
            Group::Check(key) => ("check_key", text(key)),
            Group::Ci(name) => ("ci", text(name)),
        };
        let at_ci = counts.get(&(column, &*key)).copied().unwrap_or_default();
        let is_locked = locked.contains(&(column, &*key));
        let left = if is_locked { i64::from(limit) - at_ci } else { 0 };
        free.set(group.clone(), left);
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
