//! Why Entra issued nothing, by what the caller has to do about it. Entra's own words are cleaned
//! of secrets before they get here.

use std::fmt;
use std::time::Duration;

use super::advice::Remedy;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A transient fault of Entra or the network: try again, not before `retry_after`.
    #[error("Entra issues no token at the moment: {reason}")]
    Transient { reason: String, retry_after: Option<Duration> },
    /// Trying again changes nothing until somebody acts.
    #[error("{0}")]
    Refused(Refusal),
    /// The ID token does not prove who signed in: the sign-in is void.
    #[error("the ID token is not valid: {reason}")]
    InvalidIdToken { reason: String },
    /// The response is not OAuth: from a proxy, a wrong address, or after a change at Entra.
    #[error("the response to a request to Entra cannot be understood: {reason}")]
    UnexpectedResponse { reason: String },
}

/// A refusal, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The number after `AADSTS`, if there is one.
    pub code: Option<u32>,
    /// The OAuth error, such as `invalid_grant` (RFC 6749 §5.2).
    pub error: String,
    pub remedy: Remedy,
    /// What is wrong and what to do, for the operator.
    pub advice: String,
    /// Entra's description: one line, shortened, without secrets. Escape it before showing.
    pub description: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(out, "Entra refuses (AADSTS{code}): {}", self.advice),
            None => write!(out, "Entra refuses ({}): {}", self.error, self.advice),
        }
    }
}

impl Error {
    /// Whether the error may pass without anybody acting.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Transient { .. })
    }

    /// The least time to wait before the next request, where Entra gave one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), retry_after: None }
    }

    pub(super) fn invalid_id_token(reason: impl Into<String>) -> Self {
        Self::InvalidIdToken { reason: reason.into() }
    }

    pub(super) fn unexpected(reason: impl Into<String>) -> Self {
        Self::UnexpectedResponse { reason: reason.into() }
    }

    /// An error in the operator's configuration, found before Entra was asked.
    pub(super) fn configuration(error: &str, advice: String) -> Self {
        Self::Refused(Refusal {
            code: None,
            error: error.to_owned(),
            remedy: Remedy::Configuration,
            advice,
            description: String::new(),
        })
    }
}
