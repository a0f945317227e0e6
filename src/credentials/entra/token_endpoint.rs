//! The token endpoint: a form is posted, and tokens or an error come back.
//!
//! Sources: RFC 6749 §5, docs/azure-devops.md §4.4 (the error document of Entra). A request is
//! repeated only with the second client secret of a rotation; other retries are the caller's.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::{Deserialize, Deserializer};
use url::{Url, form_urlencoded};

use super::advice::Context;
use super::app::App;
use super::client_authentication::{ClientAuthentication, Field};
use super::error::Error;
use super::error_response;
use super::response::Response;
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// The client secret is wrong, or has expired: the other one of a rotation may be valid.
const BAD_SECRET: [u32; 2] = [7_000_215, 7_000_222];

/// What a token endpoint granted.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Opaque: only Azure DevOps can read it.
    pub access_token: Secret,
    /// Replaces the one that was sent, which stays valid (docs/azure-devops.md §4.4).
    pub refresh_token: Option<Secret>,
    /// Not verified yet.
    pub id_token: Option<Secret>,
    pub expires_at: Timestamp,
}

/// See the module.
pub(super) struct TokenEndpoint<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) app: &'a App,
    pub(super) authentication: &'a ClientAuthentication,
    pub(super) clock: &'a Clock,
    pub(super) context: Context<'a>,
}

impl TokenEndpoint<'_> {
    /// Requests tokens with these form fields, of which `secrets` are never shown.
    pub(super) async fn request(
        &self,
        fields: &[(&str, &str)],
        secrets: &[Field],
    ) -> Result<Tokens, Error> {
        let url = self.app.authority.at(&["oauth2", "v2.0", "token"]);
        let now = self.clock.now();
        let attempts = self.authentication.attempts(&self.app.client_id, &url, now).await?;
        let mut result = Err(Error::unexpected("no request was made"));
        for authentication in attempts {
            let secrets: Vec<&Field> = secrets.iter().chain(&authentication).collect();
            result = self.post(&url, fields, &secrets).await;
            let code = match &result {
                Err(Error::Refused(refusal)) => refusal.code,
                _ => None,
            };
            if !code.is_some_and(|code| BAD_SECRET.contains(&code)) {
                break;
            }
        }
        result
    }

    async fn post(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
        secrets: &[&Field],
    ) -> Result<Tokens, Error> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", &self.app.client_id)])
            .extend_pairs(fields)
            .extend_pairs(secrets.iter().map(|(name, value)| (name, value.expose())))
            .finish();
        let request = self
            .http
            .post(url.clone())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(body);
        // The life of a token is counted from before the request, so it is never taken as too long.
        let requested_at = self.clock.now();
        let response = Response::to(request).await?;
        let sent: Vec<&Secret> = secrets.iter().map(|(_, value)| value).collect();
        tokens(&response, requested_at, &self.context, &sent)
    }
}

/// Reads the response of any token endpoint; `sent` are the secrets of the request.
pub(super) fn tokens(
    response: &Response,
    requested_at: Timestamp,
    context: &Context<'_>,
    sent: &[&Secret],
) -> Result<Tokens, Error> {
    if response.status.is_success() {
        return response.json::<Granted>()?.tokens(requested_at);
    }
    let refused = response.json::<Refused>();
    if response.is_unavailable() {
        // The body may still say that Entra has detected a loop, which needs a longer wait.
        return Err(match refused.map(|refused| refused.error(context, sent)) {
            Ok(Error::Transient { reason, retry_after }) => {
                Error::Transient { reason, retry_after: response.retry_after.or(retry_after) }
            }
            _ => response.unavailable(),
        });
    }
    Err(refused?.error(context, sent))
}

/// RFC 6749 §5.1. Managed identities answer with numbers in quotes.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    #[serde(deserialize_with = "number")]
    expires_in: u64,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl Granted {
    fn tokens(self, requested_at: Timestamp) -> Result<Tokens, Error> {
        let access_token = Secret::new(self.access_token);
        let refresh_token = self.refresh_token.map(Secret::new);
        let id_token = self.id_token.map(Secret::new);
        if access_token.expose().is_empty() || !self.token_type.eq_ignore_ascii_case("bearer") {
            return Err(Error::unexpected("it grants no bearer token"));
        }
        let expires_at = requested_at.plus(Duration::from_secs(self.expires_in));
        Ok(Tokens { access_token, refresh_token, id_token, expires_at })
    }
}

fn number<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Plain(u64),
        Quoted(String),
    }
    match Number::deserialize(input)? {
        Number::Plain(number) => Ok(number),
        Number::Quoted(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

/// RFC 6749 §5.2, with the numbers that Entra adds.
#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<u32>,
}

impl Refused {
    fn error(self, context: &Context<'_>, sent: &[&Secret]) -> Error {
        let Self { error, error_description, error_codes } = self;
        error_response::error(&error, &error_description, &error_codes, context, sent)
    }
}
