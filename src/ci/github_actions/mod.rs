//! CI kind `github_actions`: a workflow is dispatched, polled by the id of its run, and cancelled.
//!
//! The workflow lives at GitHub, the code at Azure DevOps: which commit to build is an input.
//! Source: docs/ci.md, "Kind `github_actions`".

/// Tokens: one that was made by hand, or those of the installation of an App.
mod access;
/// Calls and their failures.
mod api;
mod callback;
mod cancel;
mod check;
mod find;
mod poll;
mod trigger;
/// What `ci check` reads out of the workflow file.
mod workflow_file;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jsonwebtoken::EncodingKey;
use url::Url;

use self::access::Access;
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

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://api.github.com`, or `https://HOST/api/v3`.
    pub url: Url,
    pub owner: String,
    /// The repository without its owner.
    pub repository: String,
    /// The name of the workflow's file, or its id.
    pub workflow: String,
    /// Branch or tag of that repository whose workflow file is used.
    pub git_ref: Template,
    pub credential: Credential,
    /// The input that carries the run id; none where the workflow has none for that.
    pub input: Option<String>,
    /// What callbacks are signed with; two while one is replaced, none where there are none.
    pub webhook_secrets: Vec<Secret>,
}

/// Who the gateway is to GitHub.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A personal access token.
    Token(Secret),
    /// An installation of a GitHub App.
    App(App),
}

/// A GitHub App, and where it is installed.
#[derive(Clone, Debug)]
pub struct App {
    pub id: u64,
    pub installation: u64,
    pub private_key: PrivateKey,
}

/// The RSA key of an App.
#[derive(Clone)]
pub struct PrivateKey(EncodingKey);

impl PrivateKey {
    /// Reads PEM, as GitHub hands it out (PKCS#1) or as PKCS#8.
    ///
    /// # Errors
    /// What is wrong with the text, without showing it.
    pub fn parse(pem: &Secret) -> Result<Self, String> {
        let read = EncodingKey::from_rsa_pem(pem.expose().as_bytes());
        read.map(Self).map_err(|_| "it is not an RSA private key in PEM".to_owned())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        let finds = self.input.is_some();
        Abilities { finds, polls: true, cancels: true, ..Abilities::default() }
    }

    fn secrets(&self) -> Vec<Secret> {
        let token = match &self.credential {
            Credential::Token(token) => Some(token.clone()),
            Credential::App(_) => None,
        };
        token.into_iter().chain(self.webhook_secrets.iter().cloned()).collect()
    }

    fn account(&self, _name: &str) -> String {
        let host = self.url.host_str().unwrap_or_default();
        let who = match &self.credential {
            Credential::Token(token) => format!("token {}", fingerprint(token)),
            Credential::App(app) => format!("installation {}", app.installation),
        };
        format!("github_actions {host} {who}")
    }

    fn takes_callbacks(&self) -> bool {
        !self.webhook_secrets.is_empty()
    }

    fn system(&self, client: Client) -> Arc<dyn System> {
        let access = Access::new(self.credential.clone());
        Arc::new(GithubActions { options: self.clone(), client, access })
    }
}

/// See the module.
#[derive(Debug)]
struct GithubActions {
    options: Options,
    client: Client,
    access: Access,
}

#[async_trait]
impl System for GithubActions {
    fn start_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        self.dispatch(trigger, true)
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        self.start_run(trigger).await
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
