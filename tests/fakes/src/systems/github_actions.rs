//! GitHub Actions: a workflow is dispatched, watched by its id, and told to cancel.
//!
//! One private repository with one workflow. Callers authenticate with personal access tokens, or
//! with tokens of the installation of a GitHub App.

/// The App and its signed assertions.
mod app;
/// Answers that a caller has already.
mod conditional;
/// Starting the workflow.
mod dispatch;
/// The webhook `workflow_run`.
mod events;
/// Tokens of the App's installation.
mod installation;
/// How often a token may ask.
pub mod limits;
/// Errors as GitHub words them.
pub mod refusal;
/// Which request goes where.
mod route;
/// Runs as they are answered.
mod runs;
#[cfg(test)]
mod tests;
/// Tokens and what they permit.
mod token;
/// The workflow file.
pub mod workflow;
/// The state.
pub mod world;

pub use limits::Limits;
pub use refusal::secondary_limit;
pub use workflow::{Input, Workflow};
pub use world::{RunDetails, World};
