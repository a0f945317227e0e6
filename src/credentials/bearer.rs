//! Identities that cannot mint: a service principal, a managed identity, a workload identity. Their
//! access token is what a call is made with (docs/azure-devops.md §4.1).
//!
//! It is asked for once and shared until shortly before its end. It must never be lent after that.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use url::Url;

use super::entra::{self, Entra, Tokens};
use super::{AuditLog, Error, Purpose, Source};
use crate::ado::{Credential, Scope};
use crate::domain::audit::{Action, Entry, Outcome};
use crate::domain::backoff::Backoff;
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::secret::Secret;

/// A token in its last minutes may die on the way.
const MARGIN: Duration = Duration::from_secs(120);
const BACKOFF: Backoff =
    Backoff { base_ms: 1_000, cap_ms: 5 * 60_000, retry_after_ms_max: 60 * 60_000 };

/// Who hands the token out.
#[derive(Debug)]
pub(super) enum Issuer {
    /// An app that proves itself to Entra.
    App(Entra),
    /// The metadata service of the machine.
    Machine { http: reqwest::Client, endpoint_url: Url, client_id: Option<String> },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Bearer {
    issuer: Issuer,
    identity: String,
    audit_log: AuditLog,
    health: std::sync::Arc<Health>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    token: Option<(Secret, Timestamp)>,
    failures: u32,
    /// After a failure: why, and until when nobody asks again.
    rests: Option<(Error, Timestamp)>,
}

impl Bearer {
    /// Lends the token that `issuer` hands out; `identity` is what the audit log calls it.
    pub(super) fn new(
        issuer: Issuer,
        identity: String,
        audit_log: AuditLog,
        health: std::sync::Arc<Health>,
    ) -> Self {
        Self { issuer, identity, audit_log, health, state: Mutex::default() }
    }

    async fn token(&self) -> Result<Secret, Error> {
        let mut state = self.state.lock().await;
        let now = self.audit_log.clock.now();
        if let Some((token, until)) = &state.token
            && *until > now
        {
            return Ok(token.clone());
        }
        if let Some((error, until)) = &state.rests
            && *until > now
        {
            return Err(error.clone());
        }
        let issued = self.issue().await;
        let organization = &self.audit_log.organization;
        let identity = Some(self.identity.clone());
        match issued {
            Ok(tokens) => {
                let life = tokens.expires_at.since(now);
                let until = tokens.expires_at.minus(MARGIN.min(life / 10));
                *state =
                    State { token: Some((tokens.access_token.clone(), until)), ..State::default() };
                self.health.clear(organization, ProblemKind::Link);
                let lifetime_s = i64::try_from(life.as_secs()).ok();
                let entry = self.audit_log.entry(Action::Refresh, Outcome::Done);
                self.audit_log.record(vec![Entry { identity, lifetime_s, ..entry }]).await;
                Ok(tokens.access_token)
            }
            Err(error) => {
                state.failures += 1;
                let wait =
                    BACKOFF.wait(state.failures, super::session::random(), error.retry_after());
                let reason = format!("no access token is to be had: {error}");
                if self.health.raise(organization, ProblemKind::Link, &reason) {
                    tracing::error!(organization, "{reason}; statuses wait until then");
                }
                let outcome = match error.is_transient() {
                    true => Outcome::Failed,
                    false => Outcome::Refused,
                };
                let entry = self.audit_log.entry(Action::Refresh, outcome);
                self.audit_log
                    .record(vec![Entry { identity, detail: reason.clone(), ..entry }])
                    .await;
                let until = now.plus(wait);
                let error = Error::until(reason, until);
                state.rests = Some((error.clone(), until));
                Err(error)
            }
        }
    }

    async fn issue(&self) -> Result<Tokens, entra::Error> {
        match &self.issuer {
            Issuer::App(app) => app.client_credentials().await,
            Issuer::Machine { http, endpoint_url, client_id } => {
                let clock = &self.audit_log.clock;
                entra::managed_identity(http, endpoint_url, client_id.as_deref(), clock).await
            }
        }
    }
}

#[async_trait]
impl Source for Bearer {
    async fn credential(&self, scope: Scope, purpose: Purpose) -> Result<Credential, Error> {
        let token = self.token().await?;
        let receipt = self.audit_log.receipt(scope, purpose, Some(self.identity.clone()));
        Ok(Credential::from_bearer(&token).with_receipt(Box::new(receipt)))
    }

    fn when_refused(&self) -> &'static str {
        "Add the app or managed identity to Organization settings > Users, with a Basic licence."
    }

    async fn upkeep(&self) {
        // What is wrong shows before the first status waits for it.
        drop(self.token().await);
    }

    async fn pause(&self) {
        self.audit_log.written().await;
    }
}
