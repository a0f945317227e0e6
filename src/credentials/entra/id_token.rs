//! Who signed in, from an ID token that is believed only after every check.
//!
//! Sources: OpenID Connect Core §3.1.3.7; RFC 8725 (the algorithm is ours to choose, not the
//! token's); Microsoft Learn, "ID token claims". It must never be asked for anything but this
//! sign-in, nor read the system clock.

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::keys::Trusted;
use super::{App, Error};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// How far the clock of Entra may be from ours.
const LEEWAY: Duration = Duration::from_secs(60);

/// The person who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub tenant_id: String,
    /// What identifies the account for good (`oid`).
    pub object_id: String,
    /// For people to recognise the account by; it may change (`preferred_username`).
    pub user_name: String,
    pub email: Option<String>,
    pub name: Option<String>,
    /// When the person proved who they are; otherwise when the token was made.
    pub signed_in_at: Option<Timestamp>,
}

/// The key that the token says it is signed with, where the algorithm is the only one we take.
pub(super) fn key_id(token: &Secret) -> Result<String, Error> {
    let header = jsonwebtoken::decode_header(token.expose()).map_err(|_| {
        Error::forged("its header cannot be read, or names an algorithm that signs nothing")
    })?;
    if header.alg != Algorithm::RS256 {
        return Err(Error::forged("it is not signed with RS256"));
    }
    header.kid.ok_or_else(|| Error::forged("it does not say which key it is signed with"))
}

/// Everything that has to hold.
pub(super) fn verify(
    token: &Secret,
    trusted: &Trusted,
    app: &App,
    nonce: &str,
    now: Timestamp,
) -> Result<Account, Error> {
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[&trusted.issuer]);
    rules.set_audience(&[&app.client_id]);
    rules.set_required_spec_claims(&["exp", "iss", "aud"]);
    // The library would ask the system for the time: the two checks below ask our clock.
    rules.validate_exp = false;
    rules.validate_nbf = false;
    let decoded = jsonwebtoken::decode::<Claims>(token.expose(), &trusted.key, &rules);
    let claims = decoded.map_err(|error| forged(error.kind()))?.claims;
    if now > at(claims.exp).plus(LEEWAY) {
        return Err(Error::forged("it has expired; compare the clock of this machine"));
    }
    if claims.nbf.is_some_and(|nbf| now.plus(LEEWAY) < at(nbf)) {
        return Err(Error::forged("it is not valid yet; compare the clock of this machine"));
    }
    if !bool::from(Secret::new(claims.nonce).is(nonce)) {
        return Err(Error::forged("it was made for another sign-in"));
    }
    if !claims.tid.eq_ignore_ascii_case(&app.authority.tenant_id) {
        return Err(Error::forged("the account belongs to another tenant"));
    }
    Ok(Account {
        tenant_id: claims.tid,
        object_id: claims.oid,
        user_name: claims.preferred_username,
        email: claims.email,
        name: claims.name,
        signed_in_at: claims.auth_time.or(claims.iat).map(at),
    })
}

/// A list of audiences does not fit `aud`: Entra issues a token to one application.
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
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_ms(seconds.saturating_mul(1_000))
}

fn forged(kind: &ErrorKind) -> Error {
    Error::forged(match kind {
        ErrorKind::InvalidSignature | ErrorKind::Provider(_) => "its signature is wrong",
        ErrorKind::InvalidIssuer => "somebody else issued it",
        ErrorKind::InvalidAudience => "it was issued to another application",
        ErrorKind::Json(_) | ErrorKind::MissingRequiredClaim(_) => {
            "it lacks a claim that Entra puts into every ID token"
        }
        _ => "it is no token that can be verified",
    })
}
