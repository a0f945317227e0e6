//! Errors as the API of Kubernetes words them: an object of kind Status.

use serde_json::json;

use crate::http::Response;

pub(super) fn status(code: u16, reason: &str, message: &str) -> Response {
    Response::json(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}),
    )
}

pub(super) fn not_found(what: &str) -> Response {
    status(404, "NotFound", &format!("{what} not found"))
}

/// What the admission webhook of Tekton refuses.
pub(super) fn denied(why: &str) -> Response {
    let message = format!(
        "admission webhook \"validation.webhook.pipeline.tekton.dev\" denied the request: \
         validation failed: {why}"
    );
    status(400, "BadRequest", &message)
}
