//! Who the gateway is to the CI: a token with every call, or a login first.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::{HeaderName, SET_COOKIE};
use serde_json::Value;
use tokio::sync::Mutex;

use super::call::Request;
use super::pointer::Pointer;
use crate::ci::client::{self, Answer, Client};
use crate::ci::error::{Error, Refusal};
use crate::ci::token::Token;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// A user and a password.
#[derive(Clone, Debug)]
pub struct Basic {
    pub user: String,
    pub password: Token,
}

/// How calls are authorized. What is in a file is read again for each call.
#[derive(Clone, Debug)]
pub enum Auth {
    /// `Authorization: Bearer`.
    Bearer(Token),
    Basic(Basic),
    Header {
        name: HeaderName,
        value: Token,
    },
    /// A call before the others; what it answers is kept.
    Login(Box<Login>),
}

/// See [`Auth::Login`].
#[derive(Clone, Debug)]
pub struct Login {
    pub request: Request,
    pub basic: Option<Basic>,
    pub keep: Keep,
    /// How long it holds; until it is refused, where the configuration does not say it.
    pub ttl: Option<Duration>,
}

/// What is kept of the answer to a login.
#[derive(Clone, Debug)]
pub enum Keep {
    /// Its cookies.
    Cookie,
    /// A token, which is sent as a bearer token.
    Token(Pointer),
}

impl Basic {
    fn header(&self, password: &Secret) -> String {
        let pair = format!("{}:{}", self.user, password.expose());
        format!("Basic {}", STANDARD.encode(pair))
    }
}

impl Auth {
    /// Everything that no text may contain.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Bearer(token) | Self::Header { value: token, .. } => vec![token.first().clone()],
            Self::Basic(basic) => vec![basic.password.first().clone()],
            Self::Login(login) => {
                let basic = login.basic.iter().map(|basic| basic.password.first().clone());
                login.request.secrets.iter().cloned().chain(basic).collect()
            }
        }
    }

    /// The call with what is known without a login, as it was when the gateway started.
    pub(super) fn apply(&self, call: client::Call) -> client::Call {
        match self.token() {
            Some(token) => self.apply_token(token.first(), call),
            None => call,
        }
    }

    /// None where it is a login.
    fn token(&self) -> Option<&Token> {
        match self {
            Self::Bearer(token) | Self::Header { value: token, .. } => Some(token),
            Self::Basic(basic) => Some(&basic.password),
            Self::Login(_) => None,
        }
    }

    fn apply_token(&self, token: &Secret, call: client::Call) -> client::Call {
        match self {
            Self::Bearer(_) => call.bearer(token),
            Self::Basic(basic) => call.header("authorization", &basic.header(token)),
            Self::Header { name, .. } => call.header(name.clone(), token.expose()),
            Self::Login(_) => call,
        }
    }
}

/// What a login has answered.
#[derive(Debug)]
struct Granted {
    secret: Secret,
    until: Option<Timestamp>,
}

/// Sends calls, each with its authorization.
#[derive(Debug)]
pub(super) struct Session {
    auth: Option<Auth>,
    client: Client,
    kept: Mutex<Option<Granted>>,
}

impl Session {
    pub(super) fn new(auth: Option<Auth>, client: Client) -> Self {
        Self { auth, client, kept: Mutex::new(None) }
    }

    /// Sends a call once; again after a new login where it is refused with an old one.
    ///
    /// # Errors
    /// There is no answer, or the login is refused.
    pub(super) async fn send(&self, call: client::Call) -> Result<Answer, Error> {
        match &self.auth {
            None => self.client.send(call).await,
            Some(Auth::Login(login)) => self.send_logged_in(login, call).await,
            // The call has the token that was read when the gateway started.
            Some(auth) => match self.replaced(auth.token()).await {
                Some(token) => self.client.send(auth.apply_token(&token, call)).await,
                None => self.client.send(call).await,
            },
        }
    }

    /// What a file has now in place of what it had at the start.
    async fn replaced(&self, token: Option<&Token>) -> Option<Secret> {
        let token = token?.replaced().await?;
        self.client.masks.add(&token);
        Some(token)
    }

