//! The PAT Lifecycle API: mint, list, revoke (docs/azure-devops.md §4.1).
//!
//! The API accepts only the access token of a user. It reports refusals with status 200 and an
//! error in the body, and returns the token itself only in the answer that mints it.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{Call, Host};
use super::{Client, Credential, Error, PatError};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// The PAT API exists as a preview version only.
const PREVIEW: &str = "7.1-preview.1";
const PATS: [&str; 3] = ["_apis", "tokens", "pats"];

/// A personal access token to be minted.
#[derive(Clone, Debug)]
pub struct WantedPat<'a> {
    /// Shown in the user's settings and in the audit log of the organization.
    pub display_name: &'a str,
    /// The name that Azure DevOps uses, such as `vso.code`.
    pub scope: &'a str,
    pub valid_to: Timestamp,
}

/// A minted token.
#[derive(Debug)]
pub struct MintedPat {
    /// Identifies the token, and is no secret.
    pub authorization_id: String,
    pub token: Secret,
    pub valid_from: Option<Timestamp>,
    /// As Azure DevOps set it; it may be earlier than asked for.
    pub valid_to: Timestamp,
}

/// An entry of the list of the user's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPat {
    pub authorization_id: String,
    pub display_name: String,
    pub valid_to: Option<Timestamp>,
}

/// One page of the user's tokens, and the token of the next page.
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
    /// Mints a token that is valid in this organization only.
    ///
    /// # Errors
    /// [`Error::NoPat`] when Azure DevOps refuses to mint, else see [`Error`]. After a doubtful
    /// error a token with that display name may exist.
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
        let answer = Answer::deserialize(answer).map_err(|error| unreadable(&error))?;
        let error = answer.pat_token_error.unwrap_or_else(|| "none".into());
        let token = answer.pat_token.filter(|_| error.eq_ignore_ascii_case("none"));
        let Some(pat) = token else {
            let message = answer.pat_token_error_message.unwrap_or_default();
            return Err(Error::NoPat(PatError::new(&error, &message)));
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

    /// One page of the user's active tokens.
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
        let list = List::deserialize(answer).map_err(|error| unreadable(&error))?;
        let pats = list.pat_tokens.into_iter().map(|pat| ListedPat {
            authorization_id: pat.authorization_id,
            display_name: pat.display_name,
            valid_to: time(pat.valid_to.as_deref()),
        });
        let next = list.continuation_token.filter(|token| !token.is_empty());
        Ok(PatPage { pats: pats.collect(), next })
    }

    /// Revokes a token; one that does not exist any more counts as revoked.
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

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Unavailable {
        reason: format!("the answer is not about tokens ({error})"),
        doubtful: true,
        retry_after: None,
    }
}
