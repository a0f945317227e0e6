//! Proof for the CI that the gateway sent a request.

use serde_json::Value;

use crate::ci::callback::hex_hmac;
use crate::ci::client::Call;
use crate::ci::webhook::{SigningSecret, signatures};
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// One way to sign a request with a body.
#[derive(Clone, Debug)]
pub enum Sign {
    /// Standard Webhooks: the headers `webhook-id`, which is the run, `webhook-timestamp` and
    /// `webhook-signature`.
    StandardWebhooks(Vec<SigningSecret>),
    /// `X-Hub-Signature-256`, keyed with the secret's text as it stands.
    HubSignature256(Secret),
}

/// The call, signed; one without a body stays as it is.
pub(super) fn signed(call: Call, all: &[Sign], context: &Value, now: Timestamp) -> Call {
    let Some(body) = call.body.clone() else { return call };
    let id = context.get("run").and_then(Value::as_str).unwrap_or_default();
    all.iter().fold(call, |call, sign| match sign {
        Sign::StandardWebhooks(secrets) => {
            let timestamp_s = now.ms() / 1_000;
            call.header("webhook-id", id)
                .header("webhook-timestamp", &timestamp_s.to_string())
                .header("webhook-signature", &signatures(secrets, id, timestamp_s, &body))
        }
        Sign::HubSignature256(secret) => {
            let signature = hex_hmac(secret.expose().as_bytes(), &[&body]);
            call.header("x-hub-signature-256", &format!("sha256={signature}"))
        }
    })
}
