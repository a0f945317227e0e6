//! Runs that end, or begin anew, without their CI: overdue, cancelled, rerun.

use fakes::ci::Behaviour;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Inside, Town, check};

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_reports_on_is_timed_out_and_says_so() {
    let town = Town::new(1201);
    town.silence_ci();
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = check("build", r#"timeout = "1s""#);
    })
    .await;
    let (id, commit) = town.open("topic");
    let run = town.until_started("build", &commit).await;
    town.until_shown(id, &commit, "build", "error").await;
    town.until_commit_shown(&commit, "build", "error").await;
    town.until_said(id, &commit, "build", "Timed out: no final report within 1s").await;
    assert_eq!(gateway.api.get(&format!("/v1/runs/{run}")).await["state"], "timed_out");
    town.report(&run, "succeeded");
    town.until("it was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = town.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!(answer["applied"], false);
    assert!(answer["reason"].as_str().unwrap().starts_with("late: the run is timed_out"));
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_its_ci_never_takes_is_timed_out_and_says_so() {
    let town = Town::new(1202);
    let closed = Behaviour::Unavailable { times: 1_000, retry_after_s: 0 };
    town.shell.ci(|ci| ci.set_default(closed));
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = check("build", r#"timeout = "1s""#);
    })
    .await;
    let (id, commit) = town.open("topic");
    let words = "Timed out: builder could not be asked to start it within 1s";
    town.until_said(id, &commit, "build", words).await;
    town.settled(&gateway.api).await;
    assert_eq!(gateway.api.items("/v1/runs").await[0]["state"], "timed_out");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_cancels_a_run_and_its_runner_is_told() {
    let town = Town::new(1203);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    let run = town.until_started("unit-tests", &commit).await;
    let cancel = format!("/v1/runs/{run}/cancel");
    let (status, cancelled) = gateway.api.post(&cancel, None).await;
    assert_eq!((status, &cancelled["state"]), (StatusCode::ACCEPTED, &json!("cancelled")));
    town.until_said(id, &commit, "unit-tests", "Cancelled: by ops").await;
    town.until_commit_shown(&commit, "unit-tests", "error").await;
    let (status, problem) = gateway.api.post(&cancel, None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["detail"], "the run is cancelled already, which is final");
    town.report(&run, "running");
    town.until("it was answered", |_, ci| ci.answers().len() == 1).await;
    let answer = town.shell.ci(|ci| ci.answers()[0].body.clone());
    assert_eq!((&answer["applied"], &answer["state"]), (&json!(false), &json!("cancelled")));
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_ci_can_be_cancelled_before_it_starts() {
    let town = Town::new(1204);
    let closed = Behaviour::Unavailable { times: 1, retry_after_s: 60 };
    town.shell.ci(|ci| ci.set_default(closed));
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    let tried = |runs: &Value| runs["items"][0]["attempts"] == 1;
    let runs = gateway.api.until("/v1/runs", tried).await;
    let run = runs["items"][0]["id"].as_str().unwrap();
    let (status, _) = gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    town.until_shown(id, &commit, "unit-tests", "error").await;
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reruns_a_failed_run_under_a_new_key() {
    let town = Town::new(1205);
    town.shell.ci(|ci| ci.next(1, &Behaviour::Fail));
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "failed").await;
    let failed = town.until_started("unit-tests", &commit).await;
    let (status, rerun) = gateway.api.post(&format!("/v1/runs/{failed}/rerun"), None).await;
    assert_eq!((status, &rerun["state"]), (StatusCode::ACCEPTED, &json!("planned")));
    assert_eq!(rerun["reason"], format!("rerun of {failed} by ops"));
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.until_commit_shown(&commit, "unit-tests", "succeeded").await;
    let newest = town.until_started_times("unit-tests", &commit, 2).await;
    assert_eq!(rerun["id"], newest.as_str());
    assert_eq!(gateway.api.get(&format!("/v1/runs/{failed}")).await["state"], "failed");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rerunning_a_run_that_goes_on_ends_it() {
    let town = Town::new(1206);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    let old = town.until_started("unit-tests", &commit).await;
    gateway.api.post(&format!("/v1/runs/{old}/rerun"), None).await;
    let new = town.until_started_times("unit-tests", &commit, 2).await;
    town.report(&old, "failed");
    town.until("the old one was answered", |_, ci| ci.answers().len() == 1).await;
    assert_eq!(town.shell.ci(|ci| ci.answers()[0].body["applied"].clone()), false);
    town.report(&new, "succeeded");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    let states: Vec<_> =
        town.statuses(id, "unit-tests").into_iter().map(|status| status.state).collect();
    assert!(!states.contains(&"failed".to_owned()), "{states:?}");
    assert_eq!(gateway.api.get(&format!("/v1/runs/{old}")).await["state"], "superseded");
    gateway.stop().await;
}
