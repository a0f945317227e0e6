//! Azure DevOps limits the rate of calls, or answers with its sign-in page: the gateway pauses its
//! calls, and no status is lost.

use fakes::faults::{
    Action, Rule, budget_left, rate_limited_200, redirect_302, sign_in_page_203, too_many_requests,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, PAT};

/// Pushes a commit and hands the gateway a status of it, as a CI does that the gateway did not
/// start: one status, which takes one post. Returns the commit.
async fn push_with_status(env: &Env, gateway: &Gateway) -> String {
    let commit = env.push("main");
    let status = json!({
        "organization": "fabrikam", "project": env.project, "repository": env.repository,
        "commit": commit, "context": { "name": "scan" }, "state": "succeeded",
    });
    let (answer, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    commit
}

fn status_posts(env: &Env) -> usize {
    env.shell.ado(|ado| ado.journal.count("POST", "/statuses"))
}

/// The times of all calls of Azure DevOps.
fn calls_ms(env: &Env) -> Vec<i64> {
    env.shell.ado(|ado| ado.journal.entries().map(|one| one.at_ms).collect())
}

/// Whether a list has a status whose reason contains this text.
fn any_reason_contains(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |statuses| {
        let all = statuses["items"].as_array().unwrap();
        all.iter().any(|status| status["reason"].as_str().unwrap().contains(reason))
    }
}

/// The next posts of statuses fail in this way.
fn fail_posts(env: &Env, fault: Action, times: u32) {
    let rule = Rule::new("POST", "/statuses", fault).next(times);
    env.shell.ado(|ado| ado.faults.add(rule));
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_rate_limited_call_is_repeated_after_its_retry_after() {
    let env = Env::new(1401);
    fail_posts(&env, too_many_requests(1), 1);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let commit = push_with_status(&env, &gateway).await;
    gateway.api.until("/v1/statuses?outcome=queued", any_reason_contains("limits the rate")).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    let calls_ms = calls_ms(&env);
    assert_eq!(calls_ms.len(), 2);
    assert!(calls_ms[1] - calls_ms[0] >= 1_000, "Retry-After was not obeyed: {calls_ms:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn runs_are_started_while_azure_devops_limits_the_rate() {
    let env = Env::new(1402);
    fail_posts(&env, too_many_requests(1), 2);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_without_a_time_pauses_all_calls_of_the_organization_for_seconds() {
    let env = Env::new(1403);
    fail_posts(&env, too_many_requests(0), 1);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let first = push_with_status(&env, &gateway).await;
    env.until("the first call is refused", |ado, _| ado.journal.seen() == 1).await;
    let second = push_with_status(&env, &gateway).await;
    // A minute, as the pause once was, is longer than the harness waits.
    for commit in [first, second] {
        env.until_commit_status(&commit, "scan", "succeeded").await;
    }
    let calls_ms = calls_ms(&env);
    assert!(calls_ms[1] - calls_ms[0] >= 2_000, "the pause was ignored: {calls_ms:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_in_a_successful_answer_pauses_calls() {
    let env = Env::new(1404);
    fail_posts(&env, rate_limited_200(1), 1);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let first = push_with_status(&env, &gateway).await;
    env.until_commit_status(&first, "scan", "succeeded").await;
    gateway.api.until("/v1/statuses?outcome=posted", any_reason_contains("")).await;
    let second = push_with_status(&env, &gateway).await;
    let paused = any_reason_contains("no calls to fabrikam until");
    gateway.api.until("/v1/statuses?outcome=queued", paused).await;
    env.until_commit_status(&second, "scan", "succeeded").await;
    let calls_ms = calls_ms(&env);
    assert!(calls_ms[1] - calls_ms[0] >= 1_000, "Retry-After was not obeyed: {calls_ms:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_connections_pause_calls_and_no_status_is_lost() {
    let env = Env::new(1408);
    // Three calls in a row, posts or lookups: a success between them would not count as a limit.
    let drop_connections = Rule::new("", "/statuses", Action::TruncateBody).next(3);
    env.shell.ado(|ado| ado.faults.add(drop_connections));
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let mut commits = Vec::new();
    for _ in 0..3 {
        commits.push(push_with_status(&env, &gateway).await);
    }
    let paused = any_reason_contains("Azure DevOps drops connections");
    gateway.api.until("/v1/statuses?outcome=queued", paused).await;
    for commit in commits {
        env.until_commit_status(&commit, "scan", "succeeded").await;
        gateway
            .api
            .until("/v1/statuses?outcome=queued", |statuses| {
                statuses["items"].as_array().unwrap().is_empty()
            })
            .await;
        // Its answer was lost, so the gateway looks the status up before it would post it again.
        assert_eq!(env.commit_statuses(&commit, "scan").len(), 1);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_rate_limit_budget_is_a_metric_and_delays_no_status() {
    let env = Env::new(1409);
    let reset_s = env.shell.ado(|ado| ado.now_ms()) / 1_000 + 600;
    fail_posts(&env, budget_left(200, 10, reset_s), 1);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for _ in 0..2 {
        let commit = push_with_status(&env, &gateway).await;
        env.until_commit_status(&commit, "scan", "succeeded").await;
    }
    let metrics = gateway.api.text("/metrics").await;
    let share = "azdo_gateway_ado_rate_limit_share{organization=\"fabrikam\"} 0.05";
    assert!(metrics.contains(share), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn statuses_wait_while_the_token_is_refused() {
    let env = Env::new(1405);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    env.shell.ado(|ado| ado.revoke_token(PAT));
    let pushed = push_with_status(&env, &gateway).await;
    let refused = any_reason_contains("does not accept the credential");
    gateway.api.until("/v1/statuses?outcome=queued", refused).await;
    // Deliveries are still accepted, and runs are started.
    let (_, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.until_started("unit-tests", &pushed).await;
    assert_eq!(gateway.api.get("/readyz").await["status"], "ready");
    let all_wait = |statuses: &Value| statuses["items"].as_array().unwrap().len() == 4;
    gateway.api.until("/v1/statuses?outcome=queued", all_wait).await;
    assert!(env.commit_statuses(&pushed, "scan").is_empty());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_is_an_error_and_a_redirect_to_it_is_not_followed() {
    for (seed, is_redirect) in [(1406, false), (1407, true)] {
        let env = Env::new(seed);
        let elsewhere = format!("{}/fabrikam/_signin", env.shell.url());
        let fault = if is_redirect { redirect_302(&elsewhere) } else { sign_in_page_203() };
        fail_posts(&env, fault, 1);
        let gateway = Gateway::without_hooks(&env, |_| {}).await;
        let commit = push_with_status(&env, &gateway).await;
        let refused = any_reason_contains("with a sign-in page");
        gateway.api.until("/v1/statuses?outcome=queued", refused).await;
        let seen = env.shell.ado(|ado| ado.journal.seen());
        assert_eq!((seen, status_posts(&env)), (1, 1), "the redirect was followed");
        assert!(env.commit_statuses(&commit, "scan").is_empty());
        gateway.stop().await;
    }
}
