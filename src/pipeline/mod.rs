//! THE FLOW: accept, decide, dispatch, follow, observe, publish.
//!
//! Every stage loads, asks a pure function, and commits. No transaction is open across a network
//! call; a lease is.

/// A hook call is stored.
pub mod accept;
/// What asking CI systems needs.
mod at_ci;
/// Who may give commands in comments.
mod commenters;
/// A delivery is decided.
pub mod decide;
/// A planned run is started at its CI.
pub mod dispatch;
/// Which checks run on a pull request, and why, is said.
pub mod examine;
/// A run at its CI is polled, or cancelled.
pub mod follow;
/// Which iteration of a pull request shows a commit.
mod iterations;
/// What a decision asks Azure DevOps.
pub mod look_up;
/// A report advances its run.
pub mod observe;
/// The newest status of a slot is posted to Azure DevOps.
pub mod publish;
/// A run is given to a runner that asks for one.
pub mod runners;
/// What CIs and runners are told about a run.
pub mod triggers;
