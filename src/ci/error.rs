//! Why a CI did not do what it was asked to, in classes that hold for every kind.

use std::time::Duration;

use crate::domain::time::Timestamp;

/// See the module. Reasons are clauses for people, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It was not done. Try again, not before `retry_after`.
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// It may have been done: the request was sent, and no answer came that says so.
    #[error("{reason}")]
    Ambiguous { reason: String, retry_after: Option<Duration> },
    /// It was not asked: calls to the account are paused until then.
    #[error("{reason}")]
    Paused { reason: String, until: Timestamp },
    /// The CI refuses, and would do so again.
    #[error("{reason}")]
    Refused { reason: String, refusal: Refusal },
    /// The configuration has no CI of this name.
    #[error("there is no [ci.{name}] in the configuration")]
    Unknown { name: String },
}

/// What has to change so that the CI no longer refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token or password.
    Credential,
    /// The configuration here or at the CI, or what is asked for.
    Configuration,
    /// Nothing: the CI does not know the run that it was asked about.
    Gone,
}

impl Error {
    /// A refusal that a person has to do something about.
    pub fn refused(reason: impl Into<String>, refusal: Refusal) -> Self {
        Self::Refused { reason: reason.into(), refusal }
    }

    /// It may have been done, and no time was given for the next attempt.
    pub fn ambiguous(reason: impl Into<String>) -> Self {
        Self::Ambiguous { reason: reason.into(), retry_after: None }
    }

    /// The error where the question was not about one run: that something is gone is then about the
    /// configuration.
    #[must_use]
    pub fn of_all(self) -> Self {
        match self {
            Self::Refused { reason, refusal: Refusal::Gone } => {
                Self::Refused { reason, refusal: Refusal::Configuration }
            }
            other => other,
        }
    }

    /// The error with a reason that is made of its own.
    #[must_use]
    pub fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Unavailable { reason, retry_after } => {
                Self::Unavailable { reason: words(&reason), retry_after }
            }
            Self::Ambiguous { reason, retry_after } => {
                Self::Ambiguous { reason: words(&reason), retry_after }
            }
            Self::Paused { reason, until } => Self::Paused { reason: words(&reason), until },
            Self::Refused { reason, refusal } => Self::Refused { reason: words(&reason), refusal },
            unknown @ Self::Unknown { .. } => unknown,
        }
    }

    /// Whether the CI does not know the run.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Refused { refusal: Refusal::Gone, .. })
    }
}

/// The run is not for this CI, or cannot be asked for.
pub(in crate::ci) fn unfit(reason: impl Into<String>) -> Error {
    Error::refused(reason, Refusal::Configuration)
}
