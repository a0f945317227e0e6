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

/// The base URL and the builds of a system that has fields of these names.
macro_rules! kept_in_fields {
    () => {
        fn set_base_url(&mut self, base_url: &str) {
            base_url.clone_into(&mut self.base_url);
        }

        fn builds(&mut self) -> &mut $crate::systems::Builds {
            &mut self.builds
        }
    };
}

pub(crate) use kept_in_fields;

/// A CI system. Requests reach it without the path below which the shell serves it.
pub trait System: Neighbour + std::any::Any + std::fmt::Debug + Send {
    /// Sets the URL below which it is served, without a slash at the end.
    fn set_base_url(&mut self, base_url: &str);

    /// Its builds, for tests to look at and to change.
    fn builds(&mut self) -> &mut Builds;

    /// The callback that the system sends about a build, signed at that moment: a POST with an
    /// empty path. None where the system has no callbacks.
    fn callback(&self, _number: u64, _now_ms: i64) -> Option<Request> {
        None
    }
}
