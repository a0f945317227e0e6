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

/// JSON of a value. Its texts have U+FFFD in the place of the character NUL: PostgreSQL refuses to
/// look into JSON with that character.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let json = codec::to_json(value).map_err(|error| Failure::Value(error.to_string()))?;
    Ok(without_nul(json))
}

fn without_nul(json: String) -> String {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return json;
    }
    let (mut clean, mut rest) = (String::with_capacity(json.len()), json.as_str());
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        clean.push_str(before);
        rest = match (escape.strip_prefix(NUL), escape.split_at_checked(2)) {
            (Some(after), _) => {
                clean.push('\u{fffd}');
                after
            }
            // The backslash and the character behind it, which may be a backslash, too.
            (None, Some((pair, after))) => {
                clean.push_str(pair);
                after
            }
            (None, None) => {
                clean.push_str(escape);
                ""
            }
        };
    }
    clean.push_str(rest);
    clean
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_no_nul_and_is_otherwise_as_it_was() {
        let texts = ["a\0b\0", "\\u0000", "\\\0\\", "\"\n\u{fffd}"];
        let stored: Vec<String> = from_json(&to_json(&texts).unwrap()).unwrap();
        assert_eq!(stored, texts.map(|text| text.replace('\0', "\u{fffd}")));
        assert!(!to_json(&["\0"]).unwrap().contains("u0000"));
    }
}
