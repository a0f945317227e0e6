//! Tokens: one that was made by hand, or those of the installation of an App, which live for an
//! hour.
//!
//! `POST /app/installations/{id}/access_tokens`, authenticated with a JWT (RS256, `iss` the App,
//! at most 10 minutes) → 201 `{"token", "expires_at", "permissions": {"actions": "write"}}`.
//! Source: docs/ci.md, "Kind `github_actions`".

use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::api::with_headers;
use super::{App, Credential, Options};
use crate::ci::client::{Call, Client};
use crate::ci::error::{Error, Refusal};
use crate::ci::urls::below;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// A token is replaced so long before it ends.
const LEFT_MIN: Duration = Duration::from_secs(5 * 60);
/// No token lives longer.
const LIFE_MAX: Duration = Duration::from_secs(60 * 60);
/// The call that needs a token waits for one so long, so that both end within the lease of its run.
const ISSUED_WITHIN: Duration = Duration::from_secs(20);
/// A JWT began so long ago, since clocks differ.
const JWT_BEGAN: Duration = Duration::from_secs(60);
/// A JWT ends so soon; GitHub accepts 10 minutes by its own clock.
const JWT_ENDS: Duration = Duration::from_secs(8 * 60);

/// See the module.
#[derive(Debug)]
pub(super) struct Access {
    credential: Credential,
    /// The token of the installation. Held while a new one is fetched, so that one call fetches it.
    issued: Mutex<Option<Issued>>,
}

/// A token of an installation.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    pub(super) token: Secret,
    ends_at: Timestamp,
    /// The permission Actions: `read` or `write`; none where it has none.
    pub(super) actions: Option<String>,
}

impl Access {
    pub(super) fn new(credential: Credential) -> Self {
        Self { credential, issued: Mutex::new(None) }
    }

    /// The token for a call.
    ///
    /// # Errors
    /// GitHub issues none. It is never ambiguous: nothing has been started.
    pub(super) async fn token(&self, client: &Client, options: &Options) -> Result<Secret, Error> {
        let app = match &self.credential {
            Credential::Token(token) => return Ok(token.clone()),
            Credential::App(app) => app,
        };
        let fetched = tokio::time::timeout(ISSUED_WITHIN, async {
            let mut issued = self.issued.lock().await;
            let now = client.clock.now();
            if let Some(known) = issued.as_ref().filter(|it| it.ends_at > now.plus(LEFT_MIN)) {
                return Ok(known.token.clone());
            }
            let new = issue(app, client, options).await.map_err(not_issued)?;
            Ok(issued.insert(new).token.clone())
        });
        fetched.await.unwrap_or_else(|_| {
            let reason = "no token is issued in time".to_owned();
            Err(Error::Unavailable { reason, retry_after: None })
        })
    }

    /// Forgets a token that was refused. Whether another one may be had.
    pub(super) async fn forget(&self, token: &Secret) -> bool {
        if matches!(self.credential, Credential::Token(_)) {
            return false;
        }
        let mut issued = self.issued.lock().await;
        if issued.as_ref().is_some_and(|it| it.token.expose() == token.expose()) {
            *issued = None;
        }
        true
    }

    /// A new token of the installation, to look at what it may; none without an App.
    pub(super) async fn issue(
        &self,
        client: &Client,
        options: &Options,
    ) -> Option<Result<Issued, Error>> {
        let Credential::App(app) = &self.credential else { return None };
        Some(issue(app, client, options).await.map_err(not_issued))
    }
}

async fn issue(app: &App, client: &Client, options: &Options) -> Result<Issued, Error> {
    let now = client.clock.now();
    let installation = app.installation.to_string();
    let segments = ["app", "installations", &installation, "access_tokens"];
    let call = with_headers(Call::post(below(&options.url, segments)))
        .bearer(&assertion(app, now)?)
        .json(&json!({ "repositories": [options.repository] }));
    let answer = client.succeed_with_json(call).await?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let unreadable = || Error::ambiguous("GitHub's answer has no token");
    let ends_at = text("/expires_at").and_then(|at| Timestamp::parse(&at));
    Ok(Issued {
        token: Secret::new(text("/token").ok_or_else(unreadable)?),
        ends_at: ends_at.unwrap_or(now).min(now.plus(LIFE_MAX)),
        actions: text("/permissions/actions"),
    })
}

/// The JWT that proves who the App is.
fn assertion(app: &App, now: Timestamp) -> Result<Secret, Error> {
    let seconds = |at: Timestamp| at.ms() / 1_000;
    let claims = json!({
        "iat": seconds(now.minus(JWT_BEGAN)),
        "exp": seconds(now.plus(JWT_ENDS)),
        "iss": app.id.to_string(),
    });
    let header = Header::new(Algorithm::RS256);
    let signed = jsonwebtoken::encode(&header, &claims, &app.private_key.0);
    signed.map(Secret::new).map_err(|_| {
        Error::refused("the private key of the App does not sign", Refusal::Credential)
    })
}

/// No token was issued, so nothing else was asked, and nothing is known about any run.
fn not_issued(error: Error) -> Error {
    match error {
        Error::Ambiguous { reason, retry_after } => {
            Error::Unavailable { reason: format!("no token is issued: {reason}"), retry_after }
        }
        Error::Refused { reason, .. } => {
            let reason = format!("no token is issued to the App for this installation: {reason}");
            Error::refused(reason, Refusal::Credential)
        }
        other => other,
    }
}
