//! The token endpoint: one form goes out, and tokens or a reason come back.
//!
//! Sources: RFC 6749 §5, docs/azure-devops.md §4.4 (the error document of Entra). It must never let
//! a secret into an error, and never asks again by itself, except with the second secret of a
//! rotation.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::{Deserialize, Deserializer};
use url::Url;
use url::form_urlencoded;

use super::answer::Answer;
use super::proof::Field;
use super::said;
use super::{Context, Entra, Error, Tokens};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// The secret is wrong, or has expired: the other one of a rotation may be good.
const BAD_SECRET: [u32; 2] = [7_000_215, 7_000_222];

/// Asks with each proof in turn until one is not refused for itself.
pub(super) async fn ask(
    entra: &Entra,
    public: &[(&str, &str)],
    secret: &[Field],
) -> Result<Tokens, Error> {
    let url = entra.app.authority.at(&["oauth2", "v2.0", "token"]);
    let attempts = entra.proof.attempts(&entra.app, &url, entra.clock.now()).await?;
    let mut result = Err(Error::answer("nothing was asked"));
    for proof in attempts {
        let hidden: Vec<&Field> = secret.iter().chain(&proof).collect();
        result = once(entra, &url, public, &hidden).await;
        let refused = match &result {
            Err(Error::Refused(refusal)) => refusal.code,
            _ => None,
        };
        if !refused.is_some_and(|code| BAD_SECRET.contains(&code)) {
            break;
        }
    }
    result
}

async fn once(
    entra: &Entra,
    url: &Url,
    public: &[(&str, &str)],
    hidden: &[&Field],
) -> Result<Tokens, Error> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("client_id", &entra.app.client_id)])
        .extend_pairs(public)
        .extend_pairs(hidden.iter().map(|(name, value)| (name, value.expose())))
        .finish();
    let request = entra
        .http
        .post(url.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .body(body);
    // The life of a token is counted from before the call: it is never believed too long.
    let asked_at = entra.clock.now();
    let answer = Answer::of(request).await?;
    let secrets: Vec<&Secret> = hidden.iter().map(|(_, value)| value).collect();
    understand(&answer, asked_at, &entra.context(), &secrets)
}

/// Reads what any token endpoint answers; `secrets` are those that were sent.
pub(super) fn understand(
    answer: &Answer,
    asked_at: Timestamp,
    context: &Context<'_>,
    secrets: &[&Secret],
) -> Result<Tokens, Error> {
    if answer.status.is_success() {
        return answer.json::<Granted>()?.tokens(asked_at);
    }
    let refused = answer.json::<Refused>();
    if answer.is_busy() {
        // Even a busy Entra may say what it is that has to stop: a loop of ours.
        return Err(match refused.map(|refused| refused.error(context, secrets)) {
            Ok(Error::Transient { reason, retry_after }) => {
                Error::Transient { reason, retry_after: answer.retry_after.or(retry_after) }
            }
            _ => answer.busy(),
        });
    }
    Err(refused?.error(context, secrets))
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
    fn tokens(self, asked_at: Timestamp) -> Result<Tokens, Error> {
        let access_token = Secret::new(self.access_token);
        let refresh_token = self.refresh_token.map(Secret::new);
        let id_token = self.id_token.map(Secret::new);
        if access_token.expose().is_empty() || !self.token_type.eq_ignore_ascii_case("bearer") {
            return Err(Error::answer("it grants no bearer token"));
        }
        let expires_at = asked_at.plus(Duration::from_secs(self.expires_in));
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
    fn error(self, context: &Context<'_>, secrets: &[&Secret]) -> Error {
        said::error(&self.error, &self.error_description, &self.error_codes, context, secrets)
    }
}
