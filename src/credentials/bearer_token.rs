//! Identities that need no PAT: a service principal, a managed identity, a workload identity. Their
//! calls carry an access token of Entra (docs/azure-devops.md §4.1).
//!
//! The token is requested once and serves all calls until shortly before it expires.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use url::Url;

use super::audit_log::AuditLog;
use super::entra::{self, Entra, Tokens};
use super::error::Error;
use super::source::{Purpose, Source};
use crate::ado::{Credential, Scope};
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::backoff::Backoff;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::jitter;
use crate::secret::Secret;

/// A token that expires sooner may expire on its way, so it is not used.
const EXPIRY_MARGIN: Duration = Duration::from_secs(120);
const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 5 * 60_000, retry_after_ms_max: 60 * 60_000 };

/// Who issues the access token.
#[derive(Debug)]
pub(super) enum Issuer {
    /// Entra, to an app that authenticates itself.
    App(Entra),
    /// The metadata service of the machine.
    Machine { http: reqwest::Client, endpoint_url: Url, client_id: Option<String> },
}

/// See the module.
#[derive(Debug)]
pub(super) struct BearerToken {
    issuer: Issuer,
    /// The name of the identity in the audit log.
    identity: String,
    audit_log: AuditLog,
    clock: Clock,
    health: Arc<Health>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The current token, and until when it is used.
    token: Option<(Secret, Timestamp)>,
    /// Requests that failed since the last success.
    failures: u32,
    /// The last error, and until when it is returned without another request.
    error: Option<(Error, Timestamp)>,
}

impl BearerToken {
    /// `identity` names the identity in the audit log.
    pub(super) fn new(issuer: Issuer, identity: String, audit_log: AuditLog, deps: &Deps) -> Self {
        let (clock, health) = (deps.clock.clone(), Arc::clone(&deps.health));
        Self { issuer, identity, audit_log, clock, health, state: Mutex::default() }
    }

    /// The current token, or a new one.
    async fn token(&self) -> Result<Secret, Error> {
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some((token, until)) = &state.token
            && *until > now
        {
            return Ok(token.clone());
        }
        if let Some((error, until)) = &state.error
            && *until > now
        {
            return Err(error.clone());
        }
        match self.request().await {
            Ok(tokens) => {
                let lifetime = tokens.expires_at.since(now);
                let until = tokens.expires_at.minus(EXPIRY_MARGIN.min(lifetime / 10));
                let token = tokens.access_token;
                *state = State { token: Some((token.clone(), until)), ..State::default() };
                self.health.clear(&self.audit_log.organization, ProblemKind::Link);
                let lifetime_s = i64::try_from(lifetime.as_secs()).ok();
                let entry = self.entry(Outcome::Done);
                self.audit_log.record(vec![Entry { lifetime_s, ..entry }]).await;
                Ok(token)
            }
            Err(error) => {
                state.failures += 1;
                let wait = BACKOFF.wait(state.failures, jitter::random(), error.retry_after());
                let until = now.plus(wait);
                let error = Error::transient(self.report(&error).await, until);
                state.error = Some((error.clone(), until));
                Err(error)
            }
        }
    }

    /// Raises the problem and records it. Returns its reason.
    async fn report(&self, error: &entra::Error) -> String {
        let organization = &self.audit_log.organization;
        let reason = format!("no access token can be obtained: {error}");
        if self.health.raise(organization, ProblemKind::Link, &reason) {
            tracing::error!(organization, "{reason}; statuses wait until then");
        }
        let outcome = match error.is_transient() {
            true => Outcome::Failed,
            false => Outcome::Refused,
        };
        let entry = self.entry(outcome);
        self.audit_log.record(vec![Entry { detail: reason.clone(), ..entry }]).await;
        reason
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        let entry = self.audit_log.entry(Action::Refresh, outcome);
        Entry { identity: Some(self.identity.clone()), ..entry }
    }

    async fn request(&self) -> Result<Tokens, entra::Error> {
        match &self.issuer {
            Issuer::App(app) => app.client_credentials().await,
            Issuer::Machine { http, endpoint_url, client_id } => {
                entra::managed_identity(http, endpoint_url, client_id.as_deref(), &self.clock).await
            }
        }
    }
}

#[async_trait]
impl Source for BearerToken {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let token = self.token().await?;
        let receipt = self.audit_log.receipt(scope, purpose, Some(self.identity.clone()));
        Ok(Credential::from_bearer(&token).with_receipt(Box::new(receipt)))
    }

    fn refusal_advice(&self) -> &'static str {
        "Add the app or managed identity to Organization settings > Users, with a Basic licence."
    }

    async fn maintain(&self) {
        // Requests a token, so that a problem shows before the first status needs one.
        drop(self.token().await);
    }

    async fn pause(&self) {
        self.audit_log.written().await;
    }
}
