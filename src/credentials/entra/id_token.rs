//! Verifies an ID token, and reads from it who signed in.
//!
//! The signature is checked although §3.1.3.7 (6) allows to leave that out for a token that comes
//! from the token endpoint itself: then a wrong address of Entra or a broken proxy cannot sign
//! anybody in.
//!
//! Sources: OpenID Connect Core §3.1.3.7; RFC 8725 (the verifier chooses the algorithm, not the
//! token); Microsoft Learn, "ID token claims".

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::app::App;
use super::error::Error;
use super::signing_keys::SigningKey;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// How far the clocks of Entra and this machine may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// The person who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub tenant_id: String,
    /// Identifies the account permanently (`oid`).
    pub object_id: String,
    /// The name that people know the account by; it may change (`preferred_username`).
    pub user_name: String,
    /// For people to read: it can be changed to any address.
    pub email: Option<String>,
    pub name: Option<String>,
    /// The object ids of the groups of the account, where the app registration has Entra name them.
    /// None where Entra leaves them out, since there are more than 200
    /// (docs/azure-devops.md §4.4).
    pub groups: Option<Vec<String>>,
    /// The app roles that the account has been given.
    pub app_roles: Vec<String>,
    /// When the person signed in; if the token does not say, when it was issued.
    pub signed_in_at: Option<Timestamp>,
}

/// The id of the key that signed the token. Only RS256 is accepted.
pub(super) fn key_id(token: &Secret) -> Result<String, Error> {
    let header = jsonwebtoken::decode_header(token.expose()).map_err(|_| {
        Error::invalid_id_token("its header cannot be read, or names an unknown algorithm")
    })?;
    if header.alg != Algorithm::RS256 {
        return Err(Error::invalid_id_token("it is not signed with RS256"));
    }
    header.kid.ok_or_else(|| Error::invalid_id_token("it does not name the key that signed it"))
}

/// Checks signature, issuer, audience, times, nonce and tenant.
pub(super) fn verify(
    token: &Secret,
    key: &SigningKey,
    app: &App,
    nonce: &str,
    now: Timestamp,
) -> Result<Account, Error> {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[&key.issuer]);
    rules.set_audience(&[&app.client_id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    // The library would use the system's clock; the times are checked below, with the injected one.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    let decoded = jsonwebtoken::decode::<Claims>(token.expose(), &key.key, &rules);
    let claims = decoded.map_err(|error| invalid(error.kind()))?.claims;
    if now > at(claims.exp).plus(LEEWAY) {
        return Err(Error::invalid_id_token("it has expired; compare the clock of this machine"));
    }
    if claims.nbf.is_some_and(|nbf| now.plus(LEEWAY) < at(nbf)) {
        return Err(Error::invalid_id_token(
            "it is not valid yet; compare the clock of this machine",
        ));
    }
    if !bool::from(Secret::new(claims.nonce).is(nonce)) {
        return Err(Error::invalid_id_token("it was issued for another sign-in"));
    }
    if !claims.tid.eq_ignore_ascii_case(&app.authority.tenant_id) {
        return Err(Error::invalid_id_token("the account belongs to another tenant"));
    }
    let has_all_groups = !claims.hasgroups && !claims.claim_names.contains_key("groups");
    Ok(Account {
        groups: has_all_groups.then_some(claims.groups),
        app_roles: claims.roles,
        tenant_id: claims.tid,
        object_id: claims.oid,
        user_name: claims.preferred_username,
        email: claims.email,
        name: claims.name,
        signed_in_at: claims.auth_time.or(claims.iat).map(at),
    })
}

/// `aud` must be one audience, no list: Entra issues a token to one application.
#[derive(Deserialize)]
struct Claims {
    #[serde(rename = "aud")]
    _aud: String,
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
    auth_time: Option<i64>,
    nonce: String,
    tid: String,
    oid: String,
    preferred_username: String,
    email: Option<String>,
    name: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    /// Claims that are elsewhere, and where.
    #[serde(default, rename = "_claim_names")]
    claim_names: Map<String, Value>,
    #[serde(default)]
    hasgroups: bool,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds.saturating_mul(1_000))
}

fn invalid(kind: &ErrorKind) -> Error {
    Error::invalid_id_token(match kind {
        ErrorKind::InvalidSignature | ErrorKind::Provider(_) => "its signature is not valid",
        ErrorKind::InvalidIssuer => "another issuer issued it",
        ErrorKind::InvalidAudience => "it was issued to another application",
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => {
            "it lacks a claim that every ID token of Entra has"
        }
        _ => "it cannot be verified",
    })
}
