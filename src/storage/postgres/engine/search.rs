//! Finds the rows of a list, newest first, a page at a time. The cost does not grow with the number
//! of stored rows: rare values are found by an index, frequent ones among the newest rows, of which
//! a limited number is read.
//!
//! A page that reaches this limit has fewer rows than asked for, possibly none, and a next page.
//!
//! Where an index has every filter, [`Where::page`] is enough; else a [`Search`] names the keys of
//! the rows that may match. Conditions have one `?` for their value. The first column of each
//! `SELECT` is the key: the number that pages go by. A page is read in a snapshot
//! (`pool.read_snapshot`), because it may take two statements.

use std::borrow::Cow;

use tokio_postgres::Row;

use super::db::{Db, Param, param, text};
use super::failure::Failure;
use super::rows::{get, limit};
use super::times::Times;
use crate::storage::{Between, Page, Paged};

/// Rows that are read for one page.
pub(crate) const ROWS_MAX: usize = 2_000;

/// A value that a column is compared with.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(Cow<'static, str>),
    Bytes(Vec<u8>),
}

impl Value {
    fn param(&self) -> Param<'_> {
        match self {
            Value::Number(number) => param(number),
            Value::Text(text) => param(text),
            Value::Bytes(bytes) => param(bytes),
        }
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<&str> for Value {
    fn from(string: &str) -> Self {
        Value::Text(text(string).into_owned().into())
    }
}

impl From<String> for Value {
    fn from(string: String) -> Self {
        string.as_str().into()
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Value::Bytes(bytes)
    }
}

/// Conditions joined by AND, with their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Where {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Where {
    /// Adds a condition, unless there is no value.
    pub(crate) fn and(mut self, condition: &'static str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.conditions.push(condition);
            self.values.push(value.into());
        }
        self
    }

    /// A page of the rows of `select`, which has no `WHERE`.
    pub(crate) async fn page<T>(
        &self,
        db: &Db,
        select: &str,
        key: &str,
        page: Page,
        read: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Paged<T>, Failure> {
        let mut statement = Statement::default();
        statement.push(select, &[]);
        statement.push(&format!(" WHERE {key} < ?"), &[before(page)]);
        statement.push_conditions(self);
        statement.push(&format!(" ORDER BY {key} DESC LIMIT ?"), &[one_more(page)]);
        let rows = statement.rows(db).await?;
        let (items, next) = items(&rows, page, read)?;
        Ok(Paged { items, next })
    }
}

/// The keys of the rows that may match, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    from: &'static str,
    key: &'static str,
    /// Conditions for which there is an index; without one all rows may match.
    found: Where,
}

impl Keys {
    /// Every row of a table.
    pub(crate) fn all(from: &'static str, key: &'static str) -> Self {
        Self { from, key, found: Where::default() }
    }

    /// Rows with this value, by an index.
    pub(crate) fn by(mut self, condition: &'static str, value: impl Into<Value>) -> Self {
        self.found = self.found.and(condition, Some(value));
        self
    }

    /// Adds the statement that selects the keys after `page.before`, down to the first one that is
    /// wanted, without a limit.
    fn push_to(&self, statement: &mut Statement, page: Page, first: Option<i64>) {
        let Self { from, key, found } = self;
        let select = format!("SELECT {key} AS key FROM {from} WHERE {key} < ?");
        statement.push(&select, &[before(page)]);
        if let Some(first) = first {
            statement.push(&format!(" AND {key} >= ?"), &[first.into()]);
        }
        statement.push_conditions(found);
        statement.push(&format!(" ORDER BY {key} DESC"), &[]);
    }
}

/// A list with its filter.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    /// `SELECT key, … FROM …` without a `WHERE`: one row for each key.
    pub(crate) select: &'static str,
    /// The key in `select`, with its table: `run.number`.
    pub(crate) key: &'static str,
    pub(crate) keys: Keys,
    /// The keys to use when the newest rows do not fill a page.
    pub(crate) fallback: Option<Keys>,
    /// The conditions that every row has to meet.
    pub(crate) wanted: Where,
    pub(crate) times: Times,
    /// The times that are wanted, which `wanted` has as well: keys of others are not read.
    pub(crate) between: Between,
}

impl Search {
    /// A page of rows, each read by `read`.
    pub(crate) async fn page<T>(
        &self,
        db: &Db,
        page: Page,
        read: fn(&Row) -> Result<T, Failure>,
    ) -> Result<Paged<T>, Failure> {
        let first = self.key_of(db, self.between.first_us()).await?;
        let end = self.key_of(db, self.between.end_us()).await?;
        let before = [page.before, end].into_iter().flatten().min();
        let page = Page { before, ..page };
        let (found, is_cut) = self.find(db, &self.keys, page, first, read).await?;
        match &self.fallback {
            Some(fallback) if is_cut => Ok(self.find(db, fallback, page, first, read).await?.0),
            _ => Ok(found),
        }
    }

