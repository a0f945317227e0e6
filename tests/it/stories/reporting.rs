//! What runners may say, who may say it, and what counts.

use fakes::ci::Behaviour;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Env, InProcess, REPORTER, VIEWER};

/// A started run: its id, and its report token.
async fn started(env: &Env, branch: &str) -> (u64, String, String, String) {
    let (id, commit) = env.open(branch);
    let run = env.until_started("unit-tests", &commit).await;
    let token = env.shell.ci(|ci| ci.start(&run).unwrap().trigger["report"]["token"].clone());
    (id, commit, run, token.as_str().unwrap().to_owned())
}

async fn report(gateway: &InProcess, token: &str, run: &str, body: Value) -> (StatusCode, Value) {
    let path = format!("/v1/runs/{run}/reports");
    Api::new(&gateway.url, token).post(&path, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_token_is_good_for_its_own_run_only() {
    let env = Env::new(1101);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (_, _, one, token_of_one) = started(&env, "one").await;
    let (_, _, two, token_of_two) = started(&env, "two").await;
    let body = json!({ "state": "succeeded" });
    for wrong in [token_of_one.as_str(), "", "azgwr_wrong"] {
        let (status, problem) = report(&gateway, wrong, &two, body.clone()).await;
        assert_eq!((status, &problem["status"]), (StatusCode::UNAUTHORIZED, &json!(401)));
    }
    let (status, answer) = report(&gateway, &token_of_two, &two, body).await;
    assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(true)));
    let untouched = |run: &Value| run["state"] == "dispatched";
    gateway.api.until(&format!("/v1/runs/{one}"), untouched).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reporter_may_report_on_any_run_and_a_viewer_on_none() {
    let env = Env::new(1102);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit, run, _) = started(&env, "topic").await;
    let body = json!({ "state": "failed", "description": "3 of 90 tests failed",
        "url": "https://ci.example.com/7" });
    let (status, problem) = report(&gateway, VIEWER, &run, body.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().unwrap().contains("reporter"), "{problem}");
    let (status, answer) = report(&gateway, REPORTER, &run, body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer, json!({ "run": run, "state": "failed", "applied": true }));
    env.until_description(id, &commit, "unit-tests", "3 of 90 tests failed").await;
    let shown = env.statuses(id, "unit-tests").pop().unwrap();
    assert_eq!(shown.state, "failed");
    assert_eq!(shown.target_url.as_deref(), Some("https://ci.example.com/7"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_not_understood_is_told_which_field_is_wrong() {
    let env = Env::new(1103);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (_, _, run, token) = started(&env, "topic").await;
    let wrong = [
        (json!({}), "state"),
        (json!({ "state": "green" }), "state"),
        (json!({ "state": "superseded" }), "state"),
        (json!({ "state": 5 }), "state"),
        (json!({ "state": "running", "description": 5 }), "description"),
        (json!({ "state": "running", "url": "javascript:alert(1)" }), "url"),
        (json!({ "state": "running", "url": "/builds/7" }), "url"),
        (json!({ "state": "running", "url": ["https://ci.example.com"] }), "url"),
    ];
    for (body, field) in wrong {
        let (status, problem) = report(&gateway, &token, &run, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(field), "{body}: {problem}");
    }
    let untouched = |run: &Value| run["state"] == "dispatched";
    gateway.api.until(&format!("/v1/runs/{run}"), untouched).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_no_json_is_told_so() {
    let env = Env::new(1104);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (_, _, run, token) = started(&env, "topic").await;
    for (body, why) in [
        (String::new(), "not JSON"),
        ("state=succeeded".into(), "not JSON"),
        ("[]".into(), "JSON object"),
        (" ".repeat(70_000), "at most"),
    ] {
        let answer = reqwest::Client::new()
            .post(format!("{}/v1/runs/{run}/reports", gateway.url))
            .bearer_auth(&token)
            .body(body)
            .send()
            .await
            .unwrap();
        let (status, kind) = (answer.status(), answer.headers()["content-type"].clone());
        assert!(status.is_client_error());
        assert_eq!(kind, "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(why), "{why}: {problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_there_is_404() {
    let env = Env::new(1105);
    let gateway = InProcess::start(&env).await;
    let body = json!({ "state": "succeeded" });
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for run in [unknown, "nonsense", "1"] {
        let (status, problem) = report(&gateway, REPORTER, run, body.clone()).await;
        assert_eq!((status, &problem["title"]), (StatusCode::NOT_FOUND, &json!("Not Found")));
        let (status, _) = gateway.api.call(Method::GET, &format!("/v1/runs/{run}"), None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_and_a_contradicting_report_are_answered_and_change_nothing() {
    let env = Env::new(1106);
    let gateway = InProcess::start(&env).await;
    for (branch, behaviour, why) in [
        ("one", Behaviour::ReportTwice, "repeat: the run is succeeded already"),
        ("two", Behaviour::ContradictLate, "late: the run is succeeded, which is final"),
    ] {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let (id, commit) = env.open(branch);
        let run = env.until_started("unit-tests", &commit).await;
        env.until("all reports were taken", |_, ci| {
            ci.answers().iter().filter(|one| one.run == run && one.state != "running").count() == 2
        })
        .await;
        env.until_idle(&gateway.api).await;
        let last = env.shell.ci(|ci| ci.answers().last().cloned()).unwrap();
        assert_eq!((last.status, &last.body["applied"]), (Some(200), &json!(false)));
        assert!(last.body["reason"].as_str().unwrap().starts_with(why), "{}", last.body);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_description_is_cut_between_characters() {
    let env = Env::new(1107);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit, run, token) = started(&env, "topic").await;
    // The 249th character is the last that fits beside the ellipsis; each of them has four bytes.
    let words = "🚀".repeat(300);
    let body = json!({ "state": "running", "description": words });
    assert_eq!(report(&gateway, &token, &run, body).await.0, StatusCode::OK);
    let cut = format!("{}…", "🚀".repeat(249));
    env.until_description(id, &commit, "unit-tests", &cut).await;
    let lines = json!({ "state": "running", "description": "one\r\ntwo\u{0000}" });
    assert_eq!(report(&gateway, &token, &run, lines).await.0, StatusCode::OK);
    env.until_description(id, &commit, "unit-tests", "one  two").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_shown_while_a_run_goes_on() {
    let env = Env::new(1108);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit, run, token) = started(&env, "topic").await;
    for step in 1..=3 {
        let words = format!("step {step} of 3");
        let body = json!({ "state": "running", "description": words });
        let (_, answer) = report(&gateway, &token, &run, body).await;
        assert_eq!(answer["applied"], true);
        env.until_description(id, &commit, "unit-tests", &words).await;
    }
    let body = json!({ "state": "succeeded" });
    report(&gateway, &token, &run, body).await;
    env.until_description(id, &commit, "unit-tests", "Succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}
