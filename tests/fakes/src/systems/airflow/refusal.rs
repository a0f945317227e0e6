//! Errors as Airflow words them: `detail` with a text, an object, or a list.

use serde_json::{Value, json};

use crate::http::Response;

pub(super) fn error(status: u16, detail: impl Into<Value>) -> Response {
    let detail: Value = detail.into();
    Response::json(status, &json!({"detail": detail}))
}

/// One thing that is wrong with a body. `key` is empty where it is the body itself.
pub(super) fn unprocessable(kind: &str, key: &str, text: &str, input: &Value) -> Response {
    let at = if key.is_empty() { json!(["body"]) } else { json!(["body", key]) };
    error(422, json!([{"type": kind, "loc": at, "msg": text, "input": input}]))
}

/// The name of a run is taken. The detail is an object.
pub(super) fn conflict() -> Response {
    let message = "Serious error when handling your request. Check logs for more details - you \
                   will find it in api server when you look for ID 8Gz1kQwP";
    let detail = json!({"reason": "Unique constraint violation", "statement": "hidden",
        "orig_error": "hidden", "message": message});
    error(409, detail)
}
