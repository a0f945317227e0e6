//! Makes a database large in seconds: deliveries that a gateway really stored are multiplied inside
//! it, while no gateway runs.
//!
//! This is the one place that knows the gateway's schema, and of that only the names of two tables
//! and of the keys that must differ between two rows; whatever else a row holds is copied. What
//! comes out is asked of the gateway itself before anything is measured. It must never be used
//! where something is to be proved of what it made.

use std::path::Path;

use anyhow::{Context, ensure};
use rusqlite::{Connection as Database, OptionalExtension, params};
use serde_json::Value;

use crate::caller::Caller;
use crate::connections::Connection;
use crate::gateway::{Gateway, Hook, OPERATOR};
use crate::gauges;

/// Deliveries that are sent before, to be multiplied.
pub(crate) const SEEDS: u64 = 2_000;
/// Of one transaction.
const BATCH: i64 = 100_000;
const SUBSCRIPTIONS: u64 = 8;
const ACCEPTED: u16 = 202;
const STOP_MAX: std::time::Duration = std::time::Duration::from_secs(60);

/// What is written instead of a copy, for each column that must differ. `n` counts the rows.
/// Notifications count up like those of Azure DevOps and stay below whatever is sent later; the
/// identities of events are random like theirs, so that their index grows everywhere at once.
const DELIVERY_KEYS: [(&str, &str); 3] =
    [("id", "n"), ("notification", "n"), ("event_id", "randomblob(16)")];
const DECISION_KEYS: [(&str, &str); 1] = [("delivery", "n")];

/// Leaves `count` decided deliveries in the database of a gateway that does not run and has none.
pub(crate) async fn fill(gateway: &Gateway, count: u64) -> anyhow::Result<()> {
    if count == 0 {
        return Ok(());
    }
    seed(gateway, count.min(SEEDS)).await.context("no deliveries to multiply")?;
    let path = gateway.database();
    multiply(&path, count)
        .with_context(|| format!("{} could not be filled: has the schema changed?", path.display()))
}

/// Has a gateway store small deliveries: their number is what matters, and not their size.
async fn seed(gateway: &Gateway, count: u64) -> anyhow::Result<()> {
    let hook = gateway.hook()?;
    let mut server = gateway.serve(false)?;
    server.wait_until_alive().await?;
    let mut connection = Connection::open(server.address).await?;
    for number in 1..=count {
        let status = send(&mut connection, &hook, number).await?;
        ensure!(status == ACCEPTED, "delivery {number} was answered {status}");
    }
    let settled = gauges::settled_at_last(server.address).await?;
    settled.context("the deliveries are not decided")?;
    server.stop(STOP_MAX).await?;
    Ok(())
}

async fn send(connection: &mut Connection, hook: &Hook, number: u64) -> std::io::Result<u16> {
    let headers = format!("authorization: {}\r\n", hook.authorization);
    let body = body(number);
    Ok(connection.ask("POST", &hook.path, &headers, &body).await?.status)
}

/// A push, as short as it can be.
fn body(number: u64) -> String {
    let subscription = number % SUBSCRIPTIONS;
    format!(
        "{{\"subscriptionId\":\"7d21f0e4-83bc-4a56-9f1e-00000000000{subscription}\",\
         \"notificationId\":{number},\"id\":\"5eed0000-0000-4000-8000-{number:012x}\",\
         \"eventType\":\"git.push\",\"publisherId\":\"tfs\",\
         \"createdDate\":\"2026-03-02T00:00:00.0000000Z\",\"resource\":{{\"pushId\":{number},\
         \"refUpdates\":[{{\"name\":\"refs/heads/filler\",\
         \"oldObjectId\":\"0000000000000000000000000000000000000000\",\
         \"newObjectId\":\"{number:040x}\"}}],\"repository\":{{\
         \"id\":\"6f2b91d4-c0e8-4357-9ab6-1d84e7f3c205\",\"name\":\"route-planner\",\
         \"project\":{{\"id\":\"f04c8e2b-96d1-4b7a-8e35-c1a7d9026f4b\",\"name\":\"filler\"}}}}}}}}"
    )
}

