//! Azure DevOps, as a CI of kind `azure_pipelines` needs it: called as the identity of one of the
//! gateway's organizations, each call with a credential of its own.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde_json::Value;

use super::error::Error;

/// What a call needs to be permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// `vso.code`
    Code,
    /// `vso.build`
    Read,
    /// `vso.build_execute`
    Execute,
}

/// Azure DevOps, called as the identity of one organization.
#[async_trait]
pub trait AzureDevOps: Debug + Send + Sync {
    /// Makes one call with a credential of its own, and returns the JSON of the answer. The path is
    /// below the organization. Each attempt takes `timeout` at most.
    ///
    /// # Errors
    /// See [`Error`].
    async fn call(
        &self,
        permission: Permission,
        method: Method,
        segments: &[&str],
        query: &[(&str, &str)],
        body: Option<Value>,
        timeout: Duration,
    ) -> Result<Value, Error>;
}
