//! The store as a whole: how much waits, whether it can be written, what is deleted when it is old.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use super::error::Error;
use crate::domain::time::Timestamp;

/// How much waits at each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    pub undecided: u64,
    pub planned: u64,
    /// Dispatched or running.
    pub at_ci: u64,
    pub unposted: u64,
    /// When the oldest undecided delivery was received.
    pub oldest_undecided: Option<Timestamp>,
}

/// Whether deliveries can be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    Writable,
    /// What is wrong and what to do about it.
    Unwritable(String),
}

/// The operation of the store as a whole.
#[async_trait]
pub trait Admin: Debug + Send + Sync {
    /// Deletes up to `limit` finished rows of each kind that are older than `before`, and entries
    /// of the audit log that are older than `audit_before`.
    async fn delete_older(
        &self,
        before: Timestamp,
        audit_before: Timestamp,
        limit: usize,
    ) -> Result<usize, Error>;

    /// How much waits at each stage.
    async fn backlog(&self) -> Result<Backlog, Error>;

    /// Whether deliveries can be stored now, and if not, why.
    fn health(&self) -> Availability;

    /// Writes what was admitted and stops, waiting for that so long at most. Nothing is accepted
    /// afterwards.
    async fn close(&self, within: Duration);
}
