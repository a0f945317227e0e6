//! The rules of the fake Entra that the gateway relies on, one test for each.
//!
//! The tests call a world directly. Time is a number, so that no test waits.

/// Applications: secrets, certificates, federated tokens, managed identities.
mod applications;
/// Signing in, redeeming, refreshing.
mod people;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;

pub(super) const USER: &str = "svc-ci@fabrikam.example";
pub(super) const SECRET: &str = "client secret";
pub(super) const REDIRECT: &str = "https://gateway.example.com/complete/service_user";
const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-one-of-43-characters";
const RESOURCE: &str = "499b84ac-1321-427f-aa17-267ca6975798";

/// A tenant with one application and one person, who is signed in.
pub(super) struct Fixture {
    pub(super) world: World,
    pub(super) client_id: String,
    pub(super) now_ms: i64,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let mut world = World::new(5);
        let client_id = world.add_app();
        world.add_secret(&client_id, SECRET);
        world.add_redirect_uri(&client_id, REDIRECT);
        world.add_user("CI Service", USER);
        world.sign_in(USER);
        Self { world, client_id, now_ms: 1_790_000_000_000 }
    }

    pub(super) fn ask(&mut self, request: &Request) -> Response {
        self.world.handle(&request.clone().with_header("host", "localhost:7"), self.now_ms)
    }

    /// The answer to a sign-in, with these query values changed or left out.
    pub(super) fn sign_in(&mut self, changes: &[(&str, Option<&str>)]) -> Response {
        let request = self.sign_in_request(changes);
        self.ask(&request)
    }

    pub(super) fn sign_in_request(&self, changes: &[(&str, Option<&str>)]) -> Request {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let client_id = self.client_id.clone();
        let scope = format!("{RESOURCE}/vso.pats {RESOURCE}/vso.pats_manage offline_access openid");
        let mut query = vec![
            ("client_id", client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", &scope),
            ("state", "a state"),
            ("nonce", "a nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            query.retain(|(key, _)| key != name);
            query.extend(value.map(|value| (*name, value)));
        }
        let query = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let target = format!("/{}/oauth2/v2.0/authorize", self.world.tenant());
        Request { query: query.collect(), ..Request::new("GET", &target) }
    }

    pub(super) fn code(&mut self) -> String {
        let answer = self.sign_in(&[]);
        query_of(&answer, "code").unwrap()
    }

    pub(super) fn token(&mut self, fields: &[(&str, &str)]) -> Response {
        let target = format!("/{}/oauth2/v2.0/token", self.world.tenant());
        self.form(&target, fields)
    }

    pub(super) fn form(&mut self, target: &str, fields: &[(&str, &str)]) -> Response {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let request = Request { body: form.finish().into_bytes(), ..Request::new("POST", target) };
        let kind = "application/x-www-form-urlencoded";
        self.ask(&request.with_header("content-type", kind))
    }

    pub(super) fn redeem(&mut self, code: &str, verifier: &str) -> Response {
        let client_id = self.client_id.clone();
        self.token(&[
            ("grant_type", "authorization_code"),
            ("client_id", &client_id),
            ("client_secret", SECRET),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", verifier),
        ])
    }

    /// The answer to redeeming the code of a sign-in.
    pub(super) fn signed_in(&mut self) -> Value {
        let code = self.code();
        let answer = self.redeem(&code, VERIFIER);
        assert_eq!(answer.status, 200, "{}", answer.body_json());
        answer.body_json()
    }

    pub(super) fn refresh(&mut self, refresh_token: &str, secret: &str) -> Response {
        let client_id = self.client_id.clone();
        self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", &client_id),
            ("client_secret", secret),
            ("refresh_token", refresh_token),
        ])
    }
}

pub(super) fn query_of(answer: &Response, name: &str) -> Option<String> {
    let location = answer.header("location")?;
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// HTTP status, error and AADSTS number of a refusal.
pub(super) fn refusal(answer: &Response) -> (u16, String, u64) {
    let body = answer.body_json();
    let number = body["error_codes"][0].as_u64().unwrap_or(0);
    let description = body["error_description"].as_str().unwrap_or_default();
    assert!(description.starts_with(&format!("AADSTS{number}: ")), "{body}");
    (answer.status, body["error"].as_str().unwrap_or_default().to_owned(), number)
}

#[test]
fn discovery_documents_have_the_host_of_the_request() {
    let mut fixture = Fixture::new();
    let tenant = fixture.world.tenant().to_owned();
    let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
    assert!(World::serves(&Request::new("GET", &path)));
    assert!(!World::serves(&Request::new("GET", "/fabrikam/_apis/projects")));
    let answer = fixture.ask(&Request::new("GET", &path)).body_json();
    assert_eq!(answer["issuer"], format!("http://localhost:7/{tenant}/v2.0"));
    let keys = fixture.ask(&Request::new("GET", &format!("/{tenant}/discovery/v2.0/keys")));
    let key = &keys.body_json()["keys"][0];
    assert_eq!((&key["kty"], &key["e"]), (&json!("RSA"), &json!("AQAB")));
    let wrong = fixture.ask(&Request::new("GET", "/common/discovery/v2.0/keys"));
    assert_eq!(refusal(&wrong), (400, "invalid_request".to_owned(), 90002));
}
