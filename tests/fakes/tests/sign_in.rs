//! Signing in at Entra and minting PATs at ADO, over sockets.
//!
//! A token that Entra issues must be accepted by ADO before its holder can use it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, which may panic as tests may"
)]

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fakes::bearers::{add_service_principal, add_service_user};
use fakes::faults::{Action, Rule, unavailable_503};
use fakes::shell::Shell;
use fakes::{ado, ci, entra, timestamp};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The bound of each request of a test. It is answered within milliseconds, unless the machine is
/// very busy.
const LIMIT: Duration = Duration::from_secs(30);
const USER: &str = "svc-ci@fabrikam.example";
const REDIRECT: &str = "http://gateway.invalid/complete/azure_active_directory_service_user";
const RESOURCE: &str = "499b84ac-1321-427f-aa17-267ca6975798";
const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-one-of-43-characters";
const VERSION: &str = "api-version=7.1-preview.1";

struct Env {
    shell: Shell,
    client: reqwest::Client,
    tenant: String,
    client_id: String,
}

impl Env {
    fn start() -> Self {
        let mut ado = ado::World::new(9, ado::Options::loopback());
        ado.create_organization("fabrikam");
        let project = ado.create_project("fabrikam", "Fabrikam");
        ado.create_repository(&project, "web");
        let mut entra = entra::World::new(9);
        let client_id = entra.add_app();
        entra.add_secret(&client_id, "secret");
        entra.add_redirect_uri(&client_id, REDIRECT);
        add_service_user(&mut ado, &mut entra, "CI Service", USER);
        add_service_principal(&mut ado, &entra, "Gateway", &client_id);
        let tenant = entra.tenant().to_owned();
        let shell = Shell::start_with_entra(ado, ci::World::new(9), entra, None).unwrap();
        let policy = reqwest::redirect::Policy::none();
        let client =
            reqwest::Client::builder().no_proxy().redirect(policy).timeout(LIMIT).build().unwrap();
        Self { shell, client, tenant, client_id }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shell.url())
    }

    async fn code(&self) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let scope = format!("{RESOURCE}/vso.pats {RESOURCE}/vso.pats_manage offline_access openid");
        let base = self.url(&format!("/{}/oauth2/v2.0/authorize", self.tenant));
        let pairs = [
            ("client_id", self.client_id.as_str()),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", &scope),
            ("state", "state"),
            ("nonce", "nonce"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let url = url::Url::parse_with_params(&base, pairs).unwrap();
        let answer = self.client.get(url.as_str()).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        let location = answer.headers()["location"].to_str().unwrap();
        let location = url::Url::parse(location).unwrap();
        let mut pairs = location.query_pairs();
        pairs.find(|(key, _)| key == "code").unwrap().1.into_owned()
    }

    async fn token(&self, fields: &[(&str, &str)]) -> reqwest::Response {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        form.extend_pairs([("client_id", self.client_id.as_str()), ("client_secret", "secret")]);
        let url = self.url(&format!("/{}/oauth2/v2.0/token", self.tenant));
        let request = self.client.post(url).body(form.finish());
        let kind = "application/x-www-form-urlencoded";
        request.header("content-type", kind).send().await.unwrap()
    }

    async fn bearer_of_person(&self) -> String {
        let code = self.code().await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let body: Value = self.token(&fields).await.json().await.unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn mint(&self, bearer: &str) -> reqwest::RequestBuilder {
        let end_ms = self.shell.ado(|ado| ado.now_ms()) + 120_000;
        let body = json!({
            "displayName": "azdo-gateway/test",
            "scope": "vso.code",
            "validTo": timestamp::rfc3339(end_ms),
            "allOrgs": false,
        });
        let url = self.url(&format!("/fabrikam/_apis/tokens/pats?{VERSION}"));
        self.client.post(url).bearer_auth(bearer).json(&body)
    }

    async fn control(&self, path: &str, body: Option<Value>) -> Value {
        let url = self.url(&format!("/_fake/{path}"));
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        request.send().await.unwrap().json().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_mints_a_pat_that_works() {
    let env = Env::start();
    let bearer = env.bearer_of_person().await;
    let minted: Value = env.mint(&bearer).send().await.unwrap().json().await.unwrap();
    let secret = minted["patToken"]["token"].as_str().unwrap();
    let url = env.url("/fabrikam/_apis/git/repositories?api-version=7.1");
    let answer = env.client.get(&url).basic_auth("", Some(secret)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let refused = env.client.get(&url).bearer_auth(&bearer).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    let listed = env.control("pats", None).await;
    assert_eq!((&listed[0]["state"], &listed[0]["used"]), (&json!("active"), &json!(1)));
    assert_eq!(env.control("violations", None).await, json!([]));
    let id = listed[0]["id"].as_str().unwrap();
    env.control(&format!("pats/{id}/revoke"), Some(json!({}))).await;
    assert_eq!(env.shell.ado(|ado| ado.active_pats().count()), 0);
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_reads_code_and_cannot_mint_a_pat() {
    let env = Env::start();
    let scope = format!("{RESOURCE}/.default");
    let fields = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let body: Value = env.token(&fields).await.json().await.unwrap();
    let bearer = body["access_token"].as_str().unwrap();
    let url = env.url("/fabrikam/_apis/git/repositories?api-version=7.1");
    let answer = env.client.get(url).bearer_auth(bearer).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let refused = env.mint(bearer).send().await.unwrap();
    assert_eq!(refused.status(), 302);
    let request = env.mint(bearer).header("X-TFS-FedAuthRedirect", "Suppress");
    assert_eq!(request.send().await.unwrap().status(), 401);
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_apply_to_entra_and_to_the_pat_api() {
    let env = Env::start();
    let unavailable = Rule::new("POST", "/oauth2/v2.0/token", unavailable_503(7)).next(1);
    env.shell.entra(|entra| entra.faults.add(unavailable));
    let answer = env.token(&[("grant_type", "refresh_token")]).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    let bearer = env.bearer_of_person().await;
    let lost = Rule::new("POST", "/tokens/pats", Action::DropAfter).nth(1);
    env.shell.ado(|ado| ado.faults.add(lost));
    assert!(env.mint(&bearer).send().await.is_err());
    assert_eq!(env.shell.ado(|ado| ado.active_pats().count()), 1, "it was minted and is lost");
    env.shell.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_api_changes_entra() {
    let env = Env::start();
    env.control("entra/token-error", Some(json!({"number": 50173, "count": 1}))).await;
    let answer = env.token(&[("grant_type", "refresh_token")]).await;
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error_codes"], json!([50173]));
    env.bearer_of_person().await;
    let state = env.control("entra", None).await;
    assert_eq!((&state["signed_in"], &state["live_refresh_tokens"]), (&json!(USER), &json!(1)));
    let revoked = env.control("entra/revoke", Some(json!({"user": USER}))).await;
    assert_eq!(revoked, json!({"revoked": 1}));
    env.control("pats/error", Some(json!({"error": "invalidScope"}))).await;
    let bearer = env.bearer_of_person().await;
    let refused: Value = env.mint(&bearer).send().await.unwrap().json().await.unwrap();
    assert_eq!(refused, json!({"patToken": null, "patTokenError": "invalidScope"}));
    assert!(
        env.control("entra/sign-in", Some(json!({"user": "nobody"}))).await["complaint"]
            .is_string()
    );
    env.control("entra/sign-out", Some(json!({}))).await;
    assert_eq!(env.control("entra", None).await["signed_in"], Value::Null);
    env.shell.stop().await;
}
