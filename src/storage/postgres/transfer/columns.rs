//! Values of rows as PostgreSQL takes and gives them.

use std::borrow::Cow;

use tokio_postgres::Row as StoredRow;

use crate::storage::codec;
use crate::storage::postgres::engine::db::{Param, param, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::get;
use crate::storage::transfer::{Kind, Row, Value};

/// A value of a key as a parameter.
pub(super) enum Scalar<'a> {
    Integer(i64),
    Text(Cow<'a, str>),
    Bytes(&'a [u8]),
}

impl<'a> Scalar<'a> {
    /// No key has a column of another kind.
    pub(super) fn of(value: &'a Value, is_lower: bool) -> Self {
        match value {
            Value::Text(value) if is_lower => Self::Text(text(value).to_ascii_lowercase().into()),
            Value::Text(value) => Self::Text(text(value)),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Integer(number) => Self::Integer(*number),
            Value::Boolean(_) | Value::Json(_) | Value::Null => Self::Integer(0),
        }
    }

    pub(super) fn param(&self) -> Param<'_> {
        match self {
            Self::Integer(number) => param(number),
            Self::Text(text) => param(text),
            Self::Bytes(bytes) => param(bytes),
        }
    }
}

/// The values of a row whose columns are of these kinds.
pub(super) fn values(row: &StoredRow, kinds: &[Kind]) -> Result<Row, Failure> {
    let value = |(at, kind): (usize, &Kind)| {
        let value = match kind {
            Kind::Integer => get::<Option<i64>>(row, at)?.map(Value::Integer),
            Kind::Boolean => get::<Option<bool>>(row, at)?.map(Value::Boolean),
            Kind::Text => get::<Option<String>>(row, at)?.map(Value::Text),
            Kind::Json => get::<Option<String>>(row, at)?.map(Value::Json),
            Kind::Bytes => get::<Option<Vec<u8>>>(row, at)?.map(Value::Bytes),
        };
        Ok(value.unwrap_or(Value::Null))
    };
    kinds.iter().enumerate().map(value).collect()
}

/// The values of one column of many rows as a parameter.
pub(super) enum Column<'a> {
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    Texts(Vec<Option<Cow<'a, str>>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl<'a> Column<'a> {
    pub(super) fn of(kind: Kind, values: impl Iterator<Item = &'a Value>) -> Self {
        let mut column = match kind {
            Kind::Integer => Self::Integers(Vec::new()),
            Kind::Boolean => Self::Booleans(Vec::new()),
            Kind::Text | Kind::Json => Self::Texts(Vec::new()),
            Kind::Bytes => Self::Bytes(Vec::new()),
        };
        values.for_each(|value| column.push(value));
        column
    }

    fn push(&mut self, value: &'a Value) {
        match (self, value) {
            (Self::Integers(column), Value::Integer(number)) => column.push(Some(*number)),
            (Self::Booleans(column), Value::Boolean(is_true)) => column.push(Some(*is_true)),
            (Self::Texts(column), Value::Text(value)) => column.push(Some(text(value))),
            (Self::Texts(column), Value::Json(json)) => {
                column.push(Some(codec::without_nul(json)));
            }
            (Self::Bytes(column), Value::Bytes(bytes)) => column.push(Some(bytes)),
            (Self::Integers(column), _) => column.push(None),
            (Self::Booleans(column), _) => column.push(None),
            (Self::Texts(column), _) => column.push(None),
            (Self::Bytes(column), _) => column.push(None),
        }
    }

    pub(super) fn param(&self) -> Param<'_> {
        match self {
            Self::Integers(values) => param(values),
            Self::Booleans(values) => param(values),
            Self::Texts(values) => param(values),
            Self::Bytes(values) => param(values),
        }
    }
}
