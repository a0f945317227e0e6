//! `deliveries` and `runs`: the output is the same whether a gateway runs or the command opens the
//! store.

use fakes::ci::Behaviour;
use serde_json::Value;

use super::call::{CallResult, ask, run};
use crate::harness::{Binary, Env, OPERATOR, PAT, ROOT_KEY, Settings, VIEWER};

/// A gateway with one pull request whose check has succeeded.
async fn with_a_pull_request(seed: u64) -> (Env, Binary) {
    let env = Env::new(seed);
    let gateway = Binary::start(&env).await;
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_delivered().await;
    let pending = "/v1/deliveries?outcome=pending";
    gateway.api.until(pending, |left| left["items"].as_array().is_some_and(Vec::is_empty)).await;
    (env, gateway)
}

fn items(answer: &Value) -> &Vec<Value> {
    answer["items"].as_array().expect("a list has items")
}

/// The id of the delivery that started a run.
fn started(settings: &Settings) -> String {
    let list = ask(settings, &["deliveries", "list", "--outcome", "started", "--json"]).json();
    items(&list)[0]["id"].to_string().trim_matches('"').to_owned()
}

fn only_run(settings: &Settings) -> String {
    let list = ask(settings, &["runs", "list", "--json"]).json();
    assert_eq!(items(&list).len(), 1);
    items(&list)[0]["id"].as_str().expect("it has an id").to_owned()
}

/// Checks the lists and items; called with a running gateway and without.
fn check_reading(settings: &Settings) {
    let table = ask(settings, &["deliveries", "list"]).done();
    let head: Vec<&str> = table.lines().next().expect("it has a head").split_whitespace().collect();
    let wanted = ["ID", "RECEIVED", "ORGANIZATION", "TYPE", "EVENT", "OUTCOME", "REASON"];
    assert_eq!(head, wanted);
    assert_eq!(table.lines().count(), 3, "{table}");
    assert!(table.contains("git.pullrequest.created") && table.contains("started"), "{table}");
    assert!(!table.contains('\x1b'), "colour is for terminals: {table}");
    let page = ask(settings, &["deliveries", "list", "--limit", "1"]).done();
    let (_, cursor) = page.split_once("more: --cursor ").expect("there is one more");
    let rest = ["deliveries", "list", "--cursor", cursor.trim(), "--json"];
    assert_eq!(items(&ask(settings, &rest).json()).len(), 1);
    let id = started(settings);
    let shown = ask(settings, &["deliveries", "show", &id, "--json"]).json();
    assert_eq!(shown["body"]["eventType"], "git.pullrequest.created");
    let run = only_run(settings);
    check_delivery(&ask(settings, &["deliveries", "show", &id]).done(), &shown, &run);
    check_run(&ask(settings, &["runs", "show", &run]).done(), &run);
    let table = ask(settings, &["runs", "list", "--state", "succeeded"]).done();
    assert!(table.contains(&run) && table.contains("Fabrikam/web"), "{table}");
    let shown = ask(settings, &["runs", "show", &run, "--json"]).json();
    assert_eq!(shown["state"], "succeeded");
}

