//! Moves the rows of a database into another store, or those of another store into it.

mod columns;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join;

use super::Postgres;
use super::admin::partitions;
use super::engine::connection::Connector;
use super::engine::db::{Db, Param, params, text};
use super::engine::failure::Failure;
use super::engine::monitor;
use super::engine::pool::Pool;
use super::engine::rows::get;
use super::engine::schema;
use crate::domain::time::{Day, Timestamp};
use crate::storage::transfer::{
    Kind, MARK, PAGE_BYTES_MAX, PAGE_ROWS_MAX, Page, RECORD, Row, Side, TABLES, Table, Value,
};
use crate::storage::{Error, PostgresOptions, SchemaState, codec};
use columns::{Column, Scalar, values};

/// Pages are longer than what a gateway reads and writes.
const STATEMENT_MAX: Duration = Duration::from_secs(60);
/// For the statements of one move, one after the other.
const CONNECTIONS: usize = 2;

/// A database that no process works on.
#[derive(Debug)]
pub struct Unused {
    pool: Arc<Pool>,
}

impl Postgres {
    /// Connects to a database to move it elsewhere.
    ///
    /// # Errors
    /// A gateway uses it, or it cannot be used, and what to do about it.
    pub async fn open_as_source(options: &PostgresOptions) -> Result<Unused, Error> {
        let found = Self::schema(options, false).await?;
        if let SchemaState::Behind { from: 0, .. } = found {
            return Err(Error::unavailable("the source is not the database of a gateway"));
        }
        let source = Unused::connect(options).await?;
        source.check_unused().await?;
        let migrated = source.pool.write((), |db, _| async move { schema::migrate(&db).await });
        migrated.await?.map_err(Error::unavailable)?;
        let ended = source.pool.write_singly((), |db, _| async move {
            let before = monitor::dead_before(&db).await?;
            for sql in monitor::end_leases("seen_at < $1") {
                db.execute(&sql, params![before]).await?;
            }
            Ok(())
        });
        ended.await?;
        Ok(source)
    }

    /// Connects to a database to move another store into it.
    ///
    /// # Errors
    /// A gateway uses it, or it cannot be used, and what to do about it.
    pub async fn open_as_target(options: &PostgresOptions) -> Result<Unused, Error> {
        let target = Unused::connect(options).await?;
        let migrate =
            |db: Arc<Db>, _: Arc<()>| async move { schema::migrate_unfinished(&db).await };
        target.pool.write((), migrate).await?.map_err(Error::unavailable)?;
        Ok(target)
    }
}

impl Unused {
    async fn connect(options: &PostgresOptions) -> Result<Self, Error> {
        let statement_timeout = options.statement_timeout.max(STATEMENT_MAX);
        let options = PostgresOptions { statement_timeout, ..options.clone() };
        let connector = Connector::find_out(&options, "migrate").await?;
        Ok(Self { pool: Arc::new(Pool::new(&connector, CONNECTIONS)?) })
    }
}

#[async_trait]
impl Side for Unused {
    async fn check_unused(&self) -> Result<(), Error> {
        let living = self.pool.read((), |db, _| async move {
            let sql = "SELECT id FROM instance WHERE seen_at >= $1 ORDER BY id";
            let rows = db.rows(sql, params![monitor::dead_before(&db).await?]).await?;
            rows.iter().map(|row| get::<String>(row, 0)).collect::<Result<Vec<_>, _>>()
        });
        let living = living.await?;
        match living.is_empty() {
            true => Ok(()),
            false => Err(Error::unavailable(format!(
                "running gateways use the database ({}): stop them; one that was killed counts for \
                 {} s as running",
                living.join(", "),
                monitor::DEAD_AFTER.as_secs()
            ))),
        }
    }

    async fn meta(&self, key: &'static str) -> Result<Option<String>, Error> {
        self.pool.read(key, |db, key| async move { schema::meta(&db, &key).await }).await
    }

    async fn page(&self, table: &'static Table, after: Vec<Value>) -> Result<Vec<Row>, Error> {
        let page = self.pool.read((table, after), |db, args| async move {
            let (table, after) = &*args;
            match table.name {
                "delivery" => deliveries(&db, table, after).await,
                _ => page(&db, table, after).await,
            }
        });
        page.await
    }

