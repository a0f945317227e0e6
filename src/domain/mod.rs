//! THE RULES: what the gateway does about what it is told, as pure functions over values.
//!
//! They exist apart from everything else so that every branch can be read and tested in
//! microseconds. They must never know async, I/O, HTTP, SQL, Azure DevOps' field names, the clock
//! or a source of randomness: `now` and fresh ids are arguments.

/// What was done with our identity.
pub mod audit;
/// How long to wait before the next attempt.
pub mod backoff;
/// What hooks never told: known compared with seen.
pub mod catch_up;
/// What an operator wants run, and whether it applies.
pub mod check;
/// What to do about one event, and why.
pub mod decision;
/// What will end unless somebody acts.
pub mod ending;
/// What happened, in our words.
pub mod event;
/// What a delivery says, before anybody compares it with what is known.
pub mod fact;
/// Identifiers that we give out.
pub mod id;
/// What personal access tokens are called, and which are left over.
pub mod pat;
/// What our identity has to be allowed.
pub mod permission;
/// Branch policies of required checks: wanted, found, and the difference.
pub mod policy;
/// A pull request as last seen, and what changed since.
pub mod pull_request;
/// One CI execution and the states it moves through.
pub mod run;
/// What Azure DevOps should show for a run.
pub mod status;
/// Service-hook subscriptions: wanted, found, and the difference.
pub mod subscription;
/// Points in time and how people read them.
pub mod time;
