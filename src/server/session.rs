//! The session of a person who has signed in: an encrypted cookie, which every replica with the
//! same root key reads. It is good for the pages and for linking, never for the API.
//!
//! The role is computed for each request, from the configuration as it is now. Of a person who
//! signed in with Entra the cookie holds what Entra said of them. Who signed in with an API token
//! has the role of the token; the session ends with the token, or with its value, of which the
//! cookie holds a fingerprint. Where people sign in with Entra no session of an API token is good.
//!
//! With Entra there is a second cookie, with the refresh token: a browser takes no cookie in which
//! both have room.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cookie;
use super::{ApiToken, Role};
use crate::credentials::{SignIn, SignedIn};
use crate::deps::Deps;
use crate::domain::access::Claims;
use crate::domain::audit::{Actor, Via};
use crate::domain::time::Timestamp;
use crate::secret::{Sealed, Secret};

const COOKIE: &str = "azdo_gateway_session";
/// What sessions are encrypted for: nothing else that is encrypted can be used as one.
const CONTEXT: &str = "session";
/// With an API token.
const SESSION_AGE_MAX: Duration = Duration::from_secs(12 * 60 * 60);
/// The cookie with the refresh token. It is encrypted for its session.
const REFRESH_COOKIE: &str = "azdo_gateway_refresh";
/// Browsers drop a longer cookie, with its name.
const COOKIE_BYTES_MAX: usize = 4_096;

/// Begins sessions, knows them again, and ends them.
#[derive(Debug)]
pub(super) struct Sessions {
    tokens: Arc<Vec<ApiToken>>,
    /// None where people sign in with API tokens.
    sign_in: Option<Arc<SignIn>>,
    deps: Deps,
}

/// A person who has signed in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) actor: Actor,
    pub(super) role: Role,
    pub(super) id: String,
    /// With which Azure DevOps is asked what the person may see; none without Entra.
    pub(super) refresh_token: Option<Secret>,
    begun: Timestamp,
    pub(super) until: Timestamp,
}

/// What the cookie holds.
#[derive(Debug, Deserialize, Serialize)]
struct Content {
    id: String,
    begun: Timestamp,
    until: Timestamp,
    who: Who,
}

/// Who signed in, by the way in.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "via", rename_all = "snake_case")]
enum Who {
    ApiToken { name: String, fingerprint: String },
    Entra(Claims),
}

impl Sessions {
    /// Sessions of those who have one of the tokens, or with `sign_in` of the people of a tenant.
    pub(super) fn new(
        tokens: Arc<Vec<ApiToken>>,
        sign_in: Option<Arc<SignIn>>,
        deps: &Deps,
    ) -> Self {
        Self { tokens, sign_in, deps: deps.clone() }
    }

    /// How people sign in with Entra, where they do.
    pub(super) fn sign_in(&self) -> Option<&Arc<SignIn>> {
        self.sign_in.as_ref()
    }

    /// The token of that value.
    pub(super) fn token(&self, value: &str) -> Option<&ApiToken> {
        super::auth::find(&self.tokens, value)
    }

    /// The first token of an operator.
    pub(super) fn operator(&self) -> Option<&ApiToken> {
        self.tokens.iter().find(|token| token.role == Role::Operator)
    }

