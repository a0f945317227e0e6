//! Reads the webhook "Pipeline events": signed as Standard Webhooks has it where the secret is a
//! signing key, else with the secret in `X-Gitlab-Token`. The body has `object_attributes`
//! `{"id", "variables": [{"key", "value"}]}`. Source: docs/ci.md, "Kind `gitlab`".

use std::str::FromStr;

use serde_json::Value;

use super::{Gitlab, VARIABLE};
use crate::ci::callback::{Callback, CallbackError, Mentioned, Scheme};
use crate::ci::urls::id;
use crate::domain::id::RunId;
use crate::secret::Secret;

/// How signing keys begin.
const SIGNING_KEY_PREFIX: &str = "whsec_";

impl Gitlab {
    pub(super) fn mentioned(
        &self,
        callback: &Callback<'_>,
    ) -> Result<Vec<Mentioned>, CallbackError> {
        let is_key = |secret: &&Secret| secret.expose().starts_with(SIGNING_KEY_PREFIX);
        let (keys, tokens): (Vec<&Secret>, Vec<&Secret>) =
            self.options.webhook_secrets.iter().partition(is_key);
        if keys.is_empty() && tokens.is_empty() {
            return Err(CallbackError::Unexpected);
        }
        let verify = |scheme: Scheme, secrets: Vec<&Secret>| {
            scheme.verify(&secrets.into_iter().cloned().collect::<Vec<_>>(), callback)
        };
        let header = "x-gitlab-token".to_owned();
        verify(Scheme::Token { header }, tokens)
            .or_else(|_| verify(Scheme::StandardWebhooks, keys))?;
        let body = callback.json();
        let ci_id = id(body.pointer("/object_attributes/id")).map(Mentioned::AtCi);
        Ok(run_id(&body).map(Mentioned::Run).into_iter().chain(ci_id).collect())
    }
}

/// Our run id among the variables of the pipeline.
fn run_id(body: &Value) -> Option<RunId> {
    let variables = body.pointer("/object_attributes/variables")?.as_array()?;
    let of_run = |one: &&Value| one.get("key").and_then(Value::as_str) == Some(VARIABLE);
    let value = variables.iter().find(of_run)?.get("value")?.as_str()?;
    RunId::from_str(value).ok()
}