/// What was decided about each check comes first, then the body, and no secret is in it.
fn check_delivery(text: &str, shown: &Value, run: &str) {
    let (decided, body) = text.split_once("\nbody ").expect("the body is announced");
    for line in ["outcome       started", "event         pull_request_opened"] {
        assert!(decided.lines().any(|found| found == line), "{line:?} is not in {text}");
    }
    let mut rows = decided.lines().skip_while(|line| !line.starts_with("CHECK "));
    let head: Vec<&str> = rows.next().expect("there is a table").split_whitespace().collect();
    assert_eq!(head, ["CHECK", "DECISION", "KEY", "RUN", "REASON"]);
    let row: Vec<&str> = rows.next().expect("it has a row").split_whitespace().collect();
    assert_eq!(row[..4], ["unit-tests", "started", "-", run], "{text}");
    let (bytes, body) = body.split_once("\n\n").expect("the body is apart");
    assert_eq!(bytes.trim(), format!("{} bytes", shown["body_bytes"]));
    assert!(body.lines().count() > 20, "it is indented: {body}");
    assert_eq!(serde_json::from_str::<Value>(body).expect("it is JSON"), shown["body"]);
    for secret in [PAT, OPERATOR, ROOT_KEY] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

/// The state of a run, and the steps that led to it.
fn check_run(text: &str, run: &str) {
    let first = format!("run           {run}");
    for line in [&first, "state         succeeded", "check         ci/unit-tests"] {
        assert!(text.lines().any(|found| found == line), "{line:?} is not in {text}");
    }
    let steps = text.lines().skip_while(|line| !line.starts_with("AT "));
    let mut steps: Vec<&str> = steps.filter_map(|line| line.split_whitespace().nth(1)).collect();
    // The CI may report before it has answered.
    steps.sort_unstable();
    assert_eq!(steps, ["STEP", "attempt", "planned", "report", "report"], "{text}");
}

/// Checks the refusals; called with a running gateway and without.
fn check_refusals(settings: &Settings) {
    ask(settings, &["deliveries", "show", "99999"]).refused(1, &["delivery", "99999", "404"]);
    ask(settings, &["deliveries", "replay", "99999"]).refused(1, &["delivery", "99999", "404"]);
    ask(settings, &["runs", "show", "nonsense"]).refused(1, &["run", "nonsense", "404"]);
    ask(settings, &["runs", "cancel", &only_run(settings)]).refused(1, &["409"]);
    ask(settings, &["deliveries", "list", "--outcome", "bad"]).refused(1, &["outcome", "started"]);
    ask(settings, &["runs", "list", "--limit", "0"]).refused(1, &["limit", "1 to 500"]);
    ask(settings, &["runs", "list", "--limit", "many"]).refused(2, &["--limit"]);
    ask(settings, &["runs"]).refused(2, &["Usage: azdo-gateway runs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_a_running_gateway() {
    let (env, gateway) = with_a_pull_request(1).await;
    let settings = &gateway.settings;
    check_reading(settings);
    check_refusals(settings);
    let replayed = ask(settings, &["deliveries", "replay", &started(settings)]).done();
    let id = replayed.trim().strip_prefix("replayed as delivery ").expect("it says as which");
    let decided = |one: &Value| one["decided_at"].is_string();
    let shown = gateway.api.until(&format!("/v1/deliveries/{id}"), decided).await;
    assert_eq!(shown["source"], "replay");
    env.shell.ci(|ci| ci.set_default(Behaviour::NeverReport));
    let again = ask(settings, &["runs", "rerun", &only_run(settings)]).done();
    assert!(again.starts_with("run ") && again.trim().ends_with(" is planned"), "{again}");
    let new = again.split(' ').nth(1).expect("it names the run");
    let at_ci = |run: &Value| run["state"] == "dispatched";
    gateway.api.until(&format!("/v1/runs/{new}"), at_ci).await;
    let cancelled = ask(settings, &["runs", "cancel", new]).done();
    assert_eq!(cancelled, format!("run {new} is cancelled\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_the_store_where_no_gateway_runs() {
    let (env, mut gateway) = with_a_pull_request(2).await;
    gateway.terminate();
    assert_eq!(gateway.wait().code(), Some(0));
    let settings = gateway.settings.clone();
    check_reading(&settings);
    check_refusals(&settings);
    let run = only_run(&settings);
    let again = ask(&settings, &["runs", "rerun", &run, "--json"]).json();
    assert_eq!(again["state"], "planned");
    let replayed = ask(&settings, &["deliveries", "replay", &started(&settings), "--json"]).json();
    // The next gateway carries it out.
    gateway.restart().await;
    let ended = |run: &Value| run["state"] == "succeeded";
    gateway.api.until(&format!("/v1/runs/{}", text(&again, "id")), ended).await;
    let decided = |one: &Value| one["decided_at"].is_string();
    let replayed = replayed["delivery"].to_string();
    gateway.api.until(&format!("/v1/deliveries/{}", replayed.trim_matches('"')), decided).await;
    assert_eq!(env.shell.ci(|ci| ci.starts()), 2);
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("it is a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn uses_the_token_of_the_environment() {
    let (_env, gateway) = with_a_pull_request(3).await;
    let with = |token: &str, arguments: &[&str]| -> CallResult {
        let mut settings = gateway.settings.clone();
        settings.environment.insert("AZDO_GATEWAY_TOKEN".to_owned(), token.to_owned());
        ask(&settings, arguments)
    };
    with("a-token-that-is-not-known", &["runs", "list"]).refused(1, &["valid", "401"]);
    let run = only_run(&gateway.settings);
    with(VIEWER, &["runs", "list"]).done();
    with(VIEWER, &["runs", "rerun", &run]).refused(1, &["operator", "403"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_no_configuration_with_url_and_token() {
    let (_env, gateway) = with_a_pull_request(4).await;
    let token = ("AZDO_GATEWAY_TOKEN".to_owned(), OPERATOR.to_owned());
    let url = format!("{}/", gateway.url);
    let list = ["--config", "/nowhere.toml", "--url", &url, "runs", "list", "--json"];
    assert_eq!(items(&run(&[token.clone()].into(), &list, b"").json()).len(), 1);
    let unreachable = ["--url", "http://127.0.0.1:1", "runs", "list"];
    run(&[token].into(), &unreachable, b"").refused(1, &["does not answer"]);
    // With --url the store is not opened instead.
    ask(&gateway.settings, &unreachable).refused(1, &["http://127.0.0.1:1 does not answer"]);
}

/// The delivery was answered with 202, but was not in the database yet when the gateway was killed.
#[tokio::test(flavor = "multi_thread")]
async fn lists_a_delivery_that_a_killed_gateway_had_accepted() {
    let env = Env::new(912);
    let mut gateway = Binary::start(&env).await;
    let settings = gateway.settings.clone();
    let blocker = rusqlite::Connection::open(settings.database()).expect("others may open it");
    blocker.execute_batch("BEGIN IMMEDIATE").expect("no other connection writes");
    let payload = crate::harness::payloads::other("git.push").to_string();
    let answer = env.deliver(&gateway.url, "git-push", payload).await;
    assert_eq!(answer, reqwest::StatusCode::ACCEPTED);
    gateway.kill();
    blocker.execute_batch("ROLLBACK").expect("it began");
    drop(blocker);
    let list = ask(&settings, &["deliveries", "list", "--outcome", "pending", "--json"]).json();
    assert_eq!(items(&list).len(), 1, "{list}");
    assert_eq!(items(&list)[0]["event_type"], "git.push");
}
