//! Azure DevOps limits the rate or shows its sign-in page: the gateway pauses, and nothing is lost.

use fakes::faults::{
    Action, Rule, budget_left, rate_limited_200, redirect_302, sign_in_page_203, too_many_requests,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, InProcess, PAT};

/// A CI that started by itself posts a status of a new commit: one slot, one call.
async fn show(env: &Env, gateway: &InProcess) -> String {
    let commit = env.push("main");
    let status = json!({
        "organization": "fabrikam", "project": env.project, "repository": env.repository,
        "commit": commit, "context": { "name": "scan" }, "state": "succeeded",
    });
    let (answered, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
    assert_eq!(answered, StatusCode::ACCEPTED);
    commit
}

fn posts(env: &Env) -> usize {
    env.shell.ado(|ado| ado.journal.count("POST", "/statuses"))
}

/// Whether a status waits for this reason.
fn waits_for(reason: &'static str) -> impl Fn(&Value) -> bool {
    move |statuses| {
        let all = statuses["items"].as_array().unwrap();
        all.iter().any(|status| status["reason"].as_str().unwrap().contains(reason))
    }
}

fn strike(env: &Env, fault: Action, times: u32) {
    let rule = Rule::new("POST", "/statuses", fault).next(times);
    env.shell.ado(|ado| ado.faults.add(rule));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_with_a_retry_after_is_obeyed() {
    let env = Env::new(1401);
    strike(&env, too_many_requests(1), 1);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let commit = show(&env, &gateway).await;
    gateway.api.until("/v1/statuses?outcome=queued", waits_for("limits the rate")).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    let asked: Vec<_> = env.shell.ado(|ado| ado.journal.entries().map(|one| one.at_ms).collect());
    assert_eq!(asked.len(), 2);
    assert!(asked[1] - asked[0] >= 1_000, "Retry-After was not obeyed: {asked:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_does_not_keep_runs_from_being_started() {
    let env = Env::new(1402);
    strike(&env, too_many_requests(1), 2);
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_without_a_retry_after_stops_all_calls_for_a_minute() {
    let env = Env::new(1403);
    strike(&env, too_many_requests(0), 1);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    show(&env, &gateway).await;
    gateway.api.until("/v1/statuses?outcome=queued", waits_for("limits the rate")).await;
    show(&env, &gateway).await;
    let left = waits_for("no calls to fabrikam until");
    gateway.api.until("/v1/statuses?outcome=queued", left).await;
    assert_eq!(gateway.api.items("/v1/statuses?outcome=queued").await.len(), 2);
    let called = env.shell.wait_until(Env::QUIET_PERIOD, |ado, _| ado.journal.seen() > 1).await;
    assert!(!called, "Azure DevOps was called during the pause");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_in_a_successful_answer_is_obeyed() {
    let env = Env::new(1404);
    strike(&env, rate_limited_200(1), 1);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let first = show(&env, &gateway).await;
    env.until_commit_status(&first, "scan", "succeeded").await;
    gateway.api.until("/v1/statuses?outcome=posted", waits_for("")).await;
    let second = show(&env, &gateway).await;
    let left = waits_for("no calls to fabrikam until");
    gateway.api.until("/v1/statuses?outcome=queued", left).await;
    env.until_commit_status(&second, "scan", "succeeded").await;
    let asked: Vec<_> = env.shell.ado(|ado| ado.journal.entries().map(|one| one.at_ms).collect());
    assert!(asked[1] - asked[0] >= 1_000, "Retry-After was not obeyed: {asked:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_count_as_a_limit_and_nothing_is_lost() {
    let env = Env::new(1408);
    strike(&env, Action::TruncateBody, 3);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let mut commits = Vec::new();
    for _ in 0..3 {
        commits.push(show(&env, &gateway).await);
    }
    let left = waits_for("Azure DevOps drops connections");
    gateway.api.until("/v1/statuses?outcome=queued", left).await;
    for commit in commits {
        env.until_commit_status(&commit, "scan", "succeeded").await;
        gateway
            .api
            .until("/v1/statuses?outcome=queued", |statuses| {
                statuses["items"].as_array().unwrap().is_empty()
            })
            .await;
        // The answer was lost, so the gateway looked before it would have posted again.
        assert_eq!(env.commit_statuses(&commit, "scan").len(), 1);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_remaining_limit_is_a_metric_and_delays_no_status() {
    let env = Env::new(1409);
    let reset_s = env.shell.ado(|ado| ado.now_ms()) / 1_000 + 600;
    strike(&env, budget_left(200, 10, reset_s), 1);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    for _ in 0..2 {
        let commit = show(&env, &gateway).await;
        env.until_commit_status(&commit, "scan", "succeeded").await;
    }
    let answer = reqwest::Client::new().get(format!("{}/metrics", gateway.url)).send().await;
    let metrics = answer.unwrap().text().await.unwrap();
    let share = "azdo_gateway_ado_rate_limit_share{organization=\"fabrikam\"} 0.05";
    assert!(metrics.contains(share), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_delays_the_statuses_and_loses_none() {
    let env = Env::new(1405);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    env.shell.ado(|ado| ado.revoke_token(PAT));
    let scanned = show(&env, &gateway).await;
    let refused = waits_for("does not accept the credential");
    gateway.api.until("/v1/statuses?outcome=queued", refused).await;
    // Deliveries are accepted and runs are started nevertheless.
    let (_, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.until_started("unit-tests", &scanned).await;
    assert_eq!(gateway.api.get("/readyz").await["status"], "ready");
    let all_wait = |statuses: &Value| statuses["items"].as_array().unwrap().len() == 4;
    gateway.api.until("/v1/statuses?outcome=queued", all_wait).await;
    assert!(env.commit_statuses(&scanned, "scan").is_empty());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_page_is_no_success_and_a_redirect_to_one_is_not_followed() {
    for (seed, is_redirect) in [(1406, false), (1407, true)] {
        let env = Env::new(seed);
        let elsewhere = format!("{}/fabrikam/_signin", env.shell.url());
        let fault = if is_redirect { redirect_302(&elsewhere) } else { sign_in_page_203() };
        strike(&env, fault, 1);
        let gateway = InProcess::without_hooks(&env, |_| {}).await;
        let commit = show(&env, &gateway).await;
        let refused = waits_for("with a sign-in page");
        gateway.api.until("/v1/statuses?outcome=queued", refused).await;
        let seen = env.shell.ado(|ado| ado.journal.seen());
        assert_eq!((seen, posts(&env)), (1, 1), "the redirect was followed");
        assert!(env.commit_statuses(&commit, "scan").is_empty());
        gateway.stop().await;
    }
}
