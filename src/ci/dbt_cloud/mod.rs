//! CI kind `dbt_cloud`: a job of dbt Cloud, through its Administrative API, version 2.
//!
//! The `cause` of a dbt run holds our run id. Source: docs/ci.md, "dbt Cloud".

mod callback;
mod cancel;
mod check;
mod errors;
mod find;
mod poll;
mod trigger;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::callback::{Callback, CallbackError, Mentioned};
use super::client::{Call, Client};
use super::error::Error;
use super::options::Kind;
use super::system::{Cancelled, Finding, Observed, System};
use super::template::Template;
use super::trigger::Trigger;
use super::urls::{self, below};
use crate::domain::follow::Abilities;
use crate::domain::run::{Run, Started};
use crate::secret::Secret;

/// Too many requests lock the whole account out for so long, and no answer says so.
const LOCKOUT: Duration = Duration::from_secs(300);

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// The account's own address, without a path of the API.
    pub url: Url,
    pub account: u64,
    pub job: u64,
    pub token: Secret,
    /// The schema that a run builds into; without one, that of the pull request.
    pub schema: Option<Template>,
    /// The commands that a run executes in place of the job's own.
    pub steps: Vec<Template>,
    /// The secrets of the webhook subscription: two while one is replaced, none without callbacks.
    pub webhook_secrets: Vec<Secret>,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        Abilities { finds: true, polls: true, cancels: true, ..Abilities::default() }
    }

    fn secrets(&self) -> Vec<Secret> {
        [&self.token].into_iter().chain(&self.webhook_secrets).cloned().collect()
    }

    fn account(&self, _name: &str) -> String {
        format!("dbt_cloud {} {}", self.url.authority(), self.account)
    }

    fn render_for(&self, trigger: &Trigger<'_>) -> Result<(), String> {
        self.body(trigger).map(drop).map_err(|error| error.to_string())
    }

    fn lockout(&self) -> Option<Duration> {
        Some(LOCKOUT)
    }

    fn takes_callbacks(&self) -> bool {
        !self.webhook_secrets.is_empty()
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        Arc::new(DbtCloud { options: self.clone(), client })
    }
}

/// See the module.
#[derive(Debug)]
struct DbtCloud {
    options: Options,
    client: Client,
}

impl DbtCloud {
    /// An address of the account. Every path of the API ends in a slash.
    fn url(&self, segments: &[&str]) -> Url {
        let account = self.options.account.to_string();
        let above = ["api", "v2", "accounts", &account];
        below(&self.options.url, above.iter().chain(segments).chain(&[""]).copied())
    }

    /// What an answer has in its envelope.
    ///
    /// # Errors
    /// The answer is no success: see [`errors::failure`].
    async fn data(&self, call: Call) -> Result<Value, Error> {
        let answer = self.client.send(call.bearer(&self.options.token)).await?;
        if !answer.status.is_success() {
            return Err(errors::failure(&self.client, &answer));
        }
        match answer.json().get_mut("data").map(Value::take) {
            Some(data) if !data.is_null() => Ok(data),
            // A page in place of data, as a proxy sends it.
            _ => Err(self.client.failure(&answer)),
        }
    }
}

/// The id of a run in an answer, as a text.
fn id_of(run: &Value) -> Option<String> {
    urls::id(run.get("id"))
}

#[async_trait]
impl System for DbtCloud {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        self.trigger_call(trigger)
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.trigger(trigger).await
    }

    async fn find(&self, run: &Run) -> Result<Option<Started>, Error> {
        self.find_run(run).await
    }

    async fn poll(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        self.poll_runs(runs).await
    }

    async fn cancel(&self, run: &Run, _reason: &str) -> Result<Cancelled, Error> {
        self.cancel_run(run).await
    }

    fn read_callback(&self, callback: &Callback<'_>) -> Result<Vec<Mentioned>, CallbackError> {
        self.mentioned(callback)
    }

    async fn check(&self) -> Vec<Finding> {
        self.findings().await
    }
}
