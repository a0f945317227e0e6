//! Calls of the CI kind `azure_pipelines`: as the identity of an organization, each with a
//! credential of its own.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;

use crate::ado::{self, Scope};
use crate::ci::azure_pipelines::{AzureDevOps, Permission};
use crate::ci::{Error, PAUSE, Refusal};
use crate::credentials::{CallError, Identity, Purpose, call};

const PURPOSE: Purpose = Purpose::new("pipelines");

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct AsIdentity(pub(super) Identity);

#[async_trait]
impl AzureDevOps for AsIdentity {
    async fn call(
        &self,
        permission: Permission,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
        timeout: Duration,
    ) -> Result<Value, Error> {
        let Identity { client, source, .. } = &self.0;
        let scope = match permission {
            Permission::Code => Scope::Code,
            Permission::Read => Scope::Build,
            Permission::Execute => Scope::BuildExecute,
        };
        let make = |credential| {
            let (method, body) = (method.clone(), body.clone());
            client.call_pipelines(credential, method, segments, query, body, timeout)
        };
        let answer = call(source.as_ref(), scope, PURPOSE, make).await;
        answer.map_err(|error| match error {
            CallError::Ado(error) => of_ado(error),
            // Nothing was asked.
            CallError::Credential(error) => {
                Error::Unavailable { reason: error.to_string(), retry_after: None }
            }
        })
    }
}

fn of_ado(error: ado::Error) -> Error {
    let reason = error.to_string();
    match error {
        ado::Error::RateLimited { retry_after, .. } => {
            Error::Unavailable { reason, retry_after: Some(retry_after.unwrap_or(PAUSE)) }
        }
        ado::Error::Unavailable { doubtful: true, retry_after, .. } => {
            Error::Ambiguous { reason, retry_after }
        }
        ado::Error::Unavailable { retry_after, .. } => Error::Unavailable { reason, retry_after },
        ado::Error::Unauthorized { .. } | ado::Error::Forbidden { .. } => {
            Error::refused(reason, Refusal::Credential)
        }
        ado::Error::NotFound { .. } => Error::refused(reason, Refusal::Gone),
        _ => Error::refused(reason, Refusal::Configuration),
    }
}
