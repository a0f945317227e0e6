//! The partitions of the table of bodies: one for each day, made ahead, and dropped as a whole when
//! the day is old. No lock of a table is waited for longer than 100 ms: what does not succeed is
//! done the next time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

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
const LOCK_MAX: Duration = Duration::from_millis(100);
/// The key of the advisory lock under which partitions change.
const LOCK: i64 = 0x617a_646f_2d67_7702;

/// Makes the partitions of the next days, and drops those of days that ended before `before`.
pub(in crate::storage::postgres) async fn maintain(pool: &Arc<Pool>, before: Timestamp) {
    if let Err(error) = change(pool, before).await {
        tracing::info!("partitions of bodies are changed the next time: {error}");
    }
}

async fn change(pool: &Arc<Pool>, before: Timestamp) -> Result<(), Error> {
    let found = pool.read((), |db, _| async move { find(&db).await }).await?;
    let Found { today, partitions } = found;
    let wanted = (0..=AHEAD).map(|days| today.plus(days));
    for day in wanted.filter(|day| !partitions.contains(&name(*day))) {
        pool.write(day, |db, day| async move { create(&db, *day).await }).await?;
    }
    for partition in partitions {
        let day = partition.strip_prefix(PREFIX).and_then(Day::parse);
        let Some(day) = day.filter(|day| day.end() <= before) else { continue };
        let of = (partition, day);
        pool.write(of, |db, of| async move { drop_old(&db, &of.0, of.1).await }).await?;
    }
    Ok(())
}

fn name(day: Day) -> String {
    format!("{PREFIX}{day}")
}

struct Found {
    today: Day,
    partitions: BTreeSet<String>,
}

async fn find(db: &Db) -> Result<Found, Failure> {
    let sql = format!(
        "SELECT {NOW}, ARRAY(SELECT inhrelid::regclass::text FROM pg_inherits
            WHERE inhparent = 'body'::regclass)"
    );
    let row = db.row(&sql, &[]).await?;
    let row = row.ok_or_else(|| Failure::Value("the server has no time".into()))?;
    let (now, partitions): (i64, Vec<String>) = (get(&row, 0)?, get(&row, 1)?);
    let today = Day::of(Timestamp::from_micros(now));
    Ok(Found { today, partitions: partitions.into_iter().collect() })
}

/// Replicas change partitions one after the other, and no statement waits long behind them.
async fn lock(db: &Db) -> Result<(), Failure> {
    db.batch(&format!("SET LOCAL lock_timeout = {}", LOCK_MAX.as_millis())).await?;
    db.execute("SELECT pg_advisory_xact_lock($1)", params![LOCK]).await?;
    Ok(())
}

/// Attaching a table needs a weaker lock than creating one in place. A day of which rows are in the
/// last partition already stays there.
async fn create(db: &Db, day: Day) -> Result<(), Failure> {
    lock(db).await?;
    let name = name(day);
    let sql = "SELECT to_regclass($1) IS NOT NULL OR EXISTS (SELECT 1 FROM body_of_other_days
            WHERE received_at >= $2 AND received_at < $3)";
    let (from, to) = (day.begin().micros(), day.end().micros());
    let is_there = db.row(sql, params![text(&name), from, to]).await?;
    if is_there.map(|row| get(&row, 0)).transpose()? == Some(true) {
        return Ok(());
    }
    db.batch(&format!(
        "CREATE TABLE {name} (LIKE body INCLUDING ALL);
         ALTER TABLE body ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
    ))
    .await
}

/// Drops a partition, unless one of its deliveries is not decided yet.
async fn drop_old(db: &Db, name: &str, day: Day) -> Result<(), Failure> {
    lock(db).await?;
    let sql = "SELECT 1 FROM inbox JOIN delivery ON delivery.id = inbox.delivery
        WHERE delivery.received_at >= $1 AND delivery.received_at < $2 LIMIT 1";
    if db.exists(sql, params![day.begin().micros(), day.end().micros()]).await? {
        return Ok(());
    }
    db.batch(&format!("ALTER TABLE body DETACH PARTITION {name}; DROP TABLE {name}")).await
}
