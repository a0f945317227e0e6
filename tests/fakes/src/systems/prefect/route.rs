//! Which request goes where, and who may ask.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::world::World;
use crate::http::{Request, Response};
use crate::systems::strict_path::segments;

pub(super) fn not_found(detail: &str) -> Response {
    Response::json(404, &json!({"detail": detail}))
}

/// A body that does not fit its schema.
pub(super) fn unprocessable(kind: &str, key: &str, text: &str) -> Response {
    let detail = json!([{"type": kind, "loc": ["body", key], "msg": text}]);
    let answer = json!({"exception_message": "Invalid request received.",
        "exception_detail": detail, "request_body": null});
    Response::json(422, &answer)
}

impl World {
    /// The answer to a request, or the refusal.
    pub(super) fn route(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let nowhere = || not_found("Not Found");
        let path = segments(&request.path).ok_or_else(nowhere)?;
        let parts: Vec<&str> = path.iter().map(String::as_str).collect();
        let method = request.method.as_str();
        let ["api", rest @ ..] = parts.as_slice() else {
            // The pages are one program, which is served for any other path.
            return Ok(Response::html(200, "<!DOCTYPE html><title>Prefect Server</title>"));
        };
        if let ("GET", ["health"]) = (method, rest) {
            return Ok(Response::json(200, &json!(true)));
        }
        let pair = STANDARD.encode(format!("admin:{}", self.password));
        if request.header("authorization") != Some(&format!("Basic {pair}")) {
            let answer = json!({"exception_message": "Unauthorized"});
            return Err(Response::json(401, &answer));
        }
        match (method, rest) {
            ("POST", ["deployments", id, "create_flow_run"]) => {
                if *id != self.deployment {
                    return Err(not_found("Deployment not found"));
                }
                self.create(request, now_ms)
            }
            ("POST", ["flow_runs", "filter"]) => self.filter(request),
            ("GET", ["flow_runs", id]) => {
                let build = self.run(id).ok_or_else(|| not_found("Flow run not found"))?;
                Ok(Response::json(200, &self.rendered(&build)))
            }
            ("POST", ["flow_runs", id, "set_state"]) => self.set_state(request, id),
            (_, ["deployments", _, "create_flow_run"] | ["flow_runs", _, "set_state"]) => {
                Err(Response::json(405, &json!({"detail": "Method Not Allowed"})))
            }
            _ => Err(nowhere()),
        }
    }
}

/// The body of a request: an object with some of these keys.
pub(super) fn object(
    request: &Request,
    keys: &[&str],
) -> Result<serde_json::Map<String, Value>, Response> {
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(unprocessable("json_invalid", "0", "JSON decode error"));
    };
    match body.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(unprocessable("extra_forbidden", key, "Extra inputs are not permitted")),
        None => Ok(body),
    }
}
