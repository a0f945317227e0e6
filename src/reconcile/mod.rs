//! THE UPKEEP: workers that compare what should be with what is, and take no input.
//!
//! A signal and a timer run the same code, and the next tick is the retry. It must never know the
//! HTTP edge, the configuration file or the flow.

/// What hooks never told.
pub mod catch_up;
/// Access tokens, leftovers and warnings.
pub mod identity;
/// Branch policies of required checks: wanted against there.
pub mod policies;
/// Runs that nobody reported on in time.
pub mod reaper;
/// Rows that are older than anybody wants to keep.
pub mod retention;
/// When turns are due, and what became of the last.
pub mod schedule;
/// Service-hook subscriptions: wanted against there.
pub mod subscriptions;
/// What our identity sees and may, for people who ask.
pub mod survey;
/// The turn of one replica at upkeep that talks to Azure DevOps.
pub mod turn;
