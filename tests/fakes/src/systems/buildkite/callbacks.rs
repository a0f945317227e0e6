//! Webhooks of a notification service.
//!
//! The token is sent as it stands, or it signs the time and the body.

use serde_json::json;

use super::{World, render};
use crate::http::Request;
use crate::systems::signed::hex_hmac_sha256;

/// How a webhook proves where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// `X-Buildkite-Token` is the token.
    Token,
    /// `X-Buildkite-Signature` is the time and the HMAC of time and body.
    Signature,
}

/// The webhook of an event about the build as it is now.
pub(super) fn event(world: &World, event: &str, number: u64, now_ms: i64) -> Option<Request> {
    let build = world.builds.get(number)?;
    let mut shown = render::build(world, build, false, false);
    // Notifications know `blocked` as a state; the API does not.
    if let Some(state) = shown.get_mut("state")
        && render::is_blocked(world, build)
    {
        *state = json!("blocked");
    }
    let body = json!({
        "event": event,
        "build": shown,
        "pipeline": render::pipeline(world),
        "sender": render::sender(world),
    });
    let request = Request::new("POST", "").with_json(&body);
    let token = &world.webhook_token;
    let timestamp_s = now_ms.div_euclid(1_000);
    let (name, value) = match world.proof {
        Proof::Token => ("X-Buildkite-Token", token.clone()),
        Proof::Signature => {
            let mut signed = format!("{timestamp_s}.").into_bytes();
            signed.extend(&request.body);
            let signature = hex_hmac_sha256(token, &signed);
            ("X-Buildkite-Signature", format!("timestamp={timestamp_s},signature={signature}"))
        }
    };
    let request = request
        .with_header("User-Agent", "Buildkite-Request")
        .with_header("X-Buildkite-Event", event)
        .with_header(name, &value);
    Some(request)
}
