//! CI kind `azure_pipelines` (docs/ci.md, "Azure Pipelines"; REST version 7.1 of Pipelines and
//! Build).
//!
//! It is called as the identity of one of the gateway's organizations, with a token of its own for
//! every call. A run of a pipeline and its build have the same id. The run id travels as a template
//! parameter, and as a tag for people.

mod cancel;
mod check;
mod find;
mod merge;
mod poll;
mod trigger;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;
use url::Url;

pub use super::azure_devops::{AzureDevOps, Permission};
use super::client::{Call, Client};
use super::error::Error;
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::trigger::Trigger;
use super::urls::below_with;
use crate::domain::follow::Abilities;
use crate::domain::pipeline_project::PipelineProject;
use crate::domain::run::{Run, Started};

/// Which commit of a pull request is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ref {
    /// The source branch, merged into the target branch.
    Merge,
    /// The head of the source branch.
    Source,
}

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of an `[[organization]]`.
    pub organization: String,
    /// Its base URL, for people and for `explain`.
    pub url: Url,
    pub project: String,
    /// Id of the pipeline.
    pub pipeline: u32,
    /// The template parameter that takes the run id; none where the pipeline declares none.
    pub parameter: Option<String>,
    pub git_ref: Ref,
    /// Whether `partiallySucceeded` is a success.
    pub accepts_partial_success: bool,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        let finds = self.parameter.is_some();
        Abilities { finds, polls: true, cancels: true, ..Abilities::default() }
    }

    fn account(&self, _name: &str) -> String {
        format!("azure_pipelines {}", self.organization.to_lowercase())
    }

    fn pipeline_project(&self) -> Option<PipelineProject> {
        let (organization, project) = (self.organization.clone(), self.project.clone());
        Some(PipelineProject { organization, project })
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        Arc::new(AzurePipelines { options: self.clone(), client })
    }
}

/// See the module.
#[derive(Debug)]
struct AzurePipelines {
    options: Options,
    client: Client,
}

impl AzurePipelines {
    /// A call below `{project}/_apis`.
    async fn call(
        &self,
        permission: Permission,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Error> {
        let path = [&[self.options.project.as_str(), "_apis"], segments].concat();
        self.call_below(permission, method, &path, query, body).await
    }

    /// A call with the whole path below the organization. One that limits the rate pauses the
    /// account.
    async fn call_below(
        &self,
        permission: Permission,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<Value, Error> {
        let Client { account, clock, timeout, .. } = &self.client;
        account.admit(clock.now())?;
        let organization = self.client.azure_devops.get(&self.options.organization);
        let Some(organization) = organization else {
            let name = &self.options.organization;
            let reason = format!("the organization {name} is called by a running gateway only");
            return Err(Error::Unavailable { reason, retry_after: None });
        };
        let answer = organization.call(permission, method, path, query, body, *timeout).await;
        if let Err(Error::Unavailable { reason, retry_after: Some(wait) }) = &answer {
            account.pause(*wait, reason, clock.now());
        }
        answer
    }

    async fn get(&self, segments: &[&str], query: &[(&str, &str)]) -> Result<Value, Error> {
        self.call(Permission::Read, Method::GET, segments, query, None).await
    }

    /// The page of a build, for people.
    fn web_url(&self, build_id: &str) -> String {
        let path = [self.options.project.as_str(), "_build", "results"];
        below_with(&self.options.url, &path, &[("buildId", build_id)]).to_string()
    }
}

#[async_trait]
impl System for AzurePipelines {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        let pipeline = self.options.pipeline.to_string();
        let path = [&self.options.project, "_apis", "pipelines", &pipeline, "runs"];
        let url = below_with(&self.options.url, &path, &[("api-version", "7.1")]);
        Ok(Call::post(url).header("authorization", "one token").json(&self.body(trigger, None)?))
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.run_pipeline(trigger).await
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

    async fn check(&self) -> Vec<Finding> {
        self.check_settings().await
    }
}
