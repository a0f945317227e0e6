//! Conversions between columns and values.

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use super::failure::Failure;
use crate::domain::id::RunId;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::storage::codec;

/// The value of a column.
pub(crate) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

pub(crate) fn time(row: &Row, column: usize) -> Result<Timestamp, Failure> {
    get(row, column).map(Timestamp::from_micros)
}

pub(crate) fn time_maybe(row: &Row, column: usize) -> Result<Option<Timestamp>, Failure> {
    Ok(get::<Option<i64>>(row, column)?.map(Timestamp::from_micros))
}

/// A number that is never negative.
pub(crate) fn count<T: TryFrom<i64>>(row: &Row, column: usize) -> Result<T, Failure> {
    let number: i64 = get(row, column)?;
    T::try_from(number).map_err(|_| Failure::Value(format!("the number {number} is out of range")))
}

/// The value whose JSON is in a column.
pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Failure> {
    from_json(get(row, column)?)
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    codec::from_json(text).map_err(|error| Failure::Value(error.to_string()))
}

/// JSON of a value, without NUL.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let json = codec::to_json(value).map_err(|error| Failure::Value(error.to_string()))?;
    Ok(codec::without_nul(&json).into_owned())
}

pub(crate) fn decompress(stored: &[u8]) -> Result<Vec<u8>, Failure> {
    codec::decompress(stored).map_err(|error| Failure::Value(error.to_string()))
}

pub(crate) fn run_id(row: &Row, column: usize) -> Result<Option<RunId>, Failure> {
    let bytes: Option<&[u8]> = get(row, column)?;
    let id = |bytes| Uuid::from_slice(bytes).map(RunId);
    bytes.map(id).transpose().map_err(|error| Failure::Value(error.to_string()))
}

/// The run in the columns `number, revision, body`, of which this is the first.
pub(crate) fn run(row: &Row, first: usize) -> Result<Run, Failure> {
    let run: Run = json(row, first + 2)?;
    Ok(Run { number: get(row, first)?, revision: get(row, first + 1)?, ..run })
}

/// The value that a stored name stands for.
pub(crate) fn parsed<T>(text: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::Value(format!("unknown value {text:?}")))
}

/// A count as PostgreSQL takes it.
pub(crate) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
