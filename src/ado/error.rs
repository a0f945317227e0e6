//! Why Azure DevOps did not do something, split by what the caller must do. It must never carry a
//! credential nor a whole answer.

use std::time::Duration;

use super::PatError;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Wait; every call of this identity has to.
    #[error("Azure DevOps limits the rate: {reason}")]
    RateLimited { retry_after: Option<Duration>, reason: String },
    /// The credential does not get us in: a sign-in page, a redirect to one, or 401.
    #[error("Azure DevOps does not accept the credential: {reason}")]
    Unauthorized { reason: String },
    /// The identity may not do this: an operator has to grant it.
    #[error("Azure DevOps refuses for lack of permission: {reason}")]
    Forbidden { reason: String },
    /// There is no such thing, or we may not see it; Azure DevOps does not tell which.
    #[error("Azure DevOps does not find it: {reason}")]
    NotFound { reason: String },
    /// The pull request is completed or abandoned.
    #[error("the pull request is no longer active")]
    NotEditable,
    /// A status policy wants another iteration than the one named.
    #[error("a status policy wants the newest iteration: {reason}")]
    WrongIteration { reason: String },
    /// No personal access token is minted.
    #[error("Azure DevOps mints no personal access token: {0}")]
    NoPat(PatError),
    /// It will never be accepted like this.
    #[error("Azure DevOps rejects it ({status}): {reason}")]
    Rejected { status: u16, reason: String },
    /// No answer, or none that can be used. When `doubtful`, it may have been done all the same.
    #[error("Azure DevOps is unavailable: {reason}")]
    Unavailable { reason: String, doubtful: bool, retry_after: Option<Duration> },
}
