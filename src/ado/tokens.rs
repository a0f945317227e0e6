//! The PAT Lifecycle API: mint, list, revoke (docs/azure-devops.md §4.1).
//!
//! It takes only the access token of a linked user. It says no with 200 and an error inside, and
//! shows a token once, when it is made. It must never decide which token is to be revoked.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Host};
use super::{Client, Credential, Error, PatError};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// It was never generally available.
const PREVIEW: &str = "7.1-preview.1";
const PATS: [&str; 3] = ["_apis", "tokens", "pats"];

/// A personal access token to be minted.
#[derive(Clone, Debug)]
pub struct WantedPat<'a> {
    /// Shown to people and in the audit log of the organization.
    pub display_name: &'a str,
    /// Wire name.
    pub scope: &'a str,
    pub valid_to: Timestamp,
}

/// One that was minted.
#[derive(Debug)]
pub struct MintedPat {
    /// Names it without opening anything.
    pub authorization_id: String,
    pub token: Secret,
    pub valid_from: Option<Timestamp>,
    /// As Azure DevOps set it, which may be earlier than asked.
    pub valid_to: Timestamp,
}

/// One in the list of the user's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPat {
    pub authorization_id: String,
    pub display_name: String,
    pub valid_to: Option<Timestamp>,
}

/// Some of them, and how to ask for more.
#[derive(Clone, Debug)]
pub struct PatPage {
    pub pats: Vec<ListedPat>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    pat_token: Option<Wire>,
    pat_token_error: Option<String>,
    pat_token_error_message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    display_name: String,
    valid_from: Option<String>,
    valid_to: Option<String>,
    authorization_id: String,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    continuation_token: Option<String>,
    pat_tokens: Vec<Wire>,
}

impl Client {
    /// Mints a token for this organization alone.
    ///
    /// # Errors
    /// [`Error::NoPat`] when the answer says so, else see [`Error`]. After a doubtful one there may
    /// be a token of that display name.
    pub async fn mint_pat(
        &self,
        credential: Credential,
        wanted: &WantedPat<'_>,
    ) -> Result<MintedPat, Error> {
        let body = json!({
            "displayName": wanted.display_name,
            "scope": wanted.scope,
            "validTo": wanted.valid_to,
            "allOrgs": false,
        });
        let call = Call { body: Some(body), ..pats(Method::POST) };
        let answer = self.call(credential, call).await?;
        let answer = Answer::deserialize(answer).map_err(|error| nonsense(&error))?;
        let error = answer.pat_token_error.unwrap_or_else(|| "none".into());
        let token = answer.pat_token.filter(|_| error.eq_ignore_ascii_case("none"));
        let Some(pat) = token else {
            let said = answer.pat_token_error_message.unwrap_or_default();
            return Err(Error::NoPat(PatError::new(&error, &said)));
        };
        let valid_to = time(pat.valid_to.as_deref()).unwrap_or(wanted.valid_to);
        let token = pat.token.filter(|token| !token.is_empty()).map(Secret::new);
        let token = token.ok_or_else(|| Error::Unavailable {
            reason: "the answer has no token".into(),
            doubtful: true,
            retry_after: None,
        })?;
        let valid_from = time(pat.valid_from.as_deref());
        Ok(MintedPat { authorization_id: pat.authorization_id, token, valid_from, valid_to })
    }

    /// The user's living tokens, a page at a time.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn active_pats(
        &self,
        credential: Credential,
        continuation: Option<&str>,
    ) -> Result<PatPage, Error> {
        let mut query = vec![("displayFilterOption", "active"), ("$top", "100")];
        query.extend(continuation.map(|token| ("continuationToken", token)));
        let call = Call { query: &query, ..pats(Method::GET) };
        let answer = self.call(credential, call).await?;
        let list = List::deserialize(answer).map_err(|error| nonsense(&error))?;
        let pats = list.pat_tokens.into_iter().map(|pat| ListedPat {
            authorization_id: pat.authorization_id,
            display_name: pat.display_name,
            valid_to: time(pat.valid_to.as_deref()),
        });
        let next = list.continuation_token.filter(|token| !token.is_empty());
        Ok(PatPage { pats: pats.collect(), next })
    }

    /// Makes a token worthless. One that is not there any more is worthless already.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn revoke_pat(
        &self,
        credential: Credential,
        authorization_id: &str,
    ) -> Result<(), Error> {
        let query = [("authorizationId", authorization_id)];
        let call = Call { query: &query, ..pats(Method::DELETE) };
        match self.call(credential, call).await {
            Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn pats(method: Method) -> Call<'static> {
    Call { host: Host::Identity, api_version: PREVIEW, ..Call::new(method, &PATS) }
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse)
}

fn nonsense(error: &serde_json::Error) -> Error {
    Error::Unavailable {
        reason: format!("its answer is not about tokens ({error})"),
        doubtful: true,
        retry_after: None,
    }
}
