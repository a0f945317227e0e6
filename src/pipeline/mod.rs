//! THE FLOW: accept, decide, dispatch, observe, publish.
//!
//! Every stage loads, asks a pure function, and commits with an answer; no transaction is open
//! across a network call, a lease is. It must never know the HTTP edge, the configuration file or
//! the reconcilers.

/// Authenticated bytes → a delivery on disk.
pub mod accept;
/// A delivery → what to do about it.
pub mod decide;
/// A planned run → started at its CI.
pub mod dispatch;
/// A report → the run advanced.
pub mod observe;
/// The newest status → shown at Azure DevOps.
pub mod publish;
