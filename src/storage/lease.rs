//! Leases of rows, and the answers to writes that another process may have overtaken.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// Asks for rows to work on.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub now: Timestamp,
    pub limit: usize,
    /// How long no other claim gets the rows.
    pub lease: Duration,
}

/// The right to work on a row. `number` is a fencing number: it grows with every claim of the row,
/// and a write with an older one fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<Id> {
    pub id: Id,
    pub number: i64,
}

/// A value and its revision, which a change of the value has to name.
#[derive(Clone, Debug, Default)]
pub struct Versioned<T> {
    pub value: T,
    /// 0 when nothing is stored yet.
    pub revision: i64,
}

/// The outcome of a write that another process may have overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Committed,
    /// The state that it was based on has changed: load and decide again.
    Conflict,
    /// Another claim has leased the row: drop the result.
    LeaseLost,
}
