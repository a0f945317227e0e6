//! Moves the rows of a database into another store, or those of another store into it.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row as StoredRow, ToSql, params, params_from_iter};

use super::Sqlite;
use super::engine::schema;
use crate::storage::transfer::{
    Kind, MARK, PAGE_BYTES_MAX, PAGE_ROWS_MAX, Page, RECORD, Row, Side, TABLES, Table, Value,
};
use crate::storage::{EnvelopeReader, Error, SchemaState};

impl Sqlite {
    /// Opens a database to move it elsewhere; what is in the intake is in the inbox afterwards.
    ///
    /// # Errors
    /// There is none, a gateway uses it, or it cannot be opened.
    pub async fn open_as_source(path: &Path, read_envelope: EnvelopeReader) -> Result<Self, Error> {
        if let SchemaState::Behind { from: 0, .. } = Self::schema(path, false)? {
            let path = path.display();
            return Err(Error::unavailable(format!("{path} is not the database of a gateway")));
        }
        let source = Self::open(path, read_envelope)?;
        source.move_all_to_inbox().await?;
        Ok(source)
    }

    /// Opens a database to move another store into it, creating it where there is none.
    ///
    /// # Errors
    /// A gateway uses it, or it cannot be opened.
    pub fn open_as_target(path: &Path, read_envelope: EnvelopeReader) -> Result<Self, Error> {
        // Leases stay as they are in the source, with which everything is compared.
        Self::open_prepared(path, read_envelope, |db| Ok(schema::migrate_unfinished(db)?.map(drop)))
    }
}