    async fn last_number(&self, table: &'static Table) -> Result<i64, Error> {
        let last = self.pool.read(table, |db, table| async move {
            let (name, key) = (table.name, table.key);
            let sql = format!(
                "SELECT greatest(
                    (SELECT coalesce(max({key}), 0) FROM {name}),
                    coalesce(pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass), 0))"
            );
            number(&db, &sql, params![text(name), text(key)]).await
        });
        last.await
    }

    async fn begin(&self, gateway: String, mark: String) -> Result<bool, Error> {
        let begun = self.pool.write((gateway, mark), |db, args| async move {
            let (gateway, mark) = &*args;
            // Another move into this database waits for this row.
            let insert = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            if db.execute(insert, params![text(MARK), text(mark)]).await? == 0 {
                return Ok(false);
            }
            for table in &TABLES {
                if db.exists(&format!("SELECT 1 FROM {} LIMIT 1", table.name), &[]).await? {
                    db.execute("DELETE FROM meta WHERE key = $1", params![text(MARK)]).await?;
                    return Ok(false);
                }
            }
            let rename = "UPDATE meta SET value = $1 WHERE key = 'gateway'";
            db.execute(rename, params![text(gateway)]).await?;
            Ok(true)
        });
        let is_begun = begun.await?;
        if is_begun {
            // While none of today's bodies is there, so that today gets one.
            partitions::maintain(&self.pool, Timestamp::ZERO).await;
        }
        Ok(is_begun)
    }

    async fn write(&self, page: Page) -> Result<bool, Error> {
        if page.table.name == "delivery" {
            partitions::make(&self.pool, received_days(&page), STATEMENT_MAX).await?;
        }
        self.pool.write(page, |db, page| async move { write(&db, &page).await }).await
    }

    async fn finish(
        &self,
        mark: String,
        record: String,
        numbers: Vec<(&'static Table, i64)>,
    ) -> Result<bool, Error> {
        let finished = self.pool.write((mark, record, numbers), |db, args| async move {
            let (mark, record, numbers) = &*args;
            let removed = "DELETE FROM meta WHERE key = $1 AND value = $2";
            if db.execute(removed, params![text(MARK), text(mark)]).await? == 0 {
                return Ok(false);
            }
            let insert = "INSERT INTO meta (key, value) VALUES ($1, $2)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            db.execute(insert, params![text(RECORD), text(record)]).await?;
            for (table, number) in numbers.iter().filter(|(_, number)| *number > 0) {
                let set = "SELECT setval(pg_get_serial_sequence($1, $2)::regclass, $3)";
                db.rows(set, params![text(table.name), text(table.key), *number]).await?;
            }
            Ok(true)
        });
        finished.await
    }
}

