//! Errors of calls to Azure DevOps, one variant per reaction of the caller. They hold neither
//! credentials nor whole answers.

use std::time::Duration;

use super::PatError;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Every call of this identity has to wait.
    #[error("Azure DevOps limits the rate: {reason}")]
    RateLimited { retry_after: Option<Duration>, reason: String },
    /// The credential is refused: a sign-in page, a redirect to one, or 401.
    #[error("Azure DevOps does not accept the credential: {reason}")]
    Unauthorized { reason: String },
    /// The identity lacks a permission: an operator has to grant it.
    #[error("Azure DevOps refuses for lack of permission: {reason}")]
    Forbidden { reason: String },
    /// The resource does not exist, or the identity may not see it; Azure DevOps does not say
    /// which.
    #[error("Azure DevOps finds no such resource: {reason}")]
    NotFound { reason: String },
    /// The pull request is completed or abandoned.
    #[error("the pull request is no longer active")]
    NotEditable,
    /// A status policy requires another iteration than the one that the status names.
    #[error("a status policy requires the newest iteration: {reason}")]
    WrongIteration { reason: String },
    /// A personal access token was not minted.
    #[error("Azure DevOps mints no personal access token: {0}")]
    NoPat(PatError),
    /// The request is wrong: repeating it is useless.
    #[error("Azure DevOps rejects the request ({status}): {reason}")]
    Rejected { status: u16, reason: String },
    /// No usable answer. When `doubtful`, the request may have been carried out.
    #[error("Azure DevOps is unavailable: {reason}")]
    Unavailable { reason: String, doubtful: bool, retry_after: Option<Duration> },
}
