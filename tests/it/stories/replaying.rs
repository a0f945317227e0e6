//! Replaying a delivery: what is missing is started, and nothing twice.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Api, Env, InProcess, OPERATOR, check};

/// Replays a delivery and waits for its decision.
async fn replay(env: &Env, gateway: &InProcess, delivery: &Value) -> Value {
    let path = format!("/v1/deliveries/{}/replay", delivery["id"]);
    let (status, answer) = gateway.api.post(&path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    env.until_idle(&gateway.api).await;
    let replayed = gateway.api.get(&format!("/v1/deliveries/{}", answer["delivery"])).await;
    assert_eq!(replayed["source"], "replay");
    replayed
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_a_pull_request_starts_what_is_missing_and_nothing_twice() {
    let env = Env::new(1706);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    let cancelled = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let delivery = gateway.api.items("/v1/deliveries?outcome=started").await.remove(0);
    let again = replay(&env, &gateway, &delivery).await;
    assert_eq!((again["outcome"].as_str(), env.starts()), (Some("ignored"), 1));
    gateway.api.post(&format!("/v1/runs/{cancelled}/cancel"), None).await;
    let again = replay(&env, &gateway, &delivery).await;
    assert_eq!(again["outcome"], "started");
    let run = env.until_started_times("unit-tests", &commit, 2).await;
    assert_eq!(again["runs"], json!([run]));
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let again = replay(&env, &gateway, &delivery).await;
    assert_eq!((again["outcome"].as_str(), env.starts()), (Some("ignored"), 2));
    assert!(again["reason"].as_str().unwrap().contains("it ran on"), "{again}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaying_a_push_starts_what_is_missing_and_nothing_twice() {
    let env = Env::new(1707);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let commit = env.push("main");
    let cancelled = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let delivery = gateway.api.items("/v1/deliveries?outcome=started").await.remove(0);
    let again = replay(&env, &gateway, &delivery).await;
    assert_eq!((again["outcome"].as_str(), env.starts()), (Some("ignored"), 1));
    gateway.api.post(&format!("/v1/runs/{cancelled}/cancel"), None).await;
    let again = replay(&env, &gateway, &delivery).await;
    assert_eq!(again["outcome"], "started", "{again}");
    let run = env.until_started_times("unit-tests", &commit, 2).await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    replay(&env, &gateway, &delivery).await;
    assert_eq!(env.starts(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_was_added_later_is_started_by_replaying() {
    let env = Env::new(1708);
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = check("elsewhere", "").replace("Fabrikam/*", "Other/*");
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_idle(&gateway.api).await;
    let told = gateway.api.items("/v1/deliveries?event_type=git.pullrequest.created").await;
    assert_eq!((told[0]["outcome"].as_str(), env.starts()), (Some("ignored"), 0));
    let address = gateway.url.replace("http://", "");
    gateway.stop().await;
    let listener = std::net::TcpListener::bind(&address).unwrap();
    let config = env.settings(&address).config();
    let app = azdo_gateway::app::App::start_on(config, listener).await.unwrap();
    let api = Api::new(&format!("http://{address}"), OPERATOR);
    api.post(&format!("/v1/deliveries/{}/replay", told[0]["id"]), None).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    app.stop().await;
}
