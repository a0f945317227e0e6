//! Pages of lists, newest first.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// Selects a part of a list: up to `limit` rows with a smaller number than `before`.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    pub limit: usize,
    pub before: Option<i64>,
}

/// One page, and the `before` of the next page; none when it is the last one.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    pub items: Vec<T>,
    pub next: Option<i64>,
}

/// Selects rows by their time: from `since` on, and before `until`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Between {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Keys grow with the times of rows, but for rows that several tasks or replicas stored at the same
/// time: so much later or earlier keys may still have rows that are wanted.
const OUT_OF_ORDER_MAX: Duration = Duration::from_secs(5 * 60);

impl Between {
    /// As the stored numbers are.
    pub(super) fn since_us(self) -> Option<i64> {
        self.since.map(Timestamp::micros)
    }

    /// As the stored numbers are.
    pub(super) fn until_us(self) -> Option<i64> {
        self.until.map(Timestamp::micros)
    }

    /// No row with a key before the first one of this time is wanted.
    pub(super) fn first_us(self) -> Option<i64> {
        self.since.map(|at| at.minus(OUT_OF_ORDER_MAX).micros())
    }

    /// No row with a key from the first one of this time on is wanted.
    pub(super) fn end_us(self) -> Option<i64> {
        self.until.map(|at| at.plus(OUT_OF_ORDER_MAX).micros())
    }
}
