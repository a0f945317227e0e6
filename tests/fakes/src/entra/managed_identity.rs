//! The managed identity endpoint of a virtual machine (IMDS).
//!
//! Its JSON differs from that of the token endpoint: numbers are text, and refusals have no AADSTS
//! number.

use serde_json::json;

use super::model::TokenCall;
use super::world::World;
use crate::access_token::Subject;
use crate::http::{Request, Response};

const VERSION: &str = "2018-02-01";
/// ADO as a resource, by URI (docs/azure-devops.md §4.4).
const URI: &str = "https://app.vssps.visualstudio.com";

impl World {
    pub(super) fn managed_identity(&mut self, request: &Request) -> Response {
        let outcome = self.managed_token(request);
        let refused = outcome.as_ref().err().map(|_| 0);
        let grant = "managed_identity".to_owned();
        self.calls.push(TokenCall { at_ms: self.now_ms, grant, refused });
        outcome.unwrap_or_else(|refusal| refusal)
    }

    fn managed_token(&mut self, request: &Request) -> Result<Response, Response> {
        let marked = request.header("metadata").is_some_and(|it| it.eq_ignore_ascii_case("true"));
        if !marked || request.header("x-forwarded-for").is_some() {
            return Err(refusal("Required metadata header not specified"));
        }
        if request.method != "GET" || request.query("api-version") != Some(VERSION) {
            return Err(refusal("Required query variable 'api-version' is missing or wrong"));
        }
        let resource = request.query("resource").unwrap_or_default().trim_end_matches('/');
        if resource != self.options.resource && resource != URI {
            return Err(refusal("Required query variable 'resource' is missing or wrong"));
        }
        let found = match request.query("client_id") {
            Some(wanted) => self.managed.iter().find(|one| one.client_id == wanted),
            // With several identities assigned the request must name one.
            None => self.managed.first().filter(|_| self.managed.len() == 1),
        };
        let identity = found.cloned().ok_or_else(|| refusal("Identity not found"))?;
        let subject = Subject::Application { object_id: identity.object_id };
        let (token, lifetime_s) = self.issue(subject);
        let now_s = self.now_ms.div_euclid(1_000);
        let until_s = now_s.saturating_add_unsigned(lifetime_s);
        let body = json!({
            "access_token": token,
            "client_id": identity.client_id,
            "expires_in": lifetime_s.to_string(),
            "expires_on": until_s.to_string(),
            "ext_expires_in": lifetime_s.to_string(),
            "not_before": now_s.to_string(),
            "resource": resource,
            "token_type": "Bearer",
        });
        Ok(Response::json(200, &body))
    }
}

fn refusal(description: &str) -> Response {
    let body = json!({"error": "invalid_request", "error_description": description});
    Response::json(400, &body)
}
