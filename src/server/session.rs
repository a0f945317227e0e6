//! The session of a person who has signed in: an encrypted cookie, which every replica with the
//! same root key reads. It is good for the pages and for linking, never for the API.
//!
//! Who signed in with an API token has the role that the token has now. The session ends with the
//! token, or with its value: the cookie holds a fingerprint of it.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cookie;
use super::{ApiToken, Role};
use crate::deps::Deps;
use crate::domain::audit::{Actor, Via};
use crate::domain::time::Timestamp;
use crate::secret::{Sealed, Secret};

const COOKIE: &str = "azdo_gateway_session";
/// What sessions are encrypted for: nothing else that is encrypted can be used as one.
const CONTEXT: &str = "session";
const SESSION_AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);

/// Begins sessions, knows them again, and ends them.
#[derive(Debug)]
pub(super) struct Sessions {
    tokens: Arc<Vec<ApiToken>>,
    deps: Deps,
}

/// A person who has signed in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) actor: Actor,
    pub(super) role: Role,
    id: String,
    until: Timestamp,
}

/// What the cookie holds.
#[derive(Debug, Deserialize, Serialize)]
struct Content {
    id: String,
    until: Timestamp,
    who: Who,
}

/// Who signed in, by the way in.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "via", rename_all = "snake_case")]
enum Who {
    ApiToken { name: String, fingerprint: String },
}

impl Sessions {
    /// Sessions of those who have one of the tokens.
    pub(super) fn new(tokens: Arc<Vec<ApiToken>>, deps: &Deps) -> Self {
        Self { tokens, deps: deps.clone() }
    }

    /// The token of that value.
    pub(super) fn token(&self, value: &str) -> Option<&ApiToken> {
        super::auth::find(&self.tokens, value)
    }

    /// The header that begins a session of whoever has this token.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub(super) fn begin(&self, token: &ApiToken) -> Result<String, getrandom::Error> {
        let (name, fingerprint) = (token.name.clone(), token.token.fingerprint());
        let content = Content {
            id: Uuid::now_v7().to_string(),
            until: self.deps.clock.now().plus(SESSION_AGE_MAX),
            who: Who::ApiToken { name, fingerprint },
        };
        let content = Secret::new(serde_json::to_string(&content).unwrap_or_default());
        let sealed = self.deps.keys.seal(CONTEXT, &content)?;
        let value = Secret::new(URL_SAFE_NO_PAD.encode(sealed.0));
        Ok(self.cookie(&value, SESSION_AGE_MAX.as_secs()))
    }

    /// The session that a request with these headers belongs to.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        let value = cookie::read(headers, COOKIE)?;
        let sealed = Sealed(URL_SAFE_NO_PAD.decode(value.expose()).ok()?);
        let opened = self.deps.keys.open(CONTEXT, &sealed).ok()?;
        let Content { id, until, who } = serde_json::from_str(opened.secret.expose()).ok()?;
        if until <= self.deps.clock.now() || self.deps.ended_sessions.contains(&id) {
            return None;
        }
        let Who::ApiToken { name, fingerprint } = who;
        let mut tokens = self.tokens.iter();
        let token = tokens.find(|it| it.name == name && it.token.fingerprint() == fingerprint)?;
        let is_admitted = admits(token.role);
        let actor = Actor { name, via: Via::Session };
        is_admitted.then_some(Session { actor, role: token.role, id, until })
    }

    /// Whether a session that began a while ago is still one.
    pub(super) fn goes_on(&self, session: &Session) -> bool {
        let is_ended = self.deps.ended_sessions.contains(&session.id);
        session.until > self.deps.clock.now() && !is_ended
    }

    /// Ends a session, also for copies of its cookie: here at once, at other replicas within a
    /// second, as soon as the store answers.
    pub(super) async fn end(&self, session: &Session) {
        let Deps { store, ended_sessions, clock, .. } = &self.deps;
        let of = (session.id.clone(), session.until);
        if let Err(error) = ended_sessions.end(store.as_ref(), of, clock.now()).await {
            let name = &session.actor.name;
            tracing::warn!("the session of {name} is ended at this replica only: {error}");
        }
    }

    /// The header that removes the cookie.
    pub(super) fn removed(&self) -> String {
        self.cookie(&Secret::new(String::new()), 0)
    }

    fn cookie(&self, value: &Secret, age_s: u64) -> String {
        cookie::written(&self.deps.public_url, "/", COOKIE, value, age_s)
    }
}

/// Whether people with this role may see pages.
pub(super) fn admits(role: Role) -> bool {
    matches!(role, Role::Viewer | Role::Operator)
}