    /// Logs in, where that is how calls are authorized, and keeps what it answers.
    ///
    /// # Errors
    /// It is refused, or there is no answer.
    pub(super) async fn log_in(&self) -> Result<(), Error> {
        let Some(Auth::Login(login)) = &self.auth else { return Ok(()) };
        self.logged_in(login, None).await.map(drop)
    }

    async fn send_logged_in(&self, login: &Login, call: client::Call) -> Result<Answer, Error> {
        let (secret, is_new) = self.logged_in(login, None).await?;
        let answer = self.client.send(login.applied(call.clone(), &secret)).await?;
        if is_new || !matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok(answer);
        }
        let (secret, _) = self.logged_in(login, Some(&secret)).await?;
        self.client.send(login.applied(call, &secret)).await
    }

    /// What the login has answered, and whether that was just now. It is asked again for another
    /// one than `refused`. Whoever comes meanwhile waits for it.
    async fn logged_in(
        &self,
        login: &Login,
        refused: Option<&Secret>,
    ) -> Result<(Secret, bool), Error> {
        let mut kept = self.kept.lock().await;
        let now = self.client.clock.now();
        let usable = kept.as_ref().filter(|kept| {
            let is_refused = refused.is_some_and(|it| it.expose() == kept.secret.expose());
            !is_refused && kept.until.is_none_or(|until| now < until)
        });
        if let Some(usable) = usable {
            return Ok((usable.secret.clone(), false));
        }
        *kept = None;
        let secret = self.ask(login).await.map_err(not_logged_in)?;
        let until = login.ttl.map(|ttl| now.plus(ttl));
        *kept = Some(Granted { secret: secret.clone(), until });
        Ok((secret, true))
    }

    async fn ask(&self, login: &Login) -> Result<Secret, Error> {
        let mut call = login.request.render(&Value::Null)?;
        if let Some(basic) = &login.basic {
            let replaced = self.replaced(Some(&basic.password)).await;
            let password = replaced.as_ref().unwrap_or(basic.password.first());
            call = call.header("authorization", &basic.header(password));
        }
        let answer = self.client.send(call).await?;
        let kept = match &login.keep {
            // Buildbot and others send a browser on to their page after a login.
            Keep::Cookie if answer.status.is_success() || answer.status.is_redirection() => {
                cookies(&answer)
            }
            Keep::Token(pointer) if answer.status.is_success() => {
                let body = answer.json();
                let token = pointer.find(&body).and_then(Value::as_str);
                token.filter(|token| !token.is_empty()).map(str::to_owned)
            }
            _ => return Err(self.client.failure(&answer)),
        };
        let missing = || match &login.keep {
            Keep::Cookie => "its answer sets no cookie".to_owned(),
            Keep::Token(pointer) => format!("its answer has no token at {}", pointer.text()),
        };
        let kept = kept.ok_or_else(|| Error::refused(missing(), Refusal::Credential))?;
        let kept = Secret::new(kept);
        self.client.masks.add(&kept);
        Ok(kept)
    }
}

impl Login {
    fn applied(&self, call: client::Call, secret: &Secret) -> client::Call {
        match self.keep {
            Keep::Cookie => call.header("cookie", secret.expose()),
            Keep::Token(_) => call.bearer(secret),
        }
    }
}

/// All cookies of an answer, as they are sent back.
fn cookies(answer: &Answer) -> Option<String> {
    let all: Vec<_> = answer
        .headers
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
        .map(str::trim)
        .filter(|pair| pair.contains('='))
        .collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The call itself was not sent, and its run has nothing to do with it.
fn not_logged_in(error: Error) -> Error {
    match error {
        Error::Ambiguous { reason, retry_after } => {
            Error::Unavailable { reason: format!("login: {reason}"), retry_after }
        }
        Error::Refused { reason, refusal: Refusal::Gone } => {
            Error::refused(format!("login: {reason}"), Refusal::Configuration)
        }
        Error::Refused { reason, refusal } => Error::refused(format!("login: {reason}"), refusal),
        other => other,
    }
}
