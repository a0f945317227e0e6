//! NEIGHBOUR CI systems: how each kind is started, asked and cancelled, and what its answers mean.
//!
//! Each kind has a folder with the same files: trigger, find, poll, cancel, callback, as far as the
//! system can do it. What they share is here: calls, errors, accounts, callbacks, templates.

/// How fast each account may be called, and pauses.
mod account;
/// Azure DevOps, as kind `azure_pipelines` needs it.
mod azure_devops;
/// Kind `azure_pipelines`.
pub mod azure_pipelines;
/// Kind `buildkite`.
pub mod buildkite;
/// Who sent a callback.
mod callback;
/// Calls to one CI.
mod client;
mod client_identity;
/// Kind `dbt_cloud`: a job of dbt Cloud.
pub mod dbt_cloud;
mod error;
/// Kind `github_actions`: a workflow is dispatched.
pub mod github_actions;
/// Kind `gitlab`: a pipeline is started by a trigger token or by an access token.
pub mod gitlab;
/// Kind `http`: any other CI, by templates.
pub mod http;
/// Kind `jenkins`.
pub mod jenkins;
mod options;
mod rate_headers;
/// Kind `runner`: runners ask for runs.
pub mod runner;
/// Runs that templates are tried on.
mod sample;
mod system;
mod systems;
/// Templates in the configuration.
mod template;
/// The words of a CI.
mod text;
mod token;
mod trigger;
/// Addresses that are called, and addresses for people.
mod urls;
/// Kind `webhook`: a signed HTTP request starts the run, and the CI reports on it.
pub mod webhook;

use std::time::Duration;

/// `call_timeout` at most: leases last longer.
pub const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(60);

pub use callback::{Callback, CallbackError, Mentioned, Scheme};
pub use client::{Call, Client, Organizations, PAUSE};
pub use client_identity::{ClientIdentity, Unfit};
pub use error::{Error, Refusal};
pub use options::{Common, Kind, LeaseTerms, Options};
pub use sample::Sample;
pub use system::{Cancelled, Finding, Observed, System};
pub use systems::{Listed, SetupError, Systems, Tls};
pub use template::Template;
pub(crate) use template::short_ref;
pub use token::Token;
pub use trigger::Trigger;
pub(crate) use urls::web_link;
