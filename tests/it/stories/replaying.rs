//! Replaying a delivery: missing runs are started, and no run is started twice.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, check};

/// Replays a delivery and waits for its decision.
async fn replay(env: &Env, gateway: &Gateway, delivery: &Value) -> Value {
    let path = format!("/v1/deliveries/{}/replay", delivery["id"]);
    let (status, answer) = gateway.api.post(&path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    env.until_idle(&gateway.api).await;
    let replayed = gateway.api.get(&format!("/v1/deliveries/{}", answer["delivery"])).await;
    assert_eq!(replayed["source"], "replay");
    replayed
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn replaying_a_pull_request_starts_a_run_only_where_none_has_a_verdict() {
    let env = Env::new(1706);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let cancelled = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let delivery = gateway.api.items("/v1/deliveries?outcome=started").await.remove(0);
    let replayed = replay(&env, &gateway, &delivery).await;
    assert_eq!((replayed["outcome"].as_str(), env.starts()), (Some("ignored"), 1));
    gateway.api.post(&format!("/v1/runs/{cancelled}/cancel"), None).await;
    let replayed = replay(&env, &gateway, &delivery).await;
    assert_eq!(replayed["outcome"], "started");
    let run = env.until_started_times("unit-tests", &commit, 2).await;
    assert_eq!(replayed["runs"], json!([run]));
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let replayed = replay(&env, &gateway, &delivery).await;
    assert_eq!((replayed["outcome"].as_str(), env.starts()), (Some("ignored"), 2));
    assert!(replayed["reason"].as_str().unwrap().contains("it has already run on"), "{replayed}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn replaying_a_push_starts_a_run_only_where_none_has_a_verdict() {
    let env = Env::new(1707);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let commit = env.push("main");
    let cancelled = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let delivery = gateway.api.items("/v1/deliveries?outcome=started").await.remove(0);
    let replayed = replay(&env, &gateway, &delivery).await;
    assert_eq!((replayed["outcome"].as_str(), env.starts()), (Some("ignored"), 1));
    gateway.api.post(&format!("/v1/runs/{cancelled}/cancel"), None).await;
    let replayed = replay(&env, &gateway, &delivery).await;
    assert_eq!(replayed["outcome"], "started", "{replayed}");
    let run = env.until_started_times("unit-tests", &commit, 2).await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    replay(&env, &gateway, &delivery).await;
    assert_eq!(env.starts(), 2);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn replaying_starts_a_check_that_was_added_after_the_delivery() {
    let env = Env::new(1708);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("elsewhere", "").replace("Fabrikam/*", "Other/*");
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_idle(&gateway.api).await;
    let path = "/v1/deliveries?event_type=git.pullrequest.created";
    let delivery = gateway.api.items(path).await.remove(0);
    assert_eq!((delivery["outcome"].as_str(), env.starts()), (Some("ignored"), 0));
    gateway.stop().await;
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    gateway.api.post(&format!("/v1/deliveries/{}/replay", delivery["id"]), None).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}
