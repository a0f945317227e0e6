//! CI kind `buildkite` (docs/ci.md, "Buildkite"; Buildkite's REST API, version 2).
//!
//! The run id travels as meta-data, by which a build is found exactly. A build is known by its
//! number.

mod callback;
mod cancel;
mod check;
mod find;
mod poll;
mod trigger;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;
use url::Url;

use super::callback::{Callback, CallbackError, Mentioned};
use super::client::{Call, Client};
use super::error::Error;
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::trigger::Trigger;
use super::urls::{below_with, id, web_url};
use crate::domain::follow::Abilities;
use crate::domain::run::{Run, Started};
use crate::secret::Secret;

/// The key of the meta-data that holds the run id.
const RUN_KEY: &str = "azdo-gateway-run";

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Slug of the organization.
    pub organization: String,
    /// Slug of the pipeline.
    pub pipeline: String,
    /// An API access token with `write_builds` and `read_builds`.
    pub token: Secret,
    /// `https://api.buildkite.com`.
    pub url: Url,
    /// What webhooks are signed with; empty where none are expected.
    pub webhook_secrets: Vec<Secret>,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        Abilities { finds: true, polls: true, cancels: true, ..Abilities::default() }
    }

    fn secrets(&self) -> Vec<Secret> {
        [&self.token].into_iter().chain(&self.webhook_secrets).cloned().collect()
    }

    /// Buildkite limits each user and each organization: the sections of one share a budget.
    fn account(&self, _name: &str) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("buildkite {host} {}", self.organization)
    }

    fn takes_callbacks(&self) -> bool {
        !self.webhook_secrets.is_empty()
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        Arc::new(Buildkite { options: self.clone(), client })
    }
}

/// See the module.
#[derive(Debug)]
struct Buildkite {
    options: Options,
    client: Client,
}

impl Buildkite {
    /// A request about the builds of the pipeline.
    fn call(&self, method: Method, segments: &[&str], query: &[(&str, &str)]) -> Call {
        let Options { organization, pipeline, url, token, .. } = &self.options;
        let path = ["v2", "organizations", organization, "pipelines", pipeline];
        let path: Vec<&str> = path.into_iter().chain(segments.iter().copied()).collect();
        Call::new(method, below_with(url, &path, query)).bearer(token)
    }

    /// A list of builds, newest first, without what would make it long.
    fn list(&self, filter: &[(&str, &str)]) -> Call {
        let short = [("exclude_jobs", "true"), ("exclude_pipeline", "true"), ("per_page", "100")];
        let query: Vec<_> = filter.iter().chain(&short).copied().collect();
        self.call(Method::GET, &["builds"], &query)
    }
}

/// The build of an answer as the gateway knows it; none where it has no number.
fn accepted(build: &Value) -> Option<Started> {
    let number = id(build.get("number"))?;
    Some(Started::Accepted { ci_id: Some(number), url: web_url(build.get("web_url")) })
}

#[async_trait]
impl System for Buildkite {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        self.trigger_call(trigger)
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let answer = self.client.succeed(self.trigger_call(trigger)?).await?;
        let unreadable = || Error::ambiguous("its answer has no build");
        accepted(&answer.json()).ok_or_else(unreadable)
    }

    async fn find(&self, run: &Run) -> Result<Option<Started>, Error> {
        self.find_build(run).await
    }

    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        self.poll_builds(runs).await
    }

    async fn cancel(&self, run: &Run, _reason: &str) -> Result<Cancelled, Error> {
        self.cancel_build(run).await
    }

    fn read_callback(&self, callback: &Callback<'_>) -> Result<Vec<Mentioned>, CallbackError> {
        callback::read(&self.options.webhook_secrets, callback)
    }

    async fn check(&self) -> Vec<Finding> {
        self.check_settings().await
    }
}
