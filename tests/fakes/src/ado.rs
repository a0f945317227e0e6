//! Azure DevOps (ADO) as a world: people change it, programs call it, it notifies subscribers.
//!
//! It stands in for the REST API and the service hooks that the gateway relies on. It is as strict
//! as the documented behaviour, and stricter where that is unknown.

/// What people do: push, open and change pull requests, administer.
mod actions;
/// Repositories, refs, pushes, commits, pull requests and statuses over REST.
mod git;
/// Service hooks: subscriptions, events, deliveries.
pub mod hooks;
/// Finding what exists.
mod lookup;
/// What exists: organizations, repositories, pull requests, statuses.
pub mod model;
/// Settings.
pub mod options;
/// PATs that were minted, and how they are used.
pub mod pats;
/// Azure Pipelines: runs and builds.
pub mod pipelines;
/// Branch policies and what they evaluate to.
pub mod policy;
/// From a request to the code that answers it.
mod rest;
/// Who is calling and what the caller may do.
pub mod security;
/// The state as a whole and how a test sets it up.
pub mod world;

pub use hooks::delivery::{Answer, Outgoing};
pub use hooks::subscription::SubscriptionStatus;
pub use model::{NewPullRequest, PullRequestState};
pub use options::{Options, UnfilteredLookup};
pub use pats::{Pat, PatRules, PatState};
pub use pipelines::{ParameterKind, Pipeline, QueueStatus, TemplateParameter};
pub use security::permission::Permission;
pub use security::scope::Scope;
pub use world::World;

#[cfg(test)]
mod tests;
