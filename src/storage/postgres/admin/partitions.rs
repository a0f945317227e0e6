//! The partitions of the table of bodies: one for each day, made ahead, and dropped as a whole when
//! the day is old.
//!
//! Statements that store or read bodies wait while a partition is attached or detached. So each of
//! these changes is one message, which the server carries out as one transaction: a process that
//! stops in the middle of it locks nothing. Waiting for the lock and working under it end after
//! 100 ms, and the commit does not wait for the disk. A change that fails is made by the next pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::domain::time::{Day, Timestamp};
use crate::storage::Error;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::monitor::NOW;
use crate::storage::postgres::engine::pool::Pool;
use crate::storage::postgres::engine::rows::get;

const PREFIX: &str = "body_of_";
/// Days that are made ahead.
const AHEAD: u32 = 3;

/// How long each statement of a change may take, for whose locks gateways wait.
const CHANGE_MAX: Duration = Duration::from_millis(100);
/// Partitions change one after the other. The number begins with the bytes `azdo-gw`.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7024036997503612674)";
/// Vacuum would read the bodies only to mark them as visible to all, for nobody: they are found by
/// their key, and go with their table. A body that fits into a page lies in its row: elsewhere it
/// would need an index entry for each 2 KB, which is a tenth of what storing a delivery costs.
const SETTINGS: &str = "autovacuum_vacuum_insert_threshold = -1, toast_tuple_target = 8160,
    toast.autovacuum_vacuum_insert_threshold = -1";

/// Makes the partitions of the next days, and drops those of days that ended before `before`.
pub(in crate::storage::postgres) async fn maintain(pool: &Arc<Pool>, before: Timestamp) {
    if let Err(error) = change(pool, before).await {
        tracing::warn!("the next pass changes the partitions of bodies: {error}");
    }
}

async fn change(pool: &Arc<Pool>, before: Timestamp) -> Result<(), Error> {
    let found = pool.read((), |db, _| async move { find(&db).await }).await?;
    let Found { today, is_owner, partitions } = found;
    if !is_owner {
        tracing::debug!("this role may not make partitions of bodies: there are only other days");
        return Ok(());
    }
    let wanted = (0..=AHEAD).map(|days| today.plus(days));
    let missing = wanted.filter(|day| !partitions.contains_key(day)).collect();
    make_all(pool, missing, CHANGE_MAX).await?;
    for (day, is_attached) in partitions {
        // The partition of today is never dropped, even if `before` is in the future.
        if day < today && day.end() <= before {
            let of = (day, is_attached);
            pool.write_singly(of, |db, of| async move { drop_old(&db, of.0, of.1).await }).await?;
        }
    }
    Ok(())
}

/// Makes the partitions of these days where there are none, as far as this role may. Each statement
/// may take as long as `within`.
pub(in crate::storage::postgres) async fn make(
    pool: &Arc<Pool>,
    days: BTreeSet<Day>,
    within: Duration,
) -> Result<(), Error> {
    let found = pool.read((), |db, _| async move { find(&db).await }).await?;
    if !found.is_owner {
        return Ok(());
    }
    let missing = days.into_iter().filter(|day| !found.partitions.contains_key(day)).collect();
    make_all(pool, missing, within).await
}

async fn make_all(pool: &Arc<Pool>, days: BTreeSet<Day>, within: Duration) -> Result<(), Error> {
    for day in days {
        let of = (day, within);
        pool.write_singly(of, |db, of| async move { create(&db, of.0, of.1).await }).await?;
    }
    Ok(())
}

/// The beginning of each change. The commit does not wait for the disk: a change that is lost with
/// the machine is made again.
fn limits(within: Duration) -> String {
    let within_ms = within.as_millis();
    format!(
        "SET LOCAL lock_timeout = '{within_ms}ms';
         SET LOCAL statement_timeout = '{within_ms}ms';
         SET LOCAL synchronous_commit = off"
    )
}

