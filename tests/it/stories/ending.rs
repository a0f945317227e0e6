//! Runs that end, or begin anew, without their CI: overdue, cancelled, rerun.

use fakes::ci::Behaviour;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, InProcess, check};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_reports_on_is_timed_out_and_says_so() {
    let env = Env::new(1201);
    env.disable_ci_reports();
    let gateway = InProcess::start_with(&env, |settings| {
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
    env.until("it was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = env.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!(answer["applied"], false);
    assert!(answer["reason"].as_str().unwrap().starts_with("late: the run is timed_out"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_its_ci_never_takes_is_timed_out_and_says_so() {
    let env = Env::new(1202);
    let closed = Behaviour::Unavailable { times: 1_000, retry_after_s: 0 };
    env.shell.ci(|ci| ci.set_default(closed));
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = check("build", r#"timeout = "1s""#);
    })
    .await;
    let (id, commit) = env.open("topic");
    let words = "Timed out: builder could not be asked to start it within 1s";
    env.until_description(id, &commit, "build", words).await;
    env.until_idle(&gateway.api).await;
    assert_eq!(gateway.api.items("/v1/runs").await[0]["state"], "timed_out");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cancels_a_run_and_its_runner_is_told() {
    let env = Env::new(1203);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
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
    env.until("it was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = env.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!((&answer["applied"], &answer["state"]), (&json!(false), &json!("cancelled")));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_ci_can_be_cancelled_before_it_starts() {
    let env = Env::new(1204);
    let closed = Behaviour::Unavailable { times: 1, retry_after_s: 60 };
    env.shell.ci(|ci| ci.set_default(closed));
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    let tried = |runs: &Value| runs["items"][0]["attempts"] == 1;
    let runs = gateway.api.until("/v1/runs", tried).await;
    let run = runs["items"][0]["id"].as_str().unwrap();
    let (status, _) = gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reruns_a_failed_run_under_a_new_key() {
    let env = Env::new(1205);
    env.shell.ci(|ci| ci.next(1, &Behaviour::Fail));
    let gateway = InProcess::start(&env).await;
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
async fn rerunning_a_run_that_goes_on_ends_it() {
    let env = Env::new(1206);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    let old = env.until_started("unit-tests", &commit).await;
    gateway.api.post(&format!("/v1/runs/{old}/rerun"), None).await;
    let new = env.until_started_times("unit-tests", &commit, 2).await;
    env.report(&old, "failed");
    env.until("the old one was answered", |_, ci| ci.answers().len() == 1).await;
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
