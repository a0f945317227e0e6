//! The right to work on a row for a while, and what a write answers that somebody else may have
//! overtaken.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// A wish for work.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub now: Timestamp,
    pub limit: usize,
    /// How long nobody else gets the rows.
    pub lease: Duration,
}

/// The right to work on a row; `number` grows with every claim of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease<Id> {
    pub id: Id,
    pub number: i64,
}

/// A value and the revision that a change of it must name.
#[derive(Clone, Debug, Default)]
pub struct Versioned<T> {
    pub value: T,
    /// 0 when there is nothing yet.
    pub revision: i64,
}

/// The answer to a write that others may have overtaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    Committed,
    /// What it was based on has changed: load and decide again.
    Conflict,
    /// Somebody else has the row now: drop the result.
    LeaseLost,
}
