//! The rows of a table as both engines give and take them, and what is compared of them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::tables::Table;
use crate::storage::codec;

/// A value of any column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    Null,
    Integer(i64),
    Boolean(bool),
    Text(String),
    Json(String),
    Bytes(Vec<u8>),
}

/// The values of the columns of a table.
pub type Row = Vec<Value>;

impl Value {
    /// Roughly what it holds in memory.
    pub fn bytes(&self) -> usize {
        16 + match self {
            Value::Null | Value::Integer(_) | Value::Boolean(_) => 0,
            Value::Text(text) | Value::Json(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        }
    }

    fn hash_into(&self, hash: &mut Sha256) {
        let mut put = |kind: u8, content: &[u8]| {
            hash.update([kind]);
            hash.update(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(content);
        };
        match self {
            Value::Null => put(0, &[]),
            Value::Integer(number) => put(1, &number.to_be_bytes()),
            Value::Boolean(is_true) => put(2, &[u8::from(*is_true)]),
            // As PostgreSQL stores it, which has no NUL.
            Value::Text(text) => put(3, text.replace('\0', "\u{fffd}").as_bytes()),
            Value::Json(json) => put(5, codec::without_nul(json).as_bytes()),
            Value::Bytes(bytes) => put(4, bytes),
        }
    }
}

/// The key of a row.
pub(super) fn key(table: &Table, row: &Row) -> Vec<Value> {
    let columns = table.columns();
    let value = |name: &str| {
        let mut pairs = columns.iter().zip(row);
        pairs.find(|((column, _), _)| *column == name).map(|(_, value)| value.clone())
    };
    table.key_columns().filter_map(value).collect()
}

/// What a table holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub table: &'static str,
    pub rows: u64,
    /// Of all rows, in any order: the exclusive or of their SHA-256.
    checksum: [u8; 32],
}

impl Content {
    pub(super) fn none_of(table: &Table) -> Self {
        Self { table: table.name, rows: 0, checksum: [0; 32] }
    }

    pub(super) fn add(&mut self, row: &Row) {
        let mut hash = Sha256::new();
        for value in row {
            value.hash_into(&mut hash);
        }
        self.rows += 1;
        for (sum, byte) in self.checksum.iter_mut().zip(hash.finalize()) {
            *sum ^= byte;
        }
    }

    /// The checksum in hexadecimal digits.
    pub fn checksum(&self) -> String {
        self.checksum.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::transfer::tables::TABLES;

    #[test]
    fn contents_are_equal_whatever_the_order_and_differ_with_any_value() {
        let text = |text: &str| Value::Text(text.into());
        let content = |rows: &[Row]| {
            let mut content = Content::none_of(&TABLES[0]);
            rows.iter().for_each(|row| content.add(row));
            content
        };
        let one = vec![Value::Integer(1), text("ab"), text("c")];
        let two = vec![Value::Integer(1), text("a"), text("bc")];
        assert_eq!(content(&[one.clone(), two.clone()]), content(&[two.clone(), one.clone()]));
        assert_ne!(content(std::slice::from_ref(&one)), content(&[two]));
        let values = [
            Value::Null,
            Value::Integer(0),
            Value::Boolean(false),
            text(""),
            Value::Bytes(Vec::new()),
        ];
        for (at, value) in values.iter().enumerate() {
            for other in values.iter().skip(at + 1) {
                assert_ne!(content(&[vec![value.clone()]]), content(&[vec![other.clone()]]));
            }
        }
        assert_eq!(content(&[vec![text("a\0")]]), content(&[vec![text("a\u{fffd}")]]));
        let json = |text: &str| Value::Json(text.into());
        assert_eq!(content(&[vec![json(r#""\u0000""#)]]), content(&[vec![json("\"\u{fffd}\"")]]));
    }

    #[test]
    fn a_key_is_found_in_a_row() {
        for table in &TABLES {
            let row: Row = (0..).map(Value::Integer).take(table.columns().len()).collect();
            let key = key(table, &row);
            assert_eq!(key.len(), table.key_columns().count(), "{}", table.name);
            assert!(!key.is_empty(), "{}", table.name);
        }
    }
}