fn multiply(path: &Path, count: u64) -> anyhow::Result<()> {
    let db = Database::open(path)?;
    // What is lost when the machine fails now is made again.
    db.execute_batch(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -524288;
         PRAGMA temp_store = MEMORY; PRAGMA threads = 2;",
    )?;
    let count = i64::try_from(count)?;
    let seeds: i64 = db.query_row("SELECT max(id) FROM delivery", [], |row| row.get(0))?;
    let waiting: i64 = db.query_row("SELECT count(*) FROM inbox", [], |row| row.get(0))?;
    ensure!(waiting == 0, "{waiting} deliveries wait for a decision");
    // Indexes are quicker to make anew than to add to: the keys of one are random.
    let indexes = indexes_of(&db, "delivery")?;
    for (name, _) in &indexes {
        db.execute_batch(&format!("DROP INDEX \"{name}\""))?;
    }
    let mut made = seeds;
    let deliveries = copying(&db, "delivery", "id", &DELIVERY_KEYS)?;
    let decisions = copying(&db, "decision", "delivery", &DECISION_KEYS)?;
    while made < count {
        let last = count.min(made + BATCH);
        db.execute_batch("BEGIN")?;
        for copy in deliveries.iter().chain(&decisions) {
            db.prepare_cached(copy)?.execute(params![made + 1, last, seeds])?;
        }
        db.execute_batch("COMMIT")?;
        made = last;
    }
    for (_, sql) in &indexes {
        db.execute_batch(sql)?;
    }
    db.execute_batch("PRAGMA journal_mode = WAL;")?;
    drop(db);
    // Whatever is measured next must not pay for writing it out.
    Ok(std::fs::File::open(path)?.sync_all()?)
}

fn indexes_of(db: &Database, table: &str) -> rusqlite::Result<Vec<(String, String)>> {
    db.prepare(
        "SELECT name, sql FROM sqlite_schema
         WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
    )?
    .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Makes rows ?1 to ?2 from the first ?3; nothing where there is no such table.
fn copying(
    db: &Database,
    table: &str,
    key: &str,
    keys: &[(&str, &str)],
) -> rusqlite::Result<Option<String>> {
    let is_there: Option<i64> = db
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [table],
            |row| row.get(0),
        )
        .optional()?;
    if is_there.is_none() {
        return Ok(None);
    }
    let columns: Vec<String> = db
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let value = |column: &String| {
        let instead = keys.iter().find(|(name, _)| name == column);
        instead.map_or_else(|| format!("old.\"{column}\""), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let columns: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    Ok(Some(format!(
        "WITH RECURSIVE numbers(n) AS
            (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2)
         INSERT INTO \"{table}\" ({}) SELECT {} FROM numbers
         CROSS JOIN \"{table}\" AS old ON old.\"{key}\" = 1 + n % ?3",
        columns.join(", "),
        values.join(", ")
    )))
}

/// What the running gateway says is not as it was filled; empty if all is well.
pub(crate) async fn check(
    address: std::net::SocketAddr,
    count: u64,
) -> anyhow::Result<Vec<String>> {
    let caller = Caller::with_token(address, OPERATOR);
    let mut problems = Vec::new();
    let newest = caller.get("/v1/deliveries?limit=1").await?;
    let id = |list: &Value| list.pointer("/items/0/id").and_then(as_number);
    let found = id(&newest).unwrap_or_default();
    if found != count {
        problems.push(format!("{count} deliveries were filled in, the newest is {found}"));
    }
    if count == 0 {
        return Ok(problems);
    }
    let middle = caller.get(&format!("/v1/deliveries/{}", count.div_ceil(2))).await?;
    let outcome = middle.get("outcome").and_then(Value::as_str).unwrap_or("missing");
    if outcome == "pending" || outcome == "missing" {
        problems.push(format!("the delivery in the middle is {outcome}"));
    }
    Ok(problems)
}

/// As a number or as text: the API may do either.
pub(crate) fn as_number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_multiplied_with_keys_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let db = Database::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE delivery (id INTEGER PRIMARY KEY, subscription INTEGER,
                notification INTEGER, event_id BLOB, later_column TEXT);
             CREATE UNIQUE INDEX once ON delivery (subscription, notification);
             CREATE TABLE inbox (delivery INTEGER PRIMARY KEY);
             CREATE TABLE decision (delivery INTEGER PRIMARY KEY, reason TEXT);
             INSERT INTO delivery VALUES (1, 1, 1, x'01', 'a'), (2, 2, 2, x'02', 'b');
             INSERT INTO decision VALUES (1, 'why'), (2, 'why');",
        )
        .unwrap();
        drop(db);
        multiply(&path, 250_000).unwrap();
        let db = Database::open(&path).unwrap();
        let count = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM delivery"), 250_000);
        assert_eq!(count("SELECT count(DISTINCT event_id) FROM delivery"), 250_000);
        assert_eq!(count("SELECT count(*) FROM delivery WHERE later_column = 'a'"), 125_000);
        assert_eq!(count("SELECT count(*) FROM decision"), 250_000);
        assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name = 'once'"), 1);
    }

    #[test]
    fn the_shortest_push_is_json() {
        let body: Value = serde_json::from_str(&body(7)).unwrap();
        assert_eq!(body["resource"]["refUpdates"][0]["newObjectId"].as_str().unwrap().len(), 40);
    }
}
