//! Errors as GitLab words them: `message` with a text or an object, or `error`.

use serde_json::{Value, json};

use crate::faults::Action;
use crate::http::Response;

/// `{"message": …}`.
pub(super) fn message(status: u16, message: impl Into<Value>) -> Response {
    let message: Value = message.into();
    Response::json(status, &json!({"message": message}))
}

/// `{"error": …}`, as the parameters of a call are refused.
pub(super) fn error(status: u16, error: &str) -> Response {
    Response::json(status, &json!({"error": error}))
}

/// A pipeline that cannot be created.
pub(super) fn base(text: &str) -> Response {
    message(400, json!({"base": [text]}))
}

pub(super) fn not_found(what: &str) -> Response {
    message(404, format!("404 {what}Not Found"))
}

pub(super) fn unauthorized() -> Response {
    message(401, "401 Unauthorized")
}

/// The token lacks a scope.
pub(super) fn insufficient_scope() -> Response {
    let text = "The request requires higher privileges than provided by the access token.";
    let body = json!({"error": "insufficient_scope", "error_description": text, "scope": "api"});
    Response::json(403, &body)
}

/// The limit of requests as a fault, in plain text.
pub fn too_many_requests(retry_after_s: u32, now_ms: i64) -> Action {
    let reset_s = now_ms.div_euclid(1_000) + i64::from(retry_after_s);
    Action::Respond(
        Response::text(429, "Retry later\n")
            .with_header("retry-after", &retry_after_s.to_string())
            .with_header("ratelimit-name", "throttle_authenticated_api")
            .with_header("ratelimit-limit", "2000")
            .with_header("ratelimit-observed", "2001")
            .with_header("ratelimit-remaining", "0")
            .with_header("ratelimit-reset", &reset_s.to_string()),
    )
}
