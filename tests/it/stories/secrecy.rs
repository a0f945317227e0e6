//! No secret appears in an answer, a metric, a log, the process list, or unencrypted on disk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::ci::Behaviour;
use fakes::entra::Forgery;
use fakes::faults::{Action, Rule, server_error_500, too_many_requests};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    Api, Binary, Browser, CLIENT_SECRET, Env, OPERATOR, PAT, REPORTER, ROOT_KEY, VIEWER,
};

/// The byte strings that must not be found, each with the name of the secret.
fn secrets(env: &Env) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, secret: &[u8]| found.push((name.to_owned(), secret.to_vec()));
    for (name, token) in
        [("PAT", PAT), ("operator", OPERATOR), ("viewer", VIEWER), ("reporter", REPORTER)]
    {
        add(name, token.as_bytes());
        add(&format!("{name} in base64"), STANDARD.encode(token).trim_end_matches('=').as_bytes());
    }
    add("PAT as sent", STANDARD.encode(format!(":{PAT}")).as_bytes());
    add("root key", ROOT_KEY.as_bytes());
    add("raw root key", &STANDARD.decode(ROOT_KEY).unwrap());
    for hook in ["git-push", "git-pullrequest-created", "git-pullrequest-updated", "by-hand"] {
        let password = env.password(hook);
        add("hook password", password.as_bytes());
        add(
            "hook password as sent",
            STANDARD.encode(format!("azure-devops:{password}")).as_bytes(),
        );
    }
    let signing = env.shell.ci(|ci| ci.secret().to_owned());
    add("CI secret", signing.as_bytes());
    add("raw CI secret", &STANDARD.decode(signing.trim_start_matches("whsec_")).unwrap());
    let tokens: Vec<String> = env.shell.ci(|ci| {
        let token = |start: &fakes::ci::Start| start.trigger["report"]["token"].clone();
        ci.triggered().map(|start| token(start).as_str().unwrap().to_owned()).collect()
    });
    assert!(tokens.len() >= 4, "there were only {} runs", tokens.len());
    for token in tokens {
        add("report token", token.as_bytes());
    }
    found
}

