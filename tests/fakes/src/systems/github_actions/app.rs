//! The App and its signed assertions.
//!
//! The key pair is generated once for a process, since that takes a moment and no test depends on
//! its value.

use std::sync::OnceLock;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use super::refusal::error;
use super::token::Level;
use crate::http::{Request, Response};

/// How far in the future an assertion may expire.
const ASSERTION_LIFE_MAX_S: i64 = 600;

/// A GitHub App and its installation.
#[derive(Debug, Clone)]
pub(super) struct App {
    pub(super) id: u64,
    pub(super) installation: u64,
    /// The permission Actions of the installation.
    pub(super) actions: Level,
    /// How many tokens were issued.
    pub(super) issued: u32,
}

fn key() -> Option<&'static RsaKeyPair> {
    static KEY: OnceLock<Option<RsaKeyPair>> = OnceLock::new();
    KEY.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
}

/// The private key as GitHub hands it out: PKCS#1 in PEM. Empty when there is none.
pub(super) fn private_key() -> String {
    /// What stands before the key in PKCS#8: version, algorithm, and three headers.
    const WRAPPING_BYTES: usize = 26;
    let wrapped: Option<Pkcs8V1Der<'static>> = key().and_then(|key| key.as_der().ok());
    let bytes = wrapped.as_ref().map_or(&[][..], |der| der.as_ref());
    let encoded = STANDARD.encode(bytes.get(WRAPPING_BYTES..).unwrap_or_default());
    let lines = encoded.as_bytes().chunks(64).map(String::from_utf8_lossy);
    let lines: Vec<_> = lines.collect();
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

/// The claims of an assertion whose signature is right.
fn verified(assertion: &str) -> Option<Value> {
    let (message, signature) = assertion.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let decoded = |part: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    if decoded(header)?.get("alg")? != "RS256" {
        return None;
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key()?.public_key().as_ref());
    public.verify(message.as_bytes(), &signature).ok()?;
    decoded(claims)
}

impl App {
    /// Refuses a caller that is not this App.
    pub(super) fn authenticate(&self, request: &Request, now_ms: i64) -> Result<(), Response> {
        let bearer = request.header("authorization").and_then(|value| value.split_once(' '));
        let assertion = match bearer {
            Some((scheme, assertion)) if scheme.eq_ignore_ascii_case("bearer") => assertion,
            _ => return Err(error(401, "A JSON web token could not be decoded")),
        };
        let claims = verified(assertion)
            .ok_or_else(|| error(401, "A JSON web token could not be decoded"))?;
        let now_s = now_ms.div_euclid(1_000);
        let number = |name: &str| claims.get(name).and_then(Value::as_i64);
        let Some(issued_s) = number("iat").filter(|issued_s| *issued_s <= now_s) else {
            return Err(error(
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the \
                 assertion was issued",
            ));
        };
        let Some(expires_s) = number("exp").filter(|expires_s| *expires_s > now_s) else {
            return Err(error(
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future \
                 time at which the assertion expires",
            ));
        };
        if expires_s - now_s > ASSERTION_LIFE_MAX_S || expires_s < issued_s {
            let message = "'Expiration time' claim ('exp') is too far in the future";
            return Err(error(401, message));
        }
        let issuer = claims.get("iss");
        let is_own = issuer.is_some_and(|issuer| {
            issuer.as_u64() == Some(self.id) || issuer.as_str() == Some(&self.id.to_string())
        });
        if is_own { Ok(()) } else { Err(error(404, "Integration not found")) }
    }
}

/// An assertion signed with the private key that is handed out, for tests of the fake itself.
#[cfg(test)]
pub(super) fn assertion(claims: &Value) -> String {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::RSA_PKCS1_SHA256;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let pem = private_key();
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let key = RsaKeyPair::from_der(&STANDARD.decode(lines.collect::<String>()).unwrap()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}
