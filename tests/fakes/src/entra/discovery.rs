//! Discovery documents, and from a request to the code that answers it.
//!
//! URLs have the host of the request, so that they are valid for the caller.

use std::borrow::Cow;

use serde_json::json;

use super::keys;
use super::refusal::OAuthError;
use super::world::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour;

impl Neighbour for World {
    crate::neighbour::kept_in_fields!();

    fn answer(&mut self, request: &Request, now_ms: i64) -> Response {
        self.set_now(now_ms);
        let segments = request.segments();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let response = match segments.as_slice() {
            ["metadata", "identity", "oauth2", "token"] => self.managed_identity(request),
            // `common` and `organizations` are refused, too: the application belongs to one tenant.
            [tenant, ..] if !tenant.eq_ignore_ascii_case(&self.tenant) => {
                OAuthError::invalid_request(90002).response(&mut self.random, self.now_ms)
            }
            [_, "oauth2", "v2.0", "authorize"] => self.authorize(request),
            [_, "oauth2", "v2.0", "token"] => self.token(request),
            [_, "discovery", "v2.0", "keys"] => self.key_document(request),
            [_, "v2.0", ".well-known", "openid-configuration"] => self.configuration(request),
            _ => Response::html(404, "<html><title>Not found</title></html>"),
        };
        let request_id = self.random.guid();
        response
            .with_header("x-ms-request-id", &request_id)
            .with_header("cache-control", "no-store, no-cache")
    }

    /// The query and the body have states, nonces and secrets.
    fn without_secrets<'a>(&self, request: &'a Request) -> Cow<'a, Request> {
        let (method, path) = (request.method.clone(), request.path.clone());
        let headers = request.headers.clone();
        Cow::Owned(Request { method, path, headers, ..Request::default() })
    }
}

impl World {
    /// Whether a request is for Entra. The paths differ from those of ADO, whatever the tenant.
    pub fn serves(request: &Request) -> bool {
        let segments = request.segments();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        matches!(
            segments.as_slice(),
            [_, "oauth2", "v2.0", _]
                | [_, "discovery", "v2.0", "keys"]
                | [_, "v2.0", ".well-known", "openid-configuration"]
                | ["metadata", "identity", "oauth2", "token"]
        )
    }

    /// The base URL of the tenant, as the caller reached it.
    pub(super) fn authority(&self, request: &Request) -> String {
        let base = match request.header("host") {
            Some(host) => format!("http://{host}"),
            None => self.base_url.clone(),
        };
        format!("{base}/{}", self.tenant)
    }

    fn key_document(&self, request: &Request) -> Response {
        let issuer = format!("{}/v2.0", self.authority(request));
        let key = keys::described(self.signing_key, &issuer);
        Response::json(200, &json!({"keys": [key]}))
    }

    fn configuration(&self, request: &Request) -> Response {
        let authority = self.authority(request);
        let body = json!({
            "issuer": format!("{authority}/v2.0"),
            "authorization_endpoint": format!("{authority}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{authority}/oauth2/v2.0/token"),
            "jwks_uri": format!("{authority}/discovery/v2.0/keys"),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported":
                ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "claims_supported":
                ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid"],
        });
        Response::json(200, &body)
    }
}
