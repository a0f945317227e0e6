//! NEIGHBOUR Azure DevOps REST: the only place that knows its JSON, its paths and its error shapes.
//!
//! URLs are built from configuration and ids, never taken from a payload, and no redirect is
//! followed with a credential. It must never know the store, the CI systems or the flow.

/// What Azure DevOps delivers, and how it is read.
pub mod hooks;

mod access;
mod budget;
mod client;
mod credential;
mod error;
mod history;
mod options;
mod pace;
mod pat_error;
mod places;
mod policies;
mod statuses;
mod subscriptions;
mod throttle;
mod tokens;

pub use access::{Connection, EVALUATIONS_MAX};
pub(crate) use client::CALL_MAX;
pub use client::{Client, http_client};
pub use credential::{Credential, Receipt, Scope, Usage};
pub use error::Error;
pub use history::{ListedPullRequest, ListedPush, Part, Which};
pub use options::Options;
pub use pat_error::{PatError, PatRemedy};
pub use places::PROJECTS_PER_PAGE;
pub use policies::PolicyPage;
pub use statuses::{Iteration, ShownStatus};
pub use subscriptions::{hook_of, hook_url, settings};
pub use throttle::{Lane, Pause, Throttle};
pub use tokens::{ListedPat, MintedPat, PatPage, WantedPat};
