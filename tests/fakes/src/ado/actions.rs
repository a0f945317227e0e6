//! What people do in ADO: push, open and change pull requests, administer. Tests call it.
//!
//! Each action has the consequences that it has at ADO: iterations, merge attempts, events. None of
//! them needs a request.

/// Changes by administrators to projects and repositories.
mod administration;
/// Attempts to merge, and the iterations of a pull request.
pub(crate) mod merging;
/// Changes to pull requests.
mod pull_requests;
/// Changes to branches and tags.
mod pushing;
