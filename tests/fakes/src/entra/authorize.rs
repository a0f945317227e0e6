//! The page at which people sign in.
//!
//! An error that concerns the redirect URI is shown on a page, since redirecting could lead to an
//! attacker. Other errors are redirected to the application. PKCE and a state are required,
//! although Entra only recommends them to confidential clients.

use super::model::{Code, Consent};
use super::refusal::{page, sentence};
use super::world::World;
use crate::ado::Scope;
use crate::http::{Request, Response};

/// The scopes that are of no resource.
const OPENID_SCOPES: [&str; 4] = ["openid", "profile", "email", "offline_access"];

/// A sign-in request whose redirect URI is registered.
struct AuthorizationRequest {
    client_id: String,
    redirect_uri: String,
    state: String,
}

/// The `error` for the application and its AADSTS number.
type AuthorizationError = (&'static str, u32);

impl World {
    pub(super) fn authorize(&mut self, request: &Request) -> Response {
        if request.method != "GET" {
            return page(405, 900_561);
        }
        let given = |name: &str| request.query(name).unwrap_or_default().to_owned();
        let asked = AuthorizationRequest {
            client_id: given("client_id"),
            redirect_uri: given("redirect_uri"),
            state: given("state"),
        };
        let Some(app) = self.apps.get(&asked.client_id) else { return page(400, 700_016) };
        if !app.redirect_uris.contains(&asked.redirect_uri) {
            return page(400, 50011);
        }
        let scopes = match self.check_sign_in(request) {
            Ok(scopes) => scopes,
            Err((error, number)) => return asked.redirect_error(error, number),
        };
        // Only people choose: a program is answered as if it had chosen the account at hand.
        let is_person = request.header("accept").is_some_and(|it| it.contains("text/html"));
        if is_person && request.query("prompt") == Some("select_account") {
            return self.account_page(request);
        }
        let Some(name) = self.browser_user(request.query("login_hint")) else {
            return match request.query("prompt") {
                Some("none") => asked.redirect_error("login_required", 50058),
                _ => Response::html(200, "<html><title>Sign in to your account</title></html>"),
            };
        };
        let Some(user) = self.user(&name) else { return page(400, 50020) };
        if let Some(number) = user.account_error {
            return page(200, number);
        }
        match user.consent {
            Consent::Given => self.signed_in(request, &asked, &name, scopes),
            Consent::Declined => asked.redirect_error("access_denied", 65004),
            Consent::NeedsAdministrator => asked.redirect_error("access_denied", 90094),
        }
    }

    /// The requested scopes, when the request is valid.
    fn check_sign_in(&self, request: &Request) -> Result<Vec<String>, AuthorizationError> {
        let given = |name: &str| request.query(name).unwrap_or_default();
        if given("response_type") != "code" {
            return Err(("unsupported_response_type", 70016));
        }
        if !matches!(given("response_mode"), "" | "query") {
            return Err(("invalid_request", 90014));
        }
        let challenge = given("code_challenge");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_digest = challenge.len() == 43 && challenge.bytes().all(plain);
        if given("code_challenge_method") != "S256" || !is_digest || given("state").is_empty() {
            return Err(("invalid_request", 90014));
        }
        let scopes: Vec<_> = given("scope").split_whitespace().map(str::to_owned).collect();
        let prefix = format!("{}/", self.options.resource);
        let of_resource = |scope: &String| scope.strip_prefix(&prefix).map(Scope::parse);
        let is_known = |scope: &String| match of_resource(scope) {
            Some(found) => found.is_some(),
            None => OPENID_SCOPES.contains(&scope.as_str()),
        };
        let is_for_resource = scopes.iter().any(|scope| of_resource(scope).is_some());
        let is_valid = is_for_resource && scopes.iter().all(is_known);
        if is_valid { Ok(scopes) } else { Err(("invalid_scope", 70011)) }
    }

    /// The person at the browser. A hint chooses among the people who are signed in.
    fn browser_user(&self, hint: Option<&str>) -> Option<String> {
        let hint = hint.map(str::to_lowercase);
        let hinted = hint.and_then(|hint| self.sessions.iter().find(|one| **one == hint));
        hinted.or(self.sessions.last()).cloned()
    }

    /// The page on which people choose one of the accounts that are signed in.
    fn account_page(&self, request: &Request) -> Response {
        let link = |name: &String| {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            let others = request.query.iter();
            let others = others.filter(|(key, _)| key != "prompt" && key != "login_hint");
            query.extend_pairs(others).append_pair("login_hint", name);
            let query = query.finish().replace('&', "&amp;");
            format!("<p><a href=\"{}?{query}\">{name}</a></p>", request.path)
        };
        let links: String = self.sessions.iter().map(link).collect();
        let title = "Pick an account";
        Response::html(200, &format!("<html><title>{title}</title><h1>{title}</h1>{links}</html>"))
    }

    fn signed_in(
        &mut self,
        request: &Request,
        asked: &AuthorizationRequest,
        user: &str,
        scopes: Vec<String>,
    ) -> Response {
        let secret = self.random_text("1.code.", 120);
        let code = Code {
            client_id: asked.client_id.clone(),
            user: user.to_owned(),
            redirect_uri: asked.redirect_uri.clone(),
            scopes,
            challenge: request.query("code_challenge").unwrap_or_default().to_owned(),
            nonce: request.query("nonce").map(str::to_owned),
            valid_until_ms: self.now_ms + self.options.code_ms,
            is_redeemed: false,
        };
        self.issued_secrets.push(("code", secret.clone()));
        self.issued_secrets.push(("state", asked.state.clone()));
        self.codes.insert(secret.clone(), code);
        let session = self.random.guid();
        asked.redirect(&[("code", &secret), ("state", &asked.state), ("session_state", &session)])
    }
}

impl AuthorizationRequest {
    fn redirect_error(&self, error: &str, number: u32) -> Response {
        let description = format!("AADSTS{number}: {}", sentence(number));
        let pairs = [("error", error), ("error_description", &description), ("state", &self.state)];
        self.redirect(&pairs)
    }

    fn redirect(&self, pairs: &[(&str, &str)]) -> Response {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(pairs);
        let mark = if self.redirect_uri.contains('?') { '&' } else { '?' };
        let location = format!("{}{mark}{}", self.redirect_uri, query.finish());
        Response::html(302, "<html><title>Object moved</title></html>")
            .with_header("location", &location)
    }
}
