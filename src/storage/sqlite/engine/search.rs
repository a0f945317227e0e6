//! Finds the rows of a list, newest first, a page at a time. The cost does not grow with the number
//! of stored rows: rare values are found by an index, frequent ones among the newest rows, of which
//! a limited number is read.
//!
//! A page that reaches this limit has fewer rows than asked for, possibly none, and a next page.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, ToSql, params_from_iter};

use super::rows::limit;
use super::times::Times;
use crate::storage::{Between, Page, Paged};

/// Rows that are read for one page and do not match.
pub(crate) const MISSES_MAX: usize = 2_000;

/// Conditions joined by AND, with their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Where {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Where {
    pub(crate) fn and(mut self, condition: &'static str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.conditions.push(condition);
            self.values.push(value.into());
        }
        self
    }

    pub(crate) fn page<T>(
        mut self,
        db: &Connection,
        select: &str,
        key: &str,
        page: Page,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
    ) -> rusqlite::Result<Paged<T>> {
        let mut conditions = self.conditions.join(" AND ");
        if let Some(before) = page.before {
            let and = if conditions.is_empty() { "" } else { " AND " };
            conditions = format!("{conditions}{and}{key} < ?");
            self.values.push(before.into());
        }
        let filter = if conditions.is_empty() { "" } else { "WHERE " };
        // One row more than asked for tells whether there is a next page.
        self.values.push(limit(page.limit.saturating_add(1)).into());
        let sql = format!("{select} {filter}{conditions} ORDER BY {key} DESC LIMIT ?");
        let mut rows = db
            .prepare_cached(&sql)?
            .query_map(params_from_iter(self.values), read)?
            .collect::<Result<Vec<_>, _>>()?;
        let is_more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| is_more).map(|(key, _)| *key);
        Ok(Paged { items: rows.into_iter().map(|(_, item)| item).collect(), next })
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

    /// The rows of a partial index.
    pub(crate) fn being(mut self, condition: &'static str) -> Self {
        self.found.conditions.push(condition);
        self
    }

    /// With `has_first` the last parameter is the first key that is wanted.
    pub(crate) fn sql(&self, has_first: bool) -> String {
        let Self { from, key, found } = self;
        let (before, first) = (format!("{key} < ?"), format!("{key} >= ?"));
        let first = has_first.then_some(first.as_str());
        let conditions = found.conditions.iter().copied();
        let conditions: Vec<&str> = conditions.chain([before.as_str()]).chain(first).collect();
        let conditions = conditions.join(" AND ");
        format!("SELECT {key} FROM {from} WHERE {conditions} ORDER BY {key} DESC")
    }
}

/// A page of keys. With `is_cut` the limit of rows was reached before the page was full.
struct Found {
    keys: Vec<i64>,
    next: Option<i64>,
    is_cut: bool,
}

/// A list with its filter.
#[derive(Debug)]
pub(crate) struct Search {
    /// `SELECT 1 FROM … WHERE key = ?`, to which the conditions are appended.
    pub(crate) matches: &'static str,
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
    /// A page of rows, each read by `read`; a row that was deleted meanwhile is left out.
    pub(crate) fn page<T>(
        &self,
        db: &Connection,
        page: Page,
        read: impl Fn(i64) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Paged<T>> {
        let key_of = |at_us: Option<i64>| at_us.map(|at_us| self.times.first_key(db, at_us));
        let first = key_of(self.between.first_us()).transpose()?;
        let end = key_of(self.between.end_us()).transpose()?;
        let before = [page.before, end].into_iter().flatten().min();
        let page = Page { before, ..page };
        let mut found = self.find(db, &self.keys, page, first)?;
        if let Some(fallback) = self.fallback.as_ref().filter(|_| found.is_cut) {
            found = self.find(db, fallback, page, first)?;
        }
        let items = found.keys.into_iter().map(read).filter_map(Result::transpose);
        Ok(Paged { items: items.collect::<Result<_, _>>()?, next: found.next })
    }

    fn find(
        &self,
        db: &Connection,
        keys: &Keys,
        page: Page,
        first: Option<i64>,
    ) -> rusqlite::Result<Found> {
        let before = page.before.unwrap_or(i64::MAX);
        let ends = [before.into()].into_iter().chain(first.map(Value::from));
        let values = keys.found.values.iter().cloned().chain(ends);
        let mut of_keys = db.prepare_cached(&keys.sql(first.is_some()))?;
        let mut rows = of_keys.query(params_from_iter(values))?;
        let conditions: String =
            self.wanted.conditions.iter().map(|one| format!(" AND {one}")).collect();
        let mut matches = db.prepare_cached(&format!("{}{conditions}", self.matches))?;
        let mut found: Vec<i64> = Vec::new();
        let mut misses = 0;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            let one: [&dyn ToSql; 1] = [&key];
            let wanted = self.wanted.values.iter().map(|value| value as &dyn ToSql);
            let values = params_from_iter(one.into_iter().chain(wanted));
            if conditions.is_empty() || matches.exists(values)? {
                if found.len() == page.limit {
                    // One row more than asked for: there is a next page.
                    let next = found.last().copied();
                    return Ok(Found { keys: found, next, is_cut: false });
                }
                found.push(key);
                continue;
            }
            misses += 1;
            if misses == MISSES_MAX {
                return Ok(Found { keys: found, next: Some(key), is_cut: true });
            }
        }
        Ok(Found { keys: found, next: None, is_cut: false })
    }
}
