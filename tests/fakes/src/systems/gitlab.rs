//! GitLab CI: pipelines of one project, started by a trigger token or by an access token.

/// The webhook `Pipeline Hook`.
mod hook;
/// Pipelines as they are answered.
mod pipelines;
/// Errors as GitLab words them.
pub mod refusal;
/// Which request goes where.
mod route;
/// Starting a pipeline.
mod start;
#[cfg(test)]
mod tests;
/// The state.
pub mod world;

pub use refusal::too_many_requests;
pub use world::{Hook, World};