fn name(day: Day) -> String {
    format!("{PREFIX}{day}")
}

struct Found {
    /// By the clock of the database.
    today: Day,
    /// Whether this role may change the table.
    is_owner: bool,
    /// Whether each is attached: one that is not was about to be dropped.
    partitions: BTreeMap<Day, bool>,
}

async fn find(db: &Db) -> Result<Found, Failure> {
    let parent = format!(
        "SELECT {NOW}, pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = 'body'::regclass"
    );
    let tables = "SELECT relname::text, relispartition FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND starts_with(relname::text, $1)";
    let prefix = text(PREFIX);
    let (parent, tables) =
        futures_util::future::try_join(db.row(&parent, &[]), db.rows(tables, params![prefix]))
            .await?;
    let parent = parent.ok_or_else(|| Failure::Value("there is no table of bodies".into()))?;
    let mut partitions = BTreeMap::new();
    for table in &tables {
        let day = get::<&str>(table, 0)?.strip_prefix(PREFIX).and_then(Day::parse);
        if let Some(day) = day {
            partitions.insert(day, get(table, 1)?);
        }
    }
    let today = Day::of(Timestamp::from_micros(get(&parent, 0)?));
    Ok(Found { today, is_owner: get(&parent, 1)?, partitions })
}

/// Attaching a table needs a weaker lock than creating one in place: bodies are stored meanwhile. A
/// day of which bodies are among those of other days already stays there.
async fn create(db: &Db, day: Day, within: Duration) -> Result<(), Failure> {
    let (name, limits) = (name(day), limits(within));
    let sql = "SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT 1 FROM body_of_other_days
            WHERE received_at >= $2 AND received_at < $3)";
    let (from, to) = (day.begin().micros(), day.end().micros());
    let is_there = db.row(sql, params![text(&name), from, to]).await?;
    if is_there.map(|row| get(&row, 0)).transpose()? == Some(true) {
        return Ok(());
    }
    let attach = format!(
        "{limits}; {LOCK};
         CREATE TABLE {name} (LIKE body INCLUDING ALL) WITH ({SETTINGS});
         ALTER TABLE body ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    );
    is_done(db.batch(&attach).await).map(drop)
}

/// Drops the table of a day, unless one of its deliveries is not decided yet. It is detached first,
/// since removing its files takes longer than the lock on all bodies may last.
async fn drop_old(db: &Db, day: Day, is_attached: bool) -> Result<(), Failure> {
    let undecided = "SELECT 1 FROM inbox JOIN delivery ON delivery.id = inbox.delivery
        WHERE delivery.received_at >= $1 AND delivery.received_at < $2 LIMIT 1";
    if db.exists(undecided, params![day.begin().micros(), day.end().micros()]).await? {
        return Ok(());
    }
    let (name, limits) = (name(day), limits(CHANGE_MAX));
    let detach = format!("{limits}; {LOCK}; ALTER TABLE body DETACH PARTITION {name}");
    if is_attached && !is_done(db.batch(&detach).await)? {
        return Ok(());
    }
    let drop_table = format!("SET LOCAL lock_timeout = '100ms'; DROP TABLE IF EXISTS {name}");
    is_done(db.batch(&drop_table).await).map(drop)
}

/// Whether a change was made: not when it took too long, or when another replica or a body that was
/// just stored was first.
fn is_done(change: Result<(), Failure>) -> Result<bool, Failure> {
    let later = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::DUPLICATE_TABLE,
        SqlState::UNDEFINED_TABLE,
        SqlState::CHECK_VIOLATION,
    ];
    match change {
        Ok(()) => Ok(true),
        Err(failure) if failure.code().is_some_and(|code| later.contains(code)) => {
            tracing::debug!("the next pass changes a partition of bodies: {failure}");
            Ok(false)
        }
        Err(failure) => Err(failure),
    }
}
