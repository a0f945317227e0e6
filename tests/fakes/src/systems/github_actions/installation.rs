//! What the App may ask: tokens of its installation.

use serde_json::{Value, json};

use super::refusal::{error, not_found};
use super::token::{Level, Token};
use super::world::World;
use crate::http::{Request, Response};
use crate::timestamp::whole_seconds;

/// How long a token of an installation lives.
const TOKEN_LIFE_MS: i64 = 3_600_000;

impl World {
    /// A request below `/app`, which only the App itself may send.
    pub(super) fn route_of_app(
        &mut self,
        request: &Request,
        parts: &[&str],
        now_ms: i64,
    ) -> Result<Response, Response> {
        self.app.authenticate(request, now_ms)?;
        let installation = self.app.installation.to_string();
        let permissions = json!({"actions": self.app.actions.name(), "metadata": "read"});
        match (request.method.as_str(), parts) {
            ("GET", []) => Ok(Response::json(
                200,
                &json!({"id": self.app.id, "slug": "azdo-gateway", "name": "azdo-gateway",
                    "permissions": permissions, "events": []}),
            )),
            ("POST", ["installations", id, "access_tokens"]) if *id == installation => {
                self.issue(request, now_ms)
            }
            _ => Err(not_found()),
        }
    }

    /// A token of the installation, with less than its permissions where the caller asks for that.
    fn issue(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let body: Value = match request.body.is_empty() {
            true => json!({}),
            false => serde_json::from_slice(&request.body)
                .map_err(|_| error(400, "Problems parsing JSON"))?,
        };
        let (_, own_name) = self.repository.split_once('/').unwrap_or_default();
        let asked = body.get("repositories").and_then(Value::as_array);
        if asked.is_some_and(|names| names.iter().any(|name| name != own_name)) {
            return Err(error(
                422,
                "There is at least one repository that does not exist or is not accessible to the \
                 parent installation.",
            ));
        }
        let mut actions = self.app.actions;
        if let Some(asked) = body.get("permissions").and_then(Value::as_object) {
            let level = |name: &str| asked.get(name).and_then(Value::as_str).map(Level::parse);
            let others = asked.keys().any(|key| key != "actions" && key != "metadata");
            let wanted = level("actions").unwrap_or(Level::None);
            if others || wanted > actions {
                let message = "The permissions requested are not granted to this installation.";
                return Err(error(422, message));
            }
            actions = wanted;
        }
        let expires_ms = now_ms + TOKEN_LIFE_MS;
        let token = Token::of_installation(&mut self.random, actions, expires_ms);
        let answer = json!({
            "token": token.secret,
            "expires_at": whole_seconds(expires_ms),
            "permissions": {"actions": actions.name(), "metadata": "read"},
            "repository_selection": "selected",
        });
        self.tokens.push(token);
        self.app.issued += 1;
        Ok(Response::json(201, &answer))
    }
}
