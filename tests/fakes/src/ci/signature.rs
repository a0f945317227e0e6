//! Standard Webhooks signatures, from the receiver's side.
//!
//! It is written from the specification and not from the code of the gateway, so that a mistake
//! there is found here. Secrets are `whsec_` and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::http::Request;

/// How much a timestamp may differ from the present time (Standard Webhooks).
pub const TOLERANCE_S: i64 = 300;

/// The id of a message that was signed with one of these secrets; otherwise what is wrong.
pub fn verified_id(
    request: &Request,
    secrets: &[String],
    now_ms: i64,
) -> Result<String, &'static str> {
    let id = request.header("webhook-id").ok_or("webhook-id is missing")?;
    let timestamp = request.header("webhook-timestamp").ok_or("webhook-timestamp is missing")?;
    let signatures = request.header("webhook-signature").ok_or("webhook-signature is missing")?;
    let seconds: i64 = timestamp.parse().map_err(|_| "webhook-timestamp is not a number")?;
    if (seconds - now_ms.div_euclid(1_000)).abs() > TOLERANCE_S {
        return Err("webhook-timestamp is too far from now");
    }
    if id.is_empty() || id.contains('.') {
        return Err("webhook-id is empty or has a full stop in it");
    }
    let given = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let given: Vec<_> = given.filter_map(|one| STANDARD.decode(one).ok()).collect();
    let matches = secrets.iter().filter_map(|secret| authenticator(secret)).any(|mut code| {
        code.update(format!("{id}.{timestamp}.").as_bytes());
        code.update(&request.body);
        given.iter().any(|signature| code.clone().verify_slice(signature).is_ok())
    });
    if matches { Ok(id.to_owned()) } else { Err("no signature matches") }
}

/// The header `webhook-signature` of a message, for tests that send one.
pub fn sign(secret: &str, id: &str, timestamp_s: i64, body: &[u8]) -> Option<String> {
    let mut code = authenticator(secret)?;
    code.update(format!("{id}.{timestamp_s}.").as_bytes());
    code.update(body);
    Some(format!("v1,{}", STANDARD.encode(code.finalize().into_bytes())))
}

fn authenticator(secret: &str) -> Option<Hmac<Sha256>> {
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    Hmac::<Sha256>::new_from_slice(&key).ok()
}
