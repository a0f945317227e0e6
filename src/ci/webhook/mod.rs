//! CI kind `webhook`: a signed HTTP request starts the run, and the CI reports on it.
//!
//! Such a CI cannot be polled. A runner learns that its run has ended from the signed request to
//! `cancel_url`, or from the answer to its next report.

mod cancel;
mod signature;
mod trigger;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::client::{Call, Client};
use super::error::Error;
use super::options::Kind;
use super::system::{Cancelled, Finding, System};
use super::trigger::Trigger;
use crate::domain::follow::Abilities;
use crate::domain::id::RunId;
use crate::domain::run::{Run, Started};
use crate::domain::time::Timestamp;

pub use signature::{SigningSecret, signatures};

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    pub url: Url,
    pub cancel_url: Option<Url>,
    /// The current secret, and during a rotation the previous one: each signs every request.
    pub secrets: Vec<SigningSecret>,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        let cancels = self.cancel_url.is_some();
        Abilities { cancels, knows_our_id: true, ..Abilities::default() }
    }

    fn account(&self, name: &str) -> String {
        format!("webhook {name}")
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        Arc::new(Webhook { options: self.clone(), client })
    }
}

/// See the module.
#[derive(Debug)]
struct Webhook {
    options: Options,
    client: Client,
}

impl Webhook {
    /// A request with this body, signed. Source: the Standard Webhooks specification.
    fn signed(&self, url: &Url, id: RunId, body: &Value, now: Timestamp) -> Call {
        let (id, timestamp_s) = (id.to_string(), now.ms() / 1_000);
        let body = body.to_string().into_bytes();
        let signature = signatures(&self.options.secrets, &id, timestamp_s, &body);
        Call::post(url.clone())
            .header("webhook-id", &id)
            .header("webhook-timestamp", &timestamp_s.to_string())
            .header("webhook-signature", &signature)
            .body("application/json", body)
    }
}

#[async_trait]
impl System for Webhook {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        Ok(self.signed(&self.options.url, trigger.run.id, &trigger.to_json()?, trigger.sent_at))
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let answer = self.client.send(self.start_call(trigger)?).await?;
        trigger::read(&self.client, &answer)
    }

    async fn cancel(&self, run: &Run, reason: &str) -> Result<Cancelled, Error> {
        self.cancel_run(run, reason).await
    }

    async fn check(&self) -> Vec<Finding> {
        let host = self.options.url.host_str().unwrap_or_default();
        vec![Finding::note(format!("{host} is only asked when a run starts: nothing is checked"))]
    }
}