async fn number(db: &Db, sql: &str, params: &[Param<'_>]) -> Result<i64, Failure> {
    let row = db.row(sql, params).await?;
    get(&row.ok_or_else(|| Failure::Value("there is no number".into()))?, 0)
}

async fn page(db: &Db, table: &Table, after: &[Value]) -> Result<Vec<Row>, Failure> {
    let key = table.key_columns().enumerate().map(|(at, name)| match at {
        0 if table.ignores_case => format!("lower(\"{name}\")"),
        _ => format!("\"{name}\""),
    });
    let key = key.collect::<Vec<_>>().join(", ");
    let numbers: Vec<String> = (1..=after.len()).map(|number| format!("${number}")).collect();
    let behind = match after {
        [] => String::new(),
        _ => format!("WHERE ({key}) > ({})", numbers.join(", ")),
    };
    let (columns, name) = (table.column_list(), table.name);
    let sql =
        format!("SELECT {columns} FROM \"{name}\" {behind} ORDER BY {key} LIMIT {PAGE_ROWS_MAX}");
    let is_lower = |at: usize| at == 0 && table.ignores_case;
    let key: Vec<Scalar<'_>> =
        after.iter().enumerate().map(|(at, value)| Scalar::of(value, is_lower(at))).collect();
    let params: Vec<Param<'_>> = key.iter().map(Scalar::param).collect();
    let kinds: Vec<Kind> = table.columns().into_iter().map(|(_, kind)| kind).collect();
    let rows = db.rows(&sql, &params).await?;
    rows.iter().map(|row| values(row, &kinds)).collect()
}

/// The columns of a delivery, apart from its body.
fn delivery_columns(table: &Table) -> Vec<(&'static str, Kind)> {
    table.columns().into_iter().filter(|(name, _)| *name != BODY).collect()
}

const BODY: &str = "body";

/// Deliveries with their bodies, as far as these are short enough together.
async fn deliveries(db: &Db, table: &Table, after: &[Value]) -> Result<Vec<Row>, Failure> {
    let after = match after {
        [Value::Integer(id)] => *id,
        _ => i64::MIN,
    };
    let bytes = i64::try_from(PAGE_BYTES_MAX).unwrap_or(i64::MAX);
    let last = format!(
        "SELECT coalesce(max(id), 0) FROM
            (SELECT id, sum(body_bytes) OVER (ORDER BY id) - body_bytes AS before
             FROM (SELECT id, body_bytes FROM delivery WHERE id > $1 ORDER BY id
                LIMIT {PAGE_ROWS_MAX}) AS next) AS short
         WHERE before < $2::bigint"
    );
    let last = number(db, &last, params![after, bytes]).await?;
    let columns = delivery_columns(table);
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let facts = format!(
        "SELECT {}, received_at FROM delivery WHERE id > $1 AND id <= $2 ORDER BY id",
        names.join(", ")
    );
    let bodies = "SELECT delivery, received_at, body FROM body
        WHERE delivery > $1 AND delivery <= $2";
    let (after_last, bodies_after_last) = (params![after, last], params![after, last]);
    let (facts, bodies) =
        try_join(db.rows(&facts, after_last), db.rows(bodies, bodies_after_last)).await?;
    let mut body_of: HashMap<(i64, i64), Vec<u8>> = HashMap::new();
    for row in bodies {
        body_of.insert((get(&row, 0)?, get(&row, 1)?), get(&row, 2)?);
    }
    let kinds: Vec<Kind> = columns.iter().map(|(_, kind)| *kind).collect();
    let is_body = |(name, _): &(&str, Kind)| *name == BODY;
    let at = table.columns().iter().position(is_body).unwrap_or(columns.len());
    let mut rows = Vec::with_capacity(facts.len());
    for fact in facts {
        let mut row = values(&fact, &kinds)?;
        let key = (get(&fact, 0)?, get(&fact, columns.len())?);
        // A body that was deleted before its delivery is moved as an empty one.
        let body = body_of.remove(&key).unwrap_or_else(|| codec::compress(&[]));
        row.insert(at, Value::Bytes(body));
        rows.push(row);
    }
    Ok(rows)
}

/// The days of the bodies in a page of deliveries.
fn received_days(page: &Page) -> BTreeSet<Day> {
    let at = page.table.columns().iter().position(|(name, _)| *name == "received_at");
    let received = page.rows.iter().filter_map(|row| match row.get(at?) {
        Some(Value::Integer(micros)) => Some(Timestamp::from_micros(*micros)),
        _ => None,
    });
    received.map(Day::of).collect()
}

async fn write(db: &Db, page: &Page) -> Result<bool, Failure> {
    let Page { table, rows, before, behind } = page;
    let moved = "UPDATE meta SET value = $3 WHERE key = $1 AND value = $2";
    if db.execute(moved, params![text(MARK), text(before), text(behind)]).await? == 0 {
        return Ok(false);
    }
    let columns = table.columns();
    match table.name {
        "delivery" => {
            let facts = delivery_columns(table);
            let body = [("id", Kind::Integer), ("received_at", Kind::Integer), (BODY, Kind::Bytes)];
            insert(db, table.name, &facts, "", &columns, rows).await?;
            insert(db, BODY, &body, "delivery, received_at, body", &columns, rows).await?;
        }
        name => insert(db, name, &columns, "", &columns, rows).await?,
    }
    Ok(true)
}

/// Inserts these columns of rows into a table, where they are called `names`; in the same way where
/// that is empty. `all` are the columns of the rows.
async fn insert(
    db: &Db,
    into: &str,
    columns: &[(&'static str, Kind)],
    names: &str,
    all: &[(&'static str, Kind)],
    rows: &[Row],
) -> Result<(), Failure> {
    let mut values = Vec::new();
    for (name, kind) in columns {
        let at = all.iter().position(|(found, _)| found == name).unwrap_or(all.len());
        values.push(Column::of(*kind, rows.iter().filter_map(|row| row.get(at))));
    }
    let params: Vec<Param<'_>> = values.iter().map(Column::param).collect();
    let names = match names {
        "" => columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", "),
        names => names.to_owned(),
    };
    let numbers: Vec<String> = (1..=params.len()).map(|number| format!("${number}")).collect();
    let sql = format!(
        "INSERT INTO \"{into}\" ({names}) SELECT * FROM unnest({}) ON CONFLICT DO NOTHING",
        numbers.join(", ")
    );
    db.execute(&sql, &params).await?;
    Ok(())
}
