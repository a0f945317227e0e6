//! Azure DevOps (ADO) as a world: people change it, programs ask it, it tells subscribers.
//!
//! It stands in for the REST API and the service hooks that the gateway relies on, and is as strict
//! as the documented behaviour, or stricter where that is unknown. It must never know the gateway.

/// Who is calling: identities, PATs, bearers.
pub mod access;
/// Repositories, refs, pushes, commits, pull requests and statuses over REST.
mod git;
/// Service hooks: subscriptions, events, deliveries.
pub mod hooks;
/// Finding things.
mod lookup;
/// Attempts to merge, and the iterations of a pull request.
mod merging;
/// What exists: organizations, repositories, pull requests, statuses.
pub mod model;
/// Who am I, which projects, may I.
mod organization_api;
/// PATs that were minted, and how they are used.
pub mod pats;
/// What an identity may do, and where.
pub mod permission;
/// Branch policies and what they think of a pull request.
pub mod policy;
/// Branch policies over REST.
mod policy_api;
/// Whether a policy may be configured as asked.
mod policy_checking;
/// What a pull request consists of.
mod pull_request;
/// Changes by people to branches and tags.
mod pushing;
/// Query parameters that several REST calls read alike.
mod query_parameters;
/// Refusals, in the shape that ADO gives them.
mod refusal;
/// Things as JSON.
mod render;
/// Changes by administrators to projects and repositories.
mod reorganizing;
/// Changes by people to pull requests.
mod reviewing;
/// From a request to the code that answers it.
mod route;
/// What a token may be used for.
pub mod scope;
/// Permissions over REST.
mod security_api;
/// Which api-version a request asks for.
mod version;
/// The state as a whole and how it is set up.
pub mod world;

pub use hooks::delivery::{Answer, Outgoing};
pub use hooks::query::Unfiltered;
pub use hooks::subscription::SubscriptionStatus;
pub use model::{NewPullRequest, PullRequestState};
pub use pats::{Pat, PatRules, PatState};
pub use permission::Permission;
pub use scope::Scope;
pub use world::{Options, World};

#[cfg(test)]
mod tests;
