//! Errors as GitHub words them: `message`, `documentation_url`, `status`.

use serde_json::json;

use crate::faults::Action;
use crate::http::Response;

/// The usual body. The status is a text in it.
pub(super) fn error(status: u16, message: &str) -> Response {
    let body = json!({
        "message": message,
        "documentation_url": "https://docs.github.com/rest",
        "status": status.to_string(),
    });
    Response::json(status, &body)
}

/// What does not exist, and what the token may not see.
pub(super) fn not_found() -> Response {
    error(404, "Not Found")
}

pub(super) fn bad_credentials() -> Response {
    error(401, "Bad credentials")
}

/// A body that the schema of the call does not permit.
pub(super) fn invalid_request(what: &str) -> Response {
    error(422, &format!("Invalid request.\n\n{what}"))
}

/// The secondary limit. GitHub says how long to wait.
pub(super) fn too_fast(retry_after_s: i64) -> Response {
    let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you \
                   try again. If you reach out to GitHub Support for help, please include the \
                   request ID.";
    error(403, message).with_header("retry-after", &retry_after_s.to_string())
}

/// The secondary limit as a fault. Zero seconds leave the header out, as GitHub sometimes does.
pub fn secondary_limit(retry_after_s: u32) -> Action {
    let mut response = too_fast(i64::from(retry_after_s));
    if retry_after_s == 0 {
        response.headers.retain(|(name, _)| name != "retry-after");
    }
    Action::Respond(response)
}
