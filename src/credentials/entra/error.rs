//! Why Entra gave nothing, split by what the caller has to do about it.
//!
//! It must never hold a secret: what Entra said is cleaned before it gets here.

use std::fmt;
use std::time::Duration;

use super::Remedy;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is wrong with us: try again, not before `retry_after`.
    #[error("Entra gives no token now: {reason}")]
    Transient { reason: String, retry_after: Option<Duration> },
    /// Trying again changes nothing until somebody acts.
    #[error("{0}")]
    Refused(Refusal),
    /// The ID token does not prove who signed in: that sign-in is void.
    #[error("the ID token is not to be trusted: {reason}")]
    Forged { reason: String },
    /// What answered does not speak OAuth: a proxy, a wrong address, or a change at Entra.
    #[error("what answers for Entra makes no sense: {reason}")]
    Answer { reason: String },
}

/// A refusal with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The number after `AADSTS`, when there is one.
    pub code: Option<u32>,
    /// The OAuth error, such as `invalid_grant` (RFC 6749 §5.2).
    pub error: String,
    pub remedy: Remedy,
    /// What is wrong and what to do, for the operator.
    pub advice: String,
    /// Entra's own words: one line, cut, without secrets. Foreign text: escape it before showing.
    pub said: String,
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
    /// Whether it may go away by itself.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Transient { .. })
    }

    /// How long to wait at least before asking again, where Entra says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Transient { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    pub(super) fn transient(reason: impl Into<String>) -> Self {
        Self::Transient { reason: reason.into(), retry_after: None }
    }

    pub(super) fn forged(reason: impl Into<String>) -> Self {
        Self::Forged { reason: reason.into() }
    }

    pub(super) fn answer(reason: impl Into<String>) -> Self {
        Self::Answer { reason: reason.into() }
    }

    /// Something of the operator's that never got as far as Entra.
    pub(super) fn configuration(error: &str, advice: String) -> Self {
        Self::Refused(Refusal {
            code: None,
            error: error.to_owned(),
            remedy: Remedy::Configuration,
            advice,
            said: String::new(),
        })
    }
}