    async fn key_of(&self, db: &Db, at_us: Option<i64>) -> Result<Option<i64>, Failure> {
        match at_us {
            Some(at_us) => self.times.first_key(db, at_us).await.map(Some),
            None => Ok(None),
        }
    }

    /// A page, and whether the limit of rows was reached before it was full.
    async fn find<T>(
        &self,
        db: &Db,
        keys: &Keys,
        page: Page,
        first: Option<i64>,
        read: fn(&Row) -> Result<T, Failure>,
    ) -> Result<(Paged<T>, bool), Failure> {
        let rows = self.statement(keys, page, first).rows(db).await?;
        let (items, next) = items(&rows, page, read)?;
        if next.is_some() {
            return Ok((Paged { items, next }, false));
        }
        let mut of_last = Statement::default();
        keys.push_to(&mut of_last, page, first);
        of_last.push(&format!(" OFFSET {} LIMIT 1", ROWS_MAX - 1), &[]);
        let last = of_last.rows(db).await?;
        let next = last.first().map(|row| get(row, 0)).transpose()?;
        Ok((Paged { items, next }, next.is_some()))
    }

    /// Reads keys until the page is full. The inner `LIMIT 1` makes the database look up one row
    /// after the other; joined in another way, all keys would be read for each page.
    fn statement(&self, keys: &Keys, page: Page, first: Option<i64>) -> Statement {
        let Self { select, key, wanted, .. } = self;
        let mut statement = Statement::default();
        statement.push("SELECT item.* FROM (", &[]);
        keys.push_to(&mut statement, page, first);
        statement.push(&format!(" LIMIT {ROWS_MAX}) AS found CROSS JOIN LATERAL ({select}"), &[]);
        statement.push(&format!(" WHERE {key} = found.key"), &[]);
        statement.push_conditions(wanted);
        statement.push(" LIMIT 1) AS item ORDER BY found.key DESC LIMIT ?", &[one_more(page)]);
        statement
    }
}

/// The items of a page, and the `before` of the next one where a row more was found than asked for.
fn items<T>(
    rows: &[Row],
    page: Page,
    read: fn(&Row) -> Result<T, Failure>,
) -> Result<(Vec<T>, Option<i64>), Failure> {
    let shown = rows.get(..page.limit).unwrap_or(rows);
    let last = shown.last().filter(|_| rows.len() > page.limit);
    let next = last.map(|row| get(row, 0)).transpose()?;
    Ok((shown.iter().map(read).collect::<Result<_, _>>()?, next))
}

fn before(page: Page) -> Value {
    page.before.unwrap_or(i64::MAX).into()
}

/// One row more than asked for tells whether there is a next page.
fn one_more(page: Page) -> Value {
    limit(page.limit.saturating_add(1)).into()
}

/// A statement that is put together from parts, and its parameters in order.
#[derive(Debug, Default)]
struct Statement {
    sql: String,
    values: Vec<Value>,
}

impl Statement {
    /// Appends SQL with one `?` for each of `values`.
    fn push(&mut self, sql: &str, values: &[Value]) {
        let mut parts = sql.split('?');
        self.sql.push_str(parts.next().unwrap_or_default());
        for (part, value) in parts.zip(values) {
            self.values.push(value.clone());
            self.sql.push_str(&format!("${}{part}", self.values.len()));
        }
    }

    fn push_conditions(&mut self, Where { conditions, values }: &Where) {
        let mut values = values.iter();
        for condition in conditions {
            let value = condition.contains('?').then(|| values.next()).flatten();
            self.push(&format!(" AND {condition}"), value.map(std::slice::from_ref).unwrap_or(&[]));
        }
    }

    async fn rows(&self, db: &Db) -> Result<Vec<Row>, Failure> {
        let params: Vec<Param<'_>> = self.values.iter().map(Value::param).collect();
        db.rows(&self.sql, &params).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_in_the_order_of_the_statement() {
        let search = Search {
            select: "SELECT run.number FROM run",
            key: "run.number",
            keys: Keys::all("run", "number").by("state = ?", "x"),
            fallback: None,
            wanted: Where::default()
                .and("check_key = ?", None::<i64>)
                .and("lower(organization) = lower(?)", Some("fabrikam\0")),
            times: Times { table: "run", key: "number", at: "updated_at" },
            between: Between::default(),
        };
        let page = Page { limit: 2, before: None };
        let statement = search.statement(&search.keys, page, None);
        assert_eq!(
            statement.sql,
            "SELECT item.* FROM (SELECT number AS key FROM run WHERE number < $1 \
             AND state = $2 ORDER BY number DESC LIMIT 2000) AS found \
             CROSS JOIN LATERAL (SELECT run.number FROM run WHERE run.number = found.key \
             AND lower(organization) = lower($3) LIMIT 1) AS item ORDER BY found.key DESC LIMIT $4"
        );
        let [Value::Number(i64::MAX), Value::Text(state), Value::Text(name), Value::Number(3)] =
            statement.values.as_slice()
        else {
            panic!("{:?}", statement.values);
        };
        assert_eq!((&**state, &**name), ("x", "fabrikam\u{fffd}"));
    }
}
