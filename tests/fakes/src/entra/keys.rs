//! Key pairs, generated once for a process.
//!
//! Generating one takes a moment and no test depends on its value, so all worlds of a process share
//! them.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The key that is never published: what it signs is forged.
pub(super) const FORGERY_KEY: usize = 2;

static KEYS: [OnceLock<Option<RsaKeyPair>>; 3] = [const { OnceLock::new() }; 3];

/// The two signing keys, of which one is in use, and the key for forgeries.
fn key(which: usize) -> Option<&'static RsaKeyPair> {
    let place = KEYS.get(which)?;
    place.get_or_init(|| RsaKeyPair::generate(KeySize::Rsa2048).ok()).as_ref()
}

/// The key id under which a key is published.
pub(super) fn name(which: usize) -> String {
    format!("fake-key-{which}")
}

/// An RS256 signature, base64url; empty when the system cannot sign, which no verifier accepts.
pub(super) fn signed(which: usize, message: &[u8]) -> String {
    let Some(key) = key(which) else { return String::new() };
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    match key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature) {
        Ok(()) => URL_SAFE_NO_PAD.encode(signature),
        Err(_) => String::new(),
    }
}

/// A key as the published key set has it.
pub(super) fn described(which: usize, issuer: &str) -> Value {
    let public = key(which).map(|key| key.public_key().as_ref().to_vec()).unwrap_or_default();
    let (modulus, exponent) = super::der::modulus_and_exponent(&public).unwrap_or_default();
    json!({
        "kty": "RSA",
        "use": "sig",
        "kid": name(which),
        "x5t": name(which),
        "n": URL_SAFE_NO_PAD.encode(modulus),
        "e": URL_SAFE_NO_PAD.encode(exponent),
        "issuer": issuer,
    })
}
