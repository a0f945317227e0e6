//! The EventListener: whatever its triggers do later, it answers 202 at once. A trigger with the
//! GitHub interceptor starts nothing where the signature is not right.

use serde_json::{Map, Value, json};

use super::world::World;
use crate::http::{Request, Response};
use crate::systems::signed::hex_hmac_sha256;

impl World {
    /// `POST /`.
    pub(super) fn hear(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        if request.method != "POST" {
            return Err(Response::empty(405));
        }
        let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&request.body) else {
            return Err(Response::json(400, &json!({"errorMessage": "Invalid event body format"})));
        };
        let signature = hex_hmac_sha256(&self.listener_secret, &request.body);
        let given = request.header("x-hub-signature-256").unwrap_or_default();
        if given == format!("sha256={signature}") {
            let name = body.get("run").and_then(Value::as_str).unwrap_or_default().to_owned();
            let inputs: Map<_, _> = body.into_iter().collect();
            // Each event is a run of its own.
            self.add(&name, inputs, now_ms);
        }
        let id = self.random.guid();
        let answer = json!({"eventListener": "gateway", "namespace": self.namespace,
            "eventListenerUID": "4d2a6f0e-8c1f-4a0d-9b6c-2f7f0f9b7e11", "eventID": id});
        Ok(Response::json(202, &answer))
    }
}
