//! Why no credential can be issued, in words for an operator.

use crate::domain::time::Timestamp;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no credential for Azure DevOps: {reason}")]
pub struct Error {
    /// What is wrong and what an operator can do about it.
    pub reason: String,
    /// When the next attempt makes sense; none where somebody has to act first.
    pub retry_at: Option<Timestamp>,
}

impl Error {
    /// An error that lasts until somebody acts.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), retry_at: None }
    }

    /// An error that is expected to pass by `retry_at`.
    pub fn transient(reason: impl Into<String>, retry_at: Timestamp) -> Self {
        Self { reason: reason.into(), retry_at: Some(retry_at) }
    }
}
