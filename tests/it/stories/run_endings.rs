//! Runs that end without a report of their CI: timed out, cancelled by an operator, or rerun.

use fakes::ci::Behaviour;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, check};

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_without_a_final_report_is_timed_out_and_the_status_says_so() {
    let env = Env::new(1201);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", r#"timeout = "1s""#);
    })
    .await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("build", &commit).await;
    env.until_status(id, &commit, "build", "error").await;
    env.until_commit_status(&commit, "build", "error").await;
    env.until_description(id, &commit, "build", "Timed out: no final report within 1s").await;
    assert_eq!(gateway.api.get(&format!("/v1/runs/{run}")).await["state"], "timed_out");
    env.report(&run, "succeeded");
    env.until("the report was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = env.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!(answer["applied"], false);
    assert!(answer["reason"].as_str().unwrap().starts_with("late: the run is timed_out"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_run_that_its_ci_never_accepts_is_timed_out_and_the_status_says_so() {
    let env = Env::new(1202);
    let unavailable = Behaviour::Unavailable { times: 1_000, retry_after_s: 0 };
    env.shell.ci(|ci| ci.set_default(unavailable));
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", r#"timeout = "1s""#);
    })
    .await;
    let (id, commit) = env.open("topic");
    let description = "Timed out: builder could not be asked to start it within 1s";
    env.until_description(id, &commit, "build", description).await;
    env.until_idle(&gateway.api).await;
    assert_eq!(gateway.api.items("/v1/runs").await[0]["state"], "timed_out");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_report_on_a_cancelled_run_is_answered_that_the_run_is_cancelled() {
    let env = Env::new(1203);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let cancel = format!("/v1/runs/{run}/cancel");
    let (status, cancelled) = gateway.api.post(&cancel, None).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::ACCEPTED, &json!("cancelled")));
    env.until_description(id, &commit, "unit-tests", "Cancelled: by ops").await;
    env.until_commit_status(&commit, "unit-tests", "error").await;
    let (status, problem) = gateway.api.post(&cancel, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["detail"], "the run is cancelled already, which is final");
    env.report(&run, "running");
    env.until("the report was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = env.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!((&answer["applied"], &answer["state"]), (&json!(false), &json!("cancelled")));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_planned_run_can_be_cancelled_and_is_never_started() {
    let env = Env::new(1204);
    let unavailable = Behaviour::Unavailable { times: 1, retry_after_s: 60 };
    env.shell.ci(|ci| ci.set_default(unavailable));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let is_tried = |runs: &Value| runs["items"][0]["attempts"] == 1;
    let runs = gateway.api.until("/v1/runs", is_tried).await;
    let run = runs["items"][0]["id"].as_str().unwrap();
    let (status, _) = gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn rerunning_a_failed_run_starts_a_new_run() {
    let env = Env::new(1205);
    env.shell.ci(|ci| ci.next(1, &Behaviour::Fail));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "failed").await;
    let failed = env.until_started("unit-tests", &commit).await;
    let (status, rerun) = gateway.api.post(&format!("/v1/runs/{failed}/rerun"), None).await;
    assert_eq!((status, &rerun["state"]), (StatusCode::ACCEPTED, &json!("planned")));
    assert_eq!(rerun["reason"], format!("rerun of {failed} by ops"));
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let newest = env.until_started_times("unit-tests", &commit, 2).await;
    assert_eq!(rerun["id"], newest.as_str());
    assert_eq!(gateway.api.get(&format!("/v1/runs/{failed}")).await["state"], "failed");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn rerunning_a_live_run_supersedes_it() {
    let env = Env::new(1206);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let old = env.until_started("unit-tests", &commit).await;
    gateway.api.post(&format!("/v1/runs/{old}/rerun"), None).await;
    let new = env.until_started_times("unit-tests", &commit, 2).await;
    env.report(&old, "failed");
    env.until("the report of the old run was answered", |_, ci| ci.answers().len() == 1).await;
    assert_eq!(env.shell.ci(|ci| ci.answers()[0].body["applied"].clone()), false);
    env.report(&new, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let states: Vec<_> =
        env.statuses(id, "unit-tests").into_iter().map(|status| status.state).collect();
    assert!(!states.contains(&"failed".to_owned()), "{states:?}");
    assert_eq!(gateway.api.get(&format!("/v1/runs/{old}")).await["state"], "superseded");
    gateway.stop().await;
}
