//! NEIGHBOUR Azure DevOps REST: the only place that knows its JSON, its paths and its error shapes.
//!
//! URLs are built from configuration and ids, never taken from a payload, and no redirect is
//! followed with a credential.

/// What Azure DevOps delivers, and how it is read.
pub mod hooks;

mod budget;
mod client;
mod comments;
mod credential;
mod diffs;
mod error;
mod history;
mod late_body;
mod options;
mod pat_error;
mod pats;
mod permissions;
mod policies;
mod projects;
mod proxies;
mod rate_headers;
mod statuses;
mod subscriptions;
mod throttle;

pub(crate) use client::CALL_MAX;
pub use client::{Client, http_client, http_client_with};
pub use comments::ListedComment;
pub use credential::{Credential, Receipt, Scope, Usage};
pub use diffs::{CHANGES_PER_PAGE, DiffPage};
pub use error::Error;
pub use history::{ListedPullRequest, ListedPush, Part, Which};
pub use late_body::MaySend;
pub use options::Options;
pub use pat_error::{PatError, PatRemedy};
pub use pats::{ListedPat, MintedPat, PatPage, WantedPat};
pub use permissions::{Connection, EVALUATIONS_MAX};
pub use policies::PolicyPage;
pub use projects::PROJECTS_PER_PAGE;
pub use proxies::{SetupError, use_proxies};
pub use statuses::{Iteration, ShownStatus};
pub use subscriptions::{hook_of, hook_url, scope_of_hooks, settings};
pub use throttle::{Lane, Pause, Throttle};
