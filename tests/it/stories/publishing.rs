//! How a status reaches Azure DevOps: once, the newest, whatever happens on the way.

use std::time::Duration;

use fakes::ado::Permission;
use fakes::ado::model::Status;
use fakes::faults::{Action, Rule, server_error_500, unavailable_503};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, InProcess, REPORTER, check};

/// No status repeats the one before it.
fn none_repeats(statuses: &[Status]) {
    for pair in statuses.windows(2) {
        let shown = |status: &Status| {
            let Status { iteration, state, description, target_url, .. } = status.clone();
            (iteration, state, description, target_url)
        };
        assert_ne!(shown(&pair[0]), shown(&pair[1]), "posted twice");
    }
}

/// A run whose pending state is shown everywhere.
async fn pending(env: &Env, gateway: &InProcess) -> (u64, String, String) {
    env.disable_ci_reports();
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let at_ci = |runs: &Value| runs["items"][0]["state"] == "dispatched";
    gateway.api.until("/v1/runs", at_ci).await;
    env.until_idle(&gateway.api).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    (id, commit, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_already_is_not_posted_again() {
    let env = Env::new(1301);
    let gateway = InProcess::start(&env).await;
    let (id, commit, run) = pending(&env, &gateway).await;
    for _ in 0..3 {
        env.report(&run, "running");
    }
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    none_repeats(&env.statuses(id, "unit-tests"));
    none_repeats(&env.commit_statuses(&commit, "unit-tests"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_azure_devops_is_slow_only_the_newest_state_waits() {
    let env = Env::new(1302);
    let gateway = InProcess::start(&env).await;
    let (id, commit, run) = pending(&env, &gateway).await;
    let hold = Action::Hold { before: true };
    let rule = Rule::new("POST", "/pullrequests/1/statuses", hold).next(1);
    env.shell.ado(|ado| ado.faults.add(rule));
    let reporter = crate::harness::Api::new(&gateway.url, REPORTER);
    let path = format!("/v1/runs/{run}/reports");
    for step in 1..=5 {
        let body = json!({ "state": "running", "description": format!("step {step}") });
        reporter.post(&path, Some(&body)).await;
        if step == 1 {
            let held = env.shell.wait_for_held(Duration::from_secs(20), 1).await;
            assert!(held.is_some(), "the first step is being posted");
        }
    }
    let body = json!({ "state": "succeeded", "description": "done" });
    reporter.post(&path, Some(&body)).await;
    env.shell.release();
    env.until_description(id, &commit, "unit-tests", "done").await;
    env.until_idle(&gateway.api).await;
    let said: Vec<_> = env
        .statuses(id, "unit-tests")
        .into_iter()
        .map(|status| status.description.unwrap_or_default())
        .filter(|words| words != "Queued")
        .collect();
    assert_eq!(said, ["step 1", "done"]);
    let passed_over = gateway.api.items("/v1/statuses?outcome=superseded").await;
    let on_pull_request = |status: &&Value| status["target"]["kind"] == "pull_request";
    assert_eq!(passed_over.iter().filter(on_pull_request).count(), 4, "{passed_over:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_applied_but_not_answered_is_looked_up_and_not_repeated() {
    for (seed, fault) in [(1303, Action::DropAfter), (1304, Action::TruncateBody)] {
        let env = Env::new(seed);
        let gateway = InProcess::start(&env).await;
        let (id, commit, run) = pending(&env, &gateway).await;
        let rule = Rule::new("POST", "/statuses", fault).next(2);
        env.shell.ado(|ado| ado.faults.add(rule));
        env.report(&run, "succeeded");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        env.until_commit_status(&commit, "unit-tests", "succeeded").await;
        env.until_idle(&gateway.api).await;
        for shown in [env.statuses(id, "unit-tests"), env.commit_statuses(&commit, "unit-tests")] {
            assert_eq!(shown.iter().filter(|one| one.state == "succeeded").count(), 1);
            none_repeats(&shown);
        }
        let found = gateway.api.items("/v1/statuses?outcome=unchanged").await;
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["reason"], "Azure DevOps shows it already");
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_did_not_arrive_is_made_again() {
    let faults = [Action::DropBefore, server_error_500(), unavailable_503(1)];
    for (seed, fault) in (1305..).zip(faults) {
        let env = Env::new(seed);
        let gateway = InProcess::start(&env).await;
        let (id, commit, run) = pending(&env, &gateway).await;
        let rule = Rule::new("POST", "/statuses", fault).next(2);
        env.shell.ado(|ado| ado.faults.add(rule));
        env.report(&run, "failed");
        env.until_status(id, &commit, "unit-tests", "failed").await;
        env.until_commit_status(&commit, "unit-tests", "failed").await;
        env.until_idle(&gateway.api).await;
        none_repeats(&env.statuses(id, "unit-tests"));
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_iteration_that_cannot_be_looked_up_yet_is_looked_up_again() {
    let env = Env::new(1310);
    let fault = Rule::new("GET", "/iterations", server_error_500()).next(1);
    env.shell.ado(|ado| ado.faults.add(fault));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_pull_request_takes_no_status_but_its_commit_does() {
    let env = Env::new(1311);
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = check("unit-tests", "");
    })
    .await;
    let (id, commit, run) = pending(&env, &gateway).await;
    env.shell.ado(|ado| ado.complete(id));
    env.until_decided(&gateway.api).await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let refused = gateway.api.items("/v1/statuses?outcome=refused").await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["reason"], "the pull request is no longer active");
    assert_eq!(refused[0]["state"], "succeeded");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_missing_is_named_and_the_status_waits() {
    let env = Env::new(1312);
    let gateway = InProcess::start(&env).await;
    let permission = Permission::PullRequestContribute;
    env.shell.ado(|ado| ado.deny(&env.identity, permission, None));
    let (id, commit) = env.open("topic");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let told = |statuses: &Value| {
        let named = "TF401027: You need the Git 'PullRequestContribute' permission";
        let all = statuses["items"].as_array().unwrap();
        all.iter().any(|status| status["reason"].as_str().unwrap().contains(named))
    };
    gateway.api.until("/v1/statuses?outcome=queued", told).await;
    assert!(env.statuses(id, "unit-tests").is_empty());
    let ready = gateway.api.call(reqwest::Method::GET, "/readyz", None).await;
    assert_eq!(ready.0, StatusCode::OK, "deliveries are taken all the same");
    gateway.stop().await;
}
