//! THE FLOW: accept, decide, dispatch, observe, publish.
//!
//! Every stage loads, asks a pure function, and commits. No transaction is open across a network
//! call; a lease is.

/// A hook call is stored.
pub mod accept;
/// A delivery is decided.
pub mod decide;
/// A planned run is started at its CI.
pub mod dispatch;
/// A report advances its run.
pub mod observe;
/// The newest status of a slot is posted to Azure DevOps.
pub mod publish;
