//! Why the store did not do something, split by what the caller must do. It must never carry
//! what was to be stored.

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much waits to be written: come back later.
    #[error("the store is busy: {waiting} writes wait")]
    Busy { waiting: usize },
    /// The disk or the engine does not do it: come back later; an operator may have to act.
    #[error("the store is unavailable: {advice}")]
    Unavailable {
        /// What is wrong and what to do about it.
        advice: String,
        #[source]
        source: Option<rusqlite::Error>,
    },
    /// What is stored does not make sense to this version.
    #[error("the store holds what this version does not understand: {what}")]
    Corrupt { what: String },
}

impl Error {
    /// Unavailable without an underlying error.
    pub fn unavailable(advice: impl Into<String>) -> Self {
        Self::Unavailable { advice: advice.into(), source: None }
    }
}