/// Bytes as text with one character each: text is searched faster than bytes.
fn latin(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn check_no_secret_in(what: &str, content: &[u8], secrets: &[(String, Vec<u8>)]) {
    assert!(!content.is_empty(), "{what} is empty");
    let content = latin(content);
    for (name, secret) in secrets {
        assert!(secret.len() >= 16, "{name} is too short to be searched for");
        assert!(!content.contains(&latin(secret)), "{name} is in {what}");
    }
}

/// The answers of all routes, as text.
async fn every_answer(gateway: &Binary) -> String {
    let mut all = String::new();
    for list in ["/v1/deliveries", "/v1/runs", "/v1/statuses", "/v1/audit"] {
        let items = gateway.api.items(&format!("{list}?limit=500")).await;
        assert!(!items.is_empty(), "{list}");
        for item in items {
            let id = item["id"].as_str().map_or_else(|| item["id"].to_string(), str::to_owned);
            all += &gateway.api.get(&format!("{list}/{id}")).await.to_string();
            all += &item.to_string();
        }
    }
    for path in ["/livez", "/readyz", "/openapi.json"] {
        all += &gateway.api.get(path).await.to_string();
    }
    for path in ["/nowhere", "/v1/runs?limit=x", "/v1/runs/1"] {
        all += &gateway.api.call(Method::GET, path, None).await.1.to_string();
    }
    all + &gateway.api.text("/metrics").await
}

/// Causes everything that is logged: successes, refusals, faults, and wrong credentials.
async fn cause_everything(env: &Env, gateway: &Binary) {
    let (id, commit) = env.open("one");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ci(|ci| {
        ci.next(1, &Behaviour::Refuse { status: 400, text: "no".into() });
        ci.next(1, &Behaviour::Unavailable { times: 1, retry_after_s: 0 });
        ci.next(1, &Behaviour::ContradictLate);
    });
    let (refused, commit) = env.open("two");
    env.until_status(refused, &commit, "unit-tests", "error").await;
    env.shell.ado(|ado| {
        ado.faults.add(Rule::new("POST", "/statuses", server_error_500()).next(1));
        ado.faults.add(Rule::new("POST", "/statuses", too_many_requests(1)).next(1));
    });
    for branch in ["three", "four"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    // Callers with a wrong body, or with the secret of something else.
    env.deliver(&gateway.url, "by-hand", "no json").await;
    let swapped = reqwest::Client::new()
        .post(format!("{}/hooks/azure-devops/fabrikam/git-push", gateway.url))
        .basic_auth("azure-devops", Some(env.password("by-hand")))
        .send()
        .await;
    assert_eq!(swapped.unwrap().status(), 401);
    let reporter = Api::new(&gateway.url, REPORTER);
    let body = json!({ "state": "green", "description": 7 });
    reporter.post("/v1/runs/01890a5d-ac96-774b-bcce-b302099a8057/reports", Some(&body)).await;
    let run = env.until_started("unit-tests", &commit_of(env, "one")).await;
    gateway.api.post(&format!("/v1/runs/{run}/rerun"), None).await;
    env.shell.ado(|ado| ado.revoke_token(PAT));
    env.push("main");
    // The first status is refused. The others are refused, too, or wait for the end of the pause.
    let waits = |statuses: &Value| {
        let all = statuses["items"].to_string();
        all.contains("does not accept the credential") || all.contains("no calls to fabrikam until")
    };
    gateway.api.until("/v1/statuses?outcome=queued", waits).await;
    env.until_decided(&gateway.api).await;
}

fn commit_of(env: &Env, branch: &str) -> String {
    env.shell.ado(|ado| ado.head(&env.repository, branch).unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_logged_or_stored() {
    let env = Env::new(1901);
    let mut gateway = Binary::start_with(&env, |settings| {
        settings.environment.insert("AZDO_GATEWAY_LOG".into(), "trace".into());
    })
    .await;
    cause_everything(&env, &gateway).await;
    let secrets = secrets(&env);
    check_no_secret_anywhere(&mut gateway, &secrets, "").await;
}

/// Checks that no secret is in an answer, in the process list, or in a file after a kill.
async fn check_no_secret_anywhere(
    gateway: &mut Binary,
    secrets: &[(String, Vec<u8>)],
    pages: &str,
) {
    let answers = every_answer(gateway).await + pages;
    check_no_secret_in("an answer", answers.as_bytes(), secrets);
    let process = format!("/proc/{}/cmdline", gateway.id());
    check_no_secret_in("the process list", &std::fs::read(process).unwrap(), secrets);
    let folder = gateway.settings.folder.clone();
    gateway.kill();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        if !content.is_empty() {
            check_no_secret_in(&path.display().to_string(), &content, secrets);
        }
    }
}

/// An operator who links a user: the secrets that they hold, and the pages that they see.
#[derive(Default)]
struct Linker {
    held: Vec<(String, Vec<u8>)>,
    pages: String,
}

impl Linker {
    fn holds(&mut self, name: &str, secret: &str) {
        self.held.push((name.to_owned(), secret.as_bytes().to_vec()));
    }

    async fn open(&mut self, browser: &Browser, url: &str) -> StatusCode {
        let shown = browser.open(url, None).await;
        self.pages += &shown.text;
        shown.status
    }

    /// Signs in, up to the redirect of the browser to the gateway.
    async fn sign_in(&mut self, gateway: &Binary) -> (Browser, String) {
        let (status, answer) = gateway.api.post("/v1/organizations/fabrikam/link", None).await;
        assert_eq!(status, StatusCode::CREATED);
        let url = answer["url"].as_str().unwrap();
        let (_, ticket) = url.split_once("ticket=").unwrap();
        self.holds("ticket", ticket);
        let browser = Browser::new();
        let back = browser.sign_in(url, None).await;
        for cookie in browser.cookies() {
            self.holds("cookie", &cookie);
        }
        assert_eq!(self.open(&Browser::new(), url).await, StatusCode::FORBIDDEN);
        (browser, back.into())
    }

    /// Links, after another browser has tried to complete the sign-in with the same URL.
    async fn link(&mut self, gateway: &Binary) {
        let (browser, back) = self.sign_in(gateway).await;
        assert_eq!(self.open(&Browser::new(), &back).await, StatusCode::BAD_REQUEST);
        let (browser, back) = match self.open(&browser, &back).await {
            StatusCode::OK => return,
            _ => self.sign_in(gateway).await,
        };
        assert_eq!(self.open(&browser, &back).await, StatusCode::OK);
    }
}

async fn shows(env: &Env, branch: &str) {
    let (id, commit) = env.open(branch);
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
}

/// Renews, refuses and loses tokens, and links, unlinks and links again.
async fn cause_everything_linked(env: &Env, gateway: &Binary) -> Linker {
    let mut linker = Linker::default();
    let (browser, back) = linker.sign_in(gateway).await;
    env.shell.entra(|entra| entra.forge_next_id_token(Forgery::WrongNonce));
    assert_ne!(linker.open(&browser, &back).await, StatusCode::OK, "its ID token is forged");
    linker.link(gateway).await;
    shows(env, "one").await;
    env.shell.ado(|ado| ado.end_bearers());
    shows(env, "two").await;
    assert!(env.shell.entra(|entra| entra.granted("refresh_token")) > 0);
    env.shell.ado(|ado| {
        for (method, action) in [("POST", Action::DropAfter), ("DELETE", Action::DropAfter)] {
            ado.faults.add(Rule::new(method, "/_apis/tokens/pats", action).next(1));
        }
        ado.faults.add(Rule::new("POST", "/_apis/tokens/pats", Action::TruncateBody).next(1));
        ado.fail_minting("failedToIssueAccessToken", 1);
    });
    shows(env, "three").await;
    env.shell.entra(|entra| entra.fail_token(50173, "invalid_grant", 400, None));
    env.shell.ado(|ado| ado.end_bearers());
    env.open("four");
    let says = |body: &Value| body["problems"].to_string().contains("AADSTS50173");
    gateway.api.until("/readyz", says).await;
    let (browser, back) = linker.sign_in(gateway).await;
    assert_ne!(linker.open(&browser, &back).await, StatusCode::OK, "its code is refused");
    env.shell.entra(|entra| entra.clear_token_failure());
    linker.link(gateway).await;
    let unlinked = gateway.api.call(Method::DELETE, "/v1/organizations/fabrikam/link", None).await;
    assert_eq!(unlinked.0, StatusCode::NO_CONTENT);
    linker.link(gateway).await;
    shows(env, "five").await;
    // This sign-in is never completed.
    linker.sign_in(gateway).await;
    linker
}

/// The secrets of Entra and Azure DevOps, and those that the linker held.
fn linked_secrets(env: &Env, linker: &Linker) -> Vec<(String, Vec<u8>)> {
    let mut found = linker.held.clone();
    let mut add = |name: &str, secret: &str| {
        found.push((name.to_owned(), secret.as_bytes().to_vec()));
        let encoded = STANDARD.encode(secret);
        found.push((format!("{name} in base64"), encoded.trim_end_matches('=').into()));
    };
    add("client secret", CLIENT_SECRET);
    let issued_secrets = env.shell.entra(|entra| entra.issued_secrets().to_vec());
    for name in ["code", "state", "verifier", "ID token", "access token", "refresh token"] {
        assert!(issued_secrets.iter().any(|(one, _)| *one == name), "there was no {name}");
    }
    for (name, secret) in &issued_secrets {
        add(name, secret);
    }
    let pats = env.shell.ado(|ado| ado.pats().to_vec());
    assert!(pats.len() >= 8, "only {} tokens were minted", pats.len());
    for pat in pats {
        add("minted token", &pat.secret);
        add("minted token as sent", &format!(":{}", pat.secret));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_service_user_is_shown_logged_or_stored() {
    let env = Env::new(1902);
    let mut gateway = Binary::start_with(&env, |settings| {
        settings.credential = env.service_user("");
        settings.environment.insert("AZDO_GATEWAY_LOG".into(), "trace".into());
    })
    .await;
    env.register(&gateway.url);
    let linker = cause_everything_linked(&env, &gateway).await;
    env.until_idle(&gateway.api).await;
    // The search would find something: other values of the same answers are there.
    let known = env.shell.ado(|ado| ado.pats()[0].authorization_id.clone());
    assert!(every_answer(&gateway).await.contains(&known), "the audit log names every PAT");
    let log = std::fs::read_to_string(gateway.settings.folder.join("gateway.log")).unwrap();
    assert!(log.contains("TRACE"), "the log has every level");
    let found = [secrets(&env), linked_secrets(&env, &linker)].concat();
    check_no_secret_anywhere(&mut gateway, &found, &linker.pages).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_person_who_signs_in_is_shown_logged_or_stored() {
    let env = Env::new(1903);
    let mut gateway = Binary::start_with(&env, |settings| {
        settings.sign_in = env.sign_in("");
        settings.environment.insert("AZDO_GATEWAY_LOG".into(), "trace".into());
    })
    .await;
    env.register_pages(&gateway.url);
    env.shell.entra(|entra| {
        entra.add_user("Jo Doe", "jo@fabrikam.example");
        entra.sign_in("jo@fabrikam.example");
    });
    let (id, commit) = env.open("one");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let run = env.until_started("unit-tests", &commit).await;
    let mut person = Linker::default();
    for forgery in [Some(Forgery::WrongNonce), None] {
        let browser = Browser::new();
        let begun = browser.open(&format!("{}/login/entra", gateway.url), None).await;
        let at_entra = begun.location.expect("it leads to Entra");
        let back = browser.open(at_entra.as_str(), None).await.location.expect("it leads back");
        env.shell.entra(|entra| forgery.map(|forgery| entra.forge_next_id_token(forgery)));
        for cookie in browser.cookies() {
            person.holds("cookie", &cookie);
        }
        person.open(&browser, back.as_str()).await;
        for cookie in browser.cookies().iter().filter(|cookie| !cookie.is_empty()) {
            person.holds("cookie", cookie);
        }
        let shown = person.open(&browser, &format!("{}/ui/runs/{run}", gateway.url)).await;
        let expected = if forgery.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        assert_eq!(shown, expected, "{}", person.pages);
    }
    let issued = env.shell.entra(|entra| entra.issued_secrets().to_vec());
    for name in ["code", "state", "verifier", "ID token", "access token", "refresh token"] {
        assert!(issued.iter().any(|(one, _)| *one == name), "there was no {name}");
    }
    for (name, secret) in &issued {
        person.holds(name, secret);
        person.holds(name, STANDARD.encode(secret).trim_end_matches('='));
    }
    person.holds("client secret", CLIENT_SECRET);
    let log = std::fs::read_to_string(gateway.settings.folder.join("gateway.log")).unwrap();
    assert!(log.contains("TRACE"), "the log has every level");
    let Linker { held, pages } = person;
    check_no_secret_anywhere(&mut gateway, &held, &pages).await;
}
