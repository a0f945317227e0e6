//! CI systems with an API of their own: each is started, asked, and told to cancel by calls.
//!
//! Every system is a world. They differ in their API only: what a build is, and what a test may do
//! with it, is the same for all.

/// Airflow.
pub mod airflow;
/// Argo Workflows.
pub mod argo;
/// A build, and the builds of one system.
pub mod build;
/// Buildkite, REST API version 2.
pub mod buildkite;
/// dbt Cloud, Administrative API version 2.
pub mod dbt_cloud;
/// GitHub Actions.
pub mod github_actions;
/// GitLab CI.
pub mod gitlab;
/// Jenkins.
pub mod jenkins;
/// Prefect.
pub mod prefect;
#[cfg(test)]
mod published;
/// Who may ask what is a part of Kubernetes.
mod service_accounts;
/// Signatures of callbacks.
mod signed;
/// Paths as most servers read them.
mod strict_path;
/// TeamCity.
pub mod teamcity;
/// Tekton.
pub mod tekton;
/// Woodpecker.
pub mod woodpecker;

pub use build::{Build, Builds, State};

use crate::http::Request;
use crate::neighbour::Neighbour;

/// A CI system. Requests reach it without the path below which the shell serves it.
pub trait System: Neighbour + std::any::Any + std::fmt::Debug + Send {
    /// Sets the URL below which it is served, without a slash at the end.
    fn set_base_url(&mut self, base_url: &str);

    /// Its builds, for tests to look at and to change.
    fn builds(&mut self) -> &mut Builds;

    /// The callback that the system sends about a build, signed at that moment: a POST with an
    /// empty path. None where the system has no callbacks.
    fn callback(&self, number: u64, now_ms: i64) -> Option<Request>;
}
