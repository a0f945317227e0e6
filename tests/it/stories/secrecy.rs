//! Secrets are seen by nobody: not in an answer, a metric, a log, a process list, or on disk.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::ci::Behaviour;
use fakes::faults::{Rule, server_error_500, too_many_requests};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Api, OPERATOR, Outside, PAT, REPORTER, ROOT_KEY, Town, VIEWER};

/// Every byte string that must not be found, by the name of what it is.
fn secrets(town: &Town) -> Vec<(String, Vec<u8>)> {
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
        let password = town.password(hook);
        add("hook password", password.as_bytes());
        add(
            "hook password as sent",
            STANDARD.encode(format!("azure-devops:{password}")).as_bytes(),
        );
    }
    let signing = town.shell.ci(|ci| ci.secret().to_owned());
    add("CI secret", signing.as_bytes());
    add("raw CI secret", &STANDARD.decode(signing.trim_start_matches("whsec_")).unwrap());
    let tokens: Vec<String> = town.shell.ci(|ci| {
        let token = |start: &fakes::ci::Start| start.trigger["report"]["token"].clone();
        ci.triggered().map(|start| token(start).as_str().unwrap().to_owned()).collect()
    });
    assert!(tokens.len() >= 4, "the story has few runs: {}", tokens.len());
    for token in tokens {
        add("report token", token.as_bytes());
    }
    found
}

fn search(place: &str, content: &[u8], secrets: &[(String, Vec<u8>)]) {
    assert!(!content.is_empty(), "{place} is empty");
    for (name, secret) in secrets {
        let found = content.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{name} is in {place}");
    }
}

/// Every list and every detail, as text.
async fn every_answer(gateway: &Outside) -> String {
    let mut all = String::new();
    for list in ["/v1/deliveries", "/v1/runs", "/v1/statuses"] {
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
    let metrics = reqwest::Client::new().get(format!("{}/metrics", gateway.url)).send().await;
    all + &metrics.unwrap().text().await.unwrap()
}

/// A life in which everything happens that may be told in a log.
async fn live(town: &Town, gateway: &Outside) {
    let (id, commit) = town.open("one");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.shell.ci(|ci| {
        ci.next(1, &Behaviour::Refuse { status: 400, text: "no".into() });
        ci.next(1, &Behaviour::Unavailable { times: 1, retry_after_s: 0 });
        ci.next(1, &Behaviour::ContradictLate);
    });
    let (refused, commit) = town.open("two");
    town.until_shown(refused, &commit, "unit-tests", "error").await;
    town.shell.ado(|ado| {
        ado.faults.add(Rule::new("POST", "/statuses", server_error_500()).next(1));
        ado.faults.add(Rule::new("POST", "/statuses", too_many_requests(1)).next(1));
    });
    for branch in ["three", "four"] {
        let (id, commit) = town.open(branch);
        town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    }
    // Wrong and odd callers, with secrets that are nearly right.
    town.deliver(&gateway.url, "by-hand", "no json").await;
    let swapped = reqwest::Client::new()
        .post(format!("{}/hooks/azure-devops/fabrikam/git-push", gateway.url))
        .basic_auth("azure-devops", Some(town.password("by-hand")))
        .send()
        .await;
    assert_eq!(swapped.unwrap().status(), 401);
    let reporter = Api::new(&gateway.url, REPORTER);
    let body = json!({ "state": "green", "description": 7 });
    reporter.post("/v1/runs/01890a5d-ac96-774b-bcce-b302099a8057/reports", Some(&body)).await;
    let run = town.until_started("unit-tests", &commit_of(town, "one")).await;
    gateway.api.post(&format!("/v1/runs/{run}/rerun"), None).await;
    town.shell.ado(|ado| ado.revoke_token(PAT));
    town.push("main");
    // The first status is refused; it depends on the moment whether the others are tried, too.
    let told = |statuses: &Value| {
        let all = statuses["items"].to_string();
        all.contains("does not accept the credential") || all.contains("is left in peace until")
    };
    gateway.api.until("/v1/statuses?outcome=queued", told).await;
    town.decided(&gateway.api).await;
}

fn commit_of(town: &Town, branch: &str) -> String {
    town.shell.ado(|ado| ado.head(&town.repository, branch).unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ever_sees_a_secret() {
    let town = Town::new(1901);
    let mut gateway = Outside::start_with(&town, |settings| {
        settings.environment.insert("AZDO_GATEWAY_LOG".into(), "trace".into());
    })
    .await;
    live(&town, &gateway).await;
    let secrets = secrets(&town);
    search("an answer", every_answer(&gateway).await.as_bytes(), &secrets);
    let process = format!("/proc/{}/cmdline", gateway.id());
    search("the process list", &std::fs::read(process).unwrap(), &secrets);
    let folder = gateway.settings.folder.clone();
    gateway.kill();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        if !content.is_empty() {
            search(&path.display().to_string(), &content, &secrets);
        }
    }
}
