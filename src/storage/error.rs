//! Why the store did not do what it was asked for, split by what the caller has to do.

use crate::domain::id::RunId;

/// See the module. No variant holds values that were to be stored, so every error may be logged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many writes wait: the caller should try again later.
    #[error("the store is busy: {waiting} writes wait")]
    Busy { waiting: usize },
    /// Another change of the run came first each time: the caller may try again.
    #[error("run {0} changes too fast")]
    Contended(RunId),
    /// The disk or the engine refused: the caller should try again later, and an operator may have
    /// to act.
    #[error("the store is unavailable: {advice}")]
    Unavailable {
        /// What is wrong and what to do about it.
        advice: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl Error {
    /// Unavailable without an underlying error.
    pub fn unavailable(advice: impl Into<String>) -> Self {
        Self::Unavailable { advice: advice.into(), source: None }
    }
}
