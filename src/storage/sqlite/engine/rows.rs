//! Conversions between columns and values.

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::storage::codec;

/// The error of a column whose content cannot be read.
fn corrupt(column: usize, why: impl Into<String>) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, why.into().into())
}

pub(crate) fn from_json<T: DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    codec::from_json(text).map_err(|error| corrupt(column, error.to_string()))
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> rusqlite::Result<String> {
    codec::to_json(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}

pub(crate) fn decompress(column: usize, stored: &[u8]) -> rusqlite::Result<Vec<u8>> {
    codec::decompress(stored).map_err(|error| corrupt(column, error.to_string()))
}

pub(crate) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_micros)
}

pub(crate) fn time_maybe(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_micros))
}

/// The run in the columns `number, revision, body`.
pub(crate) fn run(row: &Row<'_>) -> rusqlite::Result<Run> {
    let body: String = row.get(2)?;
    let run: Run = from_json(2, &body)?;
    Ok(Run { number: row.get(0)?, revision: row.get(1)?, ..run })
}

/// The value that a stored name stands for.
pub(crate) fn parsed<T>(column: usize, text: &str, value: Option<T>) -> rusqlite::Result<T> {
    value.ok_or_else(|| corrupt(column, format!("unknown value {text:?}")))
}

/// A count as SQLite takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
