//! CI kind `gitlab`: a pipeline is started by a trigger token or by an access token, polled by its
//! id, and cancelled.
//!
//! The pipeline belongs to a project at GitLab, the code is at Azure DevOps: which commit to build
//! is an input or a variable. Source: docs/ci.md, "Kind `gitlab`".

/// Calls, and lists of pipelines.
mod api;
mod callback;
mod cancel;
mod check;
mod find;
mod poll;
mod trigger;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use super::account::fingerprint;
use super::callback::{Callback, CallbackError, Mentioned};
use super::client::{Call, Client};
use super::error::Error;
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::template::Template;
use super::trigger::Trigger;
use crate::domain::follow::Abilities;
use crate::domain::run::{Run, Started};
use crate::secret::Secret;

/// The variable that carries the run id.
pub(crate) const VARIABLE: &str = "AZDO_GATEWAY_RUN";

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of the instance, such as `https://gitlab.com`.
    pub url: Url,
    /// The project's id, or its path with all groups.
    pub project: String,
    /// Branch or tag of that project.
    pub git_ref: Template,
    /// An access token, which finds, polls and cancels, and starts where there is no trigger token.
    pub token: Secret,
    /// A token that does nothing but start pipelines.
    pub trigger_token: Option<Secret>,
    /// Whether inputs go as variables, for configurations without `spec: inputs`.
    pub inputs_are_variables: bool,
    /// Signing keys (`whsec_…`) or plain tokens of the webhook; two while one is replaced, none
    /// where there are no callbacks.
    pub webhook_secrets: Vec<Secret>,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        Abilities { finds: true, polls: true, cancels: true, ..Abilities::default() }
    }

    fn secrets(&self) -> Vec<Secret> {
        let tokens = [Some(&self.token), self.trigger_token.as_ref()].into_iter().flatten();
        tokens.chain(&self.webhook_secrets).cloned().collect()
    }

    fn account(&self, _name: &str) -> String {
        let host = self.url.host_str().unwrap_or_default();
        format!("gitlab {host} token {}", fingerprint(&self.token))
    }

    fn takes_callbacks(&self) -> bool {
        !self.webhook_secrets.is_empty()
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        Arc::new(Gitlab { options: self.clone(), client })
    }
}

/// See the module.
#[derive(Debug)]
struct Gitlab {
    options: Options,
    client: Client,
}

#[async_trait]
impl System for Gitlab {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        self.start_pipeline_call(trigger)
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.start_pipeline(trigger).await
    }

    async fn find(&self, run: &Run) -> Result<Option<Started>, Error> {
        self.find_pipeline(run).await
    }

    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        self.poll_pipelines(runs).await
    }

    async fn cancel(&self, run: &Run, _reason: &str) -> Result<Cancelled, Error> {
        self.cancel_pipeline(run).await
    }

    fn read_callback(&self, callback: &Callback<'_>) -> Result<Vec<Mentioned>, CallbackError> {
        self.mentioned(callback)
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
