//! Signed assertions that applications authenticate with, instead of a secret.
//!
//! An assertion is either a JWT that was signed with a registered certificate, or a federated token
//! that was registered as it stands.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::model::{App, Certificate};
use super::refusal::OAuthError;

/// Entra advises at most ten minutes.
const LIFETIME_MAX_S: i64 = 600;
/// How much clocks may differ.
const CLOCK_SKEW_MAX_S: i64 = 300;

/// The certificate in a DER; none when it has no RSA key.
pub(super) fn certificate(der: &[u8]) -> Option<Certificate> {
    let public_key = super::der::public_key_of(der)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(der));
    Some(Certificate { thumbprint, public_key })
}

/// Refuses an assertion that does not authenticate the application.
pub(super) fn check(
    app: &App,
    client_id: &str,
    assertion: &str,
    audience: &str,
    now_ms: i64,
) -> Result<(), OAuthError> {
    if app.federated_tokens.iter().any(|token| token == assertion) {
        return Ok(());
    }
    if app.certificates.is_empty() {
        return Err(OAuthError::invalid_client(700_213));
    }
    let claims = verified(app, assertion).ok_or_else(|| OAuthError::invalid_client(700_027))?;
    let text = |key: &str| claims.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str| claims.get(key).and_then(Value::as_i64);
    let now_s = now_ms.div_euclid(1_000);
    let lives = number("exp").is_some_and(|exp| exp > now_s && exp - now_s <= LIFETIME_MAX_S + 5);
    let began = number("nbf").is_none_or(|nbf| nbf <= now_s + CLOCK_SKEW_MAX_S);
    let own = text("iss") == client_id && text("sub") == client_id && !text("jti").is_empty();
    if lives && began && own && text("aud") == audience {
        return Ok(());
    }
    Err(OAuthError::invalid_client(700_027))
}

/// The claims, when one of the certificates verifies the signature.
fn verified(app: &App, assertion: &str) -> Option<Value> {
    let (message, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let header = decoded(header)?;
    let thumbprint = header.get("x5t#S256")?.as_str()?;
    let certificate = app.certificates.iter().find(|one| one.thumbprint == thumbprint)?;
    let algorithm = match header.get("alg")?.as_str()? {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return None,
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = UnparsedPublicKey::new(algorithm, &certificate.public_key);
    key.verify(message.as_bytes(), &signature).ok()?;
    decoded(claims)
}

fn decoded(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
