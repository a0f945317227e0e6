//! Between columns and values: the conversions that every table needs. It must never hold a query.

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::run::Run;
use crate::domain::time::Timestamp;

/// What is stored does not read as what it should be.
pub(crate) fn corrupt(column: usize, why: impl Into<String>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, why.into().into())
}

pub(crate) fn from_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| corrupt(column, error.to_string()))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub(crate) fn time_maybe(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// From the columns `number, revision, body`.
pub(crate) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let body: String = row.get(2)?;
    let run: Run = from_json(2, &body)?;
    Ok(Run { number: row.get(0)?, revision: row.get(1)?, ..run })
}

/// A value that must be one of ours.
pub(crate) fn parsed<T>(column: usize, text: &str, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| corrupt(column, format!("unknown value {text:?}")))
}

/// Counts as SQLite wants them.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