#[async_trait]
impl Side for Sqlite {
    /// This process has the lock on the file.
    async fn check_unused(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn meta(&self, key: &'static str) -> Result<Option<String>, Error> {
        self.readers.read(move |db| schema::meta(db, key)).await
    }

    async fn page(&self, table: &'static Table, after: Vec<Value>) -> Result<Vec<Row>, Error> {
        self.readers.read(move |db| page(db, table, &after)).await
    }

    async fn last_number(&self, table: &'static Table) -> Result<i64, Error> {
        self.readers.read(move |db| last_number(db, table)).await
    }

    async fn begin(&self, gateway: String, mark: String) -> Result<bool, Error> {
        // With the name of their installation they would be taken for deliveries of today.
        if self.intake.has_files() && self.readers.read(is_empty).await? {
            return Err(Error::unavailable(
                "beside the target lie deliveries of an earlier database, in files with -intake- \
                 in their names: move them elsewhere, or give --to another path",
            ));
        }
        let begin = move |db: &Connection| {
            if !is_empty(db)? {
                return Ok(false);
            }
            db.execute("UPDATE meta SET value = ?1 WHERE key = 'gateway'", [&gateway])?;
            db.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", [MARK, &mark])?;
            Ok(true)
        };
        self.writer.write(0, begin).await
    }

    async fn write(&self, page: Page) -> Result<bool, Error> {
        let bytes = page.rows.iter().map(bytes).sum();
        self.writer.write(bytes, move |db| write(db, &page)).await
    }

    async fn finish(
        &self,
        mark: String,
        record: String,
        numbers: Vec<(&'static Table, i64)>,
    ) -> Result<bool, Error> {
        let finish = move |db: &Connection| {
            let removed = "DELETE FROM meta WHERE key = ?1 AND value = ?2";
            if db.execute(removed, [MARK, &mark])? == 0 {
                return Ok(false);
            }
            db.execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [RECORD, &record])?;
            for (table, number) in &numbers {
                number_on(db, table, *number)?;
            }
            Ok(true)
        };
        self.writer.write(0, finish).await
    }
}

fn bytes(row: &Row) -> usize {
    row.iter().map(Value::bytes).sum()
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    for table in &TABLES {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", table.name);
        if db.query_row(&sql, [], |row| row.get(0))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn page(db: &Connection, table: &Table, after: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let key: Vec<String> = table.key_columns().map(|name| format!("\"{name}\"")).collect();
    let key = key.join(", ");
    let behind = match after {
        [] => String::new(),
        after => format!("WHERE ({key}) > ({})", numbers(after.len())),
    };
    let (columns, name) = (table.column_list(), table.name);
    let sql = format!("SELECT {columns} FROM {name} {behind} ORDER BY {key} LIMIT {PAGE_ROWS_MAX}");
    let kinds: Vec<Kind> = table.columns().into_iter().map(|(_, kind)| kind).collect();
    let mut select = db.prepare_cached(&sql)?;
    let mut stored = select.query(params_from_iter(after))?;
    let (mut rows, mut total) = (Vec::new(), 0);
    while total < PAGE_BYTES_MAX
        && let Some(row) = stored.next()?
    {
        let kinds = kinds.iter().enumerate();
        let row = kinds.map(|(at, kind)| value(row, at, *kind)).collect::<Result<Row, _>>()?;
        total += bytes(&row);
        rows.push(row);
    }
    Ok(rows)
}

/// `?1, ?2, …`.
fn numbers(count: usize) -> String {
    let numbers: Vec<String> = (1..=count).map(|number| format!("?{number}")).collect();
    numbers.join(", ")
}

fn value(row: &StoredRow<'_>, at: usize, kind: Kind) -> rusqlite::Result<Value> {
    if let ValueRef::Null = row.get_ref(at)? {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Integer => Value::Integer(row.get(at)?),
        Kind::Boolean => Value::Boolean(row.get(at)?),
        Kind::Text => Value::Text(row.get(at)?),
        Kind::Json => Value::Json(row.get(at)?),
        Kind::Bytes => Value::Bytes(row.get(at)?),
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Owned(Stored::Null),
            Value::Integer(number) => ToSqlOutput::Owned(Stored::Integer(*number)),
            Value::Boolean(is_true) => ToSqlOutput::Owned(Stored::Integer((*is_true).into())),
            Value::Text(text) | Value::Json(text) => {
                ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
            }
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

fn write(db: &Connection, page: &Page) -> rusqlite::Result<bool> {
    let Page { table, rows, before, behind } = page;
    let moved = "UPDATE meta SET value = ?3 WHERE key = ?1 AND value = ?2";
    if db.prepare_cached(moved)?.execute([MARK, before, behind])? == 0 {
        return Ok(false);
    }
    let (columns, values) = (table.column_list(), numbers(table.columns().len()));
    let name = table.name;
    let sql = format!("INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING");
    let mut insert = db.prepare_cached(&sql)?;
    for row in rows {
        insert.execute(params_from_iter(row))?;
    }
    Ok(true)
}

/// Tables whose numbers are never used twice store the last one apart from the rows.
fn last_number(db: &Connection, table: &Table) -> rusqlite::Result<i64> {
    let has_stored = "SELECT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)";
    let of_rows = format!("SELECT coalesce(max({}), 0) FROM {}", table.key, table.name);
    match db.query_row(has_stored, [table.name], |row| row.get(0))? {
        true => {
            let stored = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
            db.query_row(stored, [table.name], |row| row.get(0))
        }
        false => db.query_row(&of_rows, [], |row| row.get(0)),
    }
}

/// The other tables number on behind their last row.
fn number_on(db: &Connection, table: &Table, number: i64) -> rusqlite::Result<()> {
    let stores_numbers = "SELECT 1 FROM sqlite_schema
        WHERE type = 'table' AND name = ?1 AND sql LIKE '%AUTOINCREMENT%'";
    let found: Option<i64> =
        db.query_row(stores_numbers, [table.name], |row| row.get(0)).optional()?;
    if found.is_some() && number > 0 {
        db.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table.name])?;
        let insert = "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)";
        db.execute(insert, params![table.name, number])?;
    }
    Ok(())
}
