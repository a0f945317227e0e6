//! Signing in with a name and a password, for a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::refusal::{error, unprocessable};
use super::validation::{Key, Kind, object};
use super::world::{Account, Issued, Role, World};
use crate::http::{Request, Response};

const KEYS: [Key; 2] =
    [Key::required("username", Kind::Text, false), Key::required("password", Kind::Text, false)];

impl World {
    /// `POST /auth/token`, JSON or form.
    pub(super) fn login(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let kind = request.header("content-type").unwrap_or_default();
        let body = match kind.split(';').next().unwrap_or_default() {
            "application/json" => object(request, &KEYS)?,
            "application/x-www-form-urlencoded" => form(&request.body)?,
            _ => return Err(error(415, "Unsupported Media Type")),
        };
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let (name, password) = (text("username"), text("password"));
        let known = |account: &&Account| account.name == name && account.password == password;
        let Some(account) = self.accounts.iter().find(known) else {
            return Err(error(401, "Invalid credentials"));
        };
        let role = account.role;
        let (now_s, life_s) = (now_ms.div_euclid(1_000), self.token_life_ms.div_euclid(1_000));
        let claims = json!({"sub": name, "iat": now_s, "nbf": now_s, "exp": now_s + life_s});
        // Nobody but this world verifies it, so that the signature is only random.
        let signature: Vec<u8> = (0..8).flat_map(|_| self.random.bits().to_le_bytes()).collect();
        let token = format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS512","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(signature)
        );
        let expires_ms = now_ms + self.token_life_ms;
        self.issued.insert(token.clone(), Issued { role, expires_ms });
        self.logins += 1;
        Ok(Response::json(201, &json!({"access_token": token})))
    }

    /// What the caller's token permits.
    pub(super) fn role(&self, request: &Request, now_ms: i64) -> Result<Role, Response> {
        let missing = || error(401, "Not authenticated").with_header("www-authenticate", "Bearer");
        let header = request.header("authorization").ok_or_else(missing)?;
        let (scheme, token) = header.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
            return Err(missing());
        }
        match self.issued.get(token) {
            None => Err(error(403, "Invalid JWT token")),
            Some(issued) if issued.expires_ms <= now_ms => Err(error(401, "Token Expired")),
            Some(issued) => Ok(issued.role),
        }
    }
}

fn form(body: &[u8]) -> Result<Map<String, Value>, Response> {
    let pairs = url::form_urlencoded::parse(body).into_owned();
    let body: Map<String, Value> = pairs.map(|(key, value)| (key, value.into())).collect();
    match KEYS.iter().find(|key| !body.contains_key(key.name)) {
        Some(key) => Err(unprocessable("missing", key.name, "Field required", &Value::Null)),
        None => Ok(body),
    }
}