    /// The header that begins a session of whoever has this token.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub(super) fn begin(&self, token: &ApiToken) -> Result<String, getrandom::Error> {
        let (name, fingerprint) = (token.name.clone(), token.token.fingerprint());
        self.begun(Who::ApiToken { name, fingerprint }, SESSION_AGE_MAX).map(|(_, cookie)| cookie)
    }

    /// The headers that begin a session of a person whom Entra has signed in.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub(super) fn begin_with_entra(
        &self,
        sign_in: &SignIn,
        signed_in: SignedIn,
    ) -> Result<Vec<String>, getrandom::Error> {
        let age = sign_in.session();
        let name = signed_in.claims.user_name.clone();
        let (id, cookie) = self.begun(Who::Entra(signed_in.claims), age)?;
        let refresh = match &signed_in.refresh_token {
            Some(token) => {
                let value = self.sealed(&refresh_context(&id), token)?;
                if value.expose().len() + REFRESH_COOKIE.len() >= COOKIE_BYTES_MAX {
                    tracing::warn!("the refresh token of {name} is too long for a cookie");
                }
                self.cookie(REFRESH_COOKIE, &value, age.as_secs())
            }
            None => self.cookie(REFRESH_COOKIE, &Secret::new(String::new()), 0),
        };
        Ok(vec![cookie, refresh])
    }

    /// A new session: its id, and the header.
    fn begun(&self, who: Who, age: Duration) -> Result<(String, String), getrandom::Error> {
        let id = Uuid::now_v7().to_string();
        let begun = self.deps.clock.now();
        let content = Content { id: id.clone(), begun, until: begun.plus(age), who };
        let content = Secret::new(serde_json::to_string(&content).unwrap_or_default());
        let value = self.sealed(CONTEXT, &content)?;
        Ok((id, self.cookie(COOKIE, &value, age.as_secs())))
    }

    fn sealed(&self, context: &str, content: &Secret) -> Result<Secret, getrandom::Error> {
        let sealed = self.deps.keys.seal(context, content)?;
        Ok(Secret::new(URL_SAFE_NO_PAD.encode(sealed.0)))
    }

    /// The content of a cookie that was sealed for this context.
    fn opened(&self, headers: &HeaderMap, name: &str, context: &str) -> Option<Secret> {
        let value = cookie::read(headers, name)?;
        let sealed = Sealed(URL_SAFE_NO_PAD.decode(value.expose()).ok()?);
        Some(self.deps.keys.open(context, &sealed).ok()?.secret)
    }

    /// The session that a request with these headers belongs to.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        let opened = self.opened(headers, COOKIE, CONTEXT)?;
        let Content { id, begun, until, who } = serde_json::from_str(opened.expose()).ok()?;
        let (name, role) = self.name_and_role(who)?;
        let refresh_token = self.opened(headers, REFRESH_COOKIE, &refresh_context(&id));
        let actor = Actor { name, via: Via::Session };
        let session = Session { actor, role, id, refresh_token, begun, until };
        (self.goes_on(&session) && admits(role)).then_some(session)
    }

    /// Who has signed in, with the role that the configuration gives now.
    fn name_and_role(&self, who: Who) -> Option<(String, Role)> {
        match (who, &self.sign_in) {
            (Who::ApiToken { name, fingerprint }, None) => {
                let mut tokens = self.tokens.iter();
                let is_it =
                    |it: &&ApiToken| it.name == name && it.token.fingerprint() == fingerprint;
                tokens.find(is_it).map(|token| (name.clone(), token.role))
            }
            (Who::Entra(claims), Some(sign_in)) => {
                let role = sign_in.role_of(&claims)?;
                Some((claims.user_name, role))
            }
            _ => None,
        }
    }

    /// Whether a session that began a while ago is still one.
    pub(super) fn goes_on(&self, session: &Session) -> bool {
        let Session { actor, id, begun, until, .. } = session;
        let is_ended = self.deps.ended_sessions.contains(id, &actor.name, *begun);
        *until > self.deps.clock.now() && !is_ended
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

    /// The headers that remove the cookies.
    pub(super) fn removed(&self) -> Vec<String> {
        let nothing = Secret::new(String::new());
        [COOKIE, REFRESH_COOKIE].map(|name| self.cookie(name, &nothing, 0)).into()
    }

    fn cookie(&self, name: &str, value: &Secret, age_s: u64) -> String {
        cookie::written(&self.deps.public_url, "/", name, value, age_s)
    }
}

/// What the refresh token of a session is encrypted for.
fn refresh_context(session: &str) -> String {
    format!("session/{session}/refresh")
}

/// Whether people with this role may see pages.
pub(super) fn admits(role: Role) -> bool {
    matches!(role, Role::Viewer | Role::Operator | Role::Developer)
}
