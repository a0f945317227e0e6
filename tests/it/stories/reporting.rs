//! Reports of runs: who may report, which reports are valid, and which of them are applied.

use std::time::Instant;

use fakes::ci::Behaviour;
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Api, Env, Gateway, REPORTER, VIEWER, check};

/// Opens a pull request and waits until its run has started. Returns the number of the pull
/// request, the commit, the run, and the run's report token.
async fn start_run(env: &Env, branch: &str) -> (u64, String, String, String) {
    let (id, commit) = env.open(branch);
    let run = env.until_started("unit-tests", &commit).await;
    let token = env.shell.ci(|ci| ci.start(&run).unwrap().trigger["report"]["token"].clone());
    (id, commit, run, token.as_str().unwrap().to_owned())
}

async fn report(gateway: &Gateway, token: &str, run: &str, body: Value) -> (StatusCode, Value) {
    let path = format!("/v1/runs/{run}/reports");
    Api::new(&gateway.url, token).post(&path, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_report_token_is_accepted_for_its_own_run_only() {
    let env = Env::new(1101);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (_, _, one, token_of_one) = start_run(&env, "one").await;
    let (_, _, two, token_of_two) = start_run(&env, "two").await;
    let body = json!({ "state": "succeeded" });
    for wrong in [token_of_one.as_str(), "", "azgwr_wrong"] {
        let (status, problem) = report(&gateway, wrong, &two, body.clone()).await;
        assert_eq!((status, &problem["status"]), (StatusCode::UNAUTHORIZED, &json!(401)));
    }
    let (status, answer) = report(&gateway, &token_of_two, &two, body).await;
    assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(true)));
    let is_unchanged = |run: &Value| run["state"] == "dispatched";
    gateway.api.until(&format!("/v1/runs/{one}"), is_unchanged).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_reporter_may_report_on_any_run_and_a_viewer_on_none() {
    let env = Env::new(1102);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit, run, _) = start_run(&env, "topic").await;
    let body = json!({ "state": "failed", "description": "3 of 90 tests failed",
        "url": "https://ci.example.com/7" });
    let (status, problem) = report(&gateway, VIEWER, &run, body.clone()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem["detail"].as_str().unwrap().contains("reporter"), "{problem}");
    let (status, answer) = report(&gateway, REPORTER, &run, body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer, json!({ "run": run, "state": "failed", "applied": true }));
    env.until_description(id, &commit, "unit-tests", "3 of 90 tests failed").await;
    let status = env.statuses(id, "unit-tests").pop().unwrap();
    assert_eq!(status.state, "failed");
    assert_eq!(status.target_url.as_deref(), Some("https://ci.example.com/7"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_an_invalid_report_names_the_wrong_field() {
    let env = Env::new(1103);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (_, _, run, token) = start_run(&env, "topic").await;
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
    let is_unchanged = |run: &Value| run["state"] == "dispatched";
    gateway.api.until(&format!("/v1/runs/{run}"), is_unchanged).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_no_json_object_or_too_long_is_refused_with_a_reason() {
    let env = Env::new(1104);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (_, _, run, token) = start_run(&env, "topic").await;
    for (body, expected) in [
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
        assert!(answer.status().is_client_error());
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{expected}: {problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_on_an_unknown_run_is_answered_404() {
    let env = Env::new(1105);
    let gateway = Gateway::start(&env).await;
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
pub(super) async fn reports_after_the_final_one_are_answered_200_and_not_applied() {
    let env = Env::new(1106);
    let gateway = Gateway::start(&env).await;
    for (branch, behaviour, expected) in [
        ("one", Behaviour::ReportTwice, "repeat: the run is succeeded already"),
        ("two", Behaviour::ContradictLate, "late: the run is succeeded, which is final"),
    ] {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let (id, commit) = env.open(branch);
        let run = env.until_started("unit-tests", &commit).await;
        env.until("both final reports were answered", |_, ci| {
            ci.answers().iter().filter(|one| one.run == run && one.state != "running").count() == 2
        })
        .await;
        env.until_idle(&gateway.api).await;
        let last = env.shell.ci(|ci| ci.answers().last().cloned()).unwrap();
        assert_eq!((last.status, &last.body["applied"]), (Some(200), &json!(false)));
        assert!(last.body["reason"].as_str().unwrap().starts_with(expected), "{}", last.body);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        let run = gateway.api.get(&format!("/v1/runs/{run}")).await;
        let steps = run["steps"].as_array().unwrap();
        let of = |what: &str| steps.iter().filter(|step| step["what"] == what).collect::<Vec<_>>();
        // All reports may be faster than the answer to the attempt.
        assert_eq!((&steps[0]["what"], of("attempt").len()), (&json!("planned"), 1), "{run}");
        let refused = of("refused_report");
        assert_eq!(refused.len(), 1, "{run}");
        assert!(refused[0]["words"].as_str().unwrap().starts_with(expected), "{run}");
    }
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_description_is_cut_between_characters() {
    let env = Env::new(1107);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit, run, token) = start_run(&env, "topic").await;
    // Each rocket has four bytes; 249 of them are the most that fit with the ellipsis.
    let description = "🚀".repeat(300);
    let body = json!({ "state": "running", "description": description });
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
async fn each_running_report_updates_the_description() {
    let env = Env::new(1108);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit, run, token) = start_run(&env, "topic").await;
    for step in 1..=3 {
        let description = format!("step {step} of 3");
        let body = json!({ "state": "running", "description": description });
        let (_, answer) = report(&gateway, &token, &run, body).await;
        assert_eq!(answer["applied"], true);
        env.until_description(id, &commit, "unit-tests", &description).await;
    }
    let body = json!({ "state": "succeeded" });
    report(&gateway, &token, &run, body).await;
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let ended = env.statuses(id, "unit-tests").pop().unwrap().description.unwrap();
    assert!(ended.starts_with("Succeeded after "), "step 3 does not describe the end: {ended}");
    env.check_invariants();
    gateway.stop().await;
}

/// The statuses of a run as the gateway lists them.
async fn statuses_of(gateway: &Gateway, run: &str) -> Vec<Value> {
    gateway.api.items(&format!("/v1/statuses?run={run}&limit=500")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_reports_make_few_statuses_and_the_last_one_is_shown() {
    const REPORTS: usize = 2_000;
    let env = Env::new(1109);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit, run, token) = start_run(&env, "topic").await;
    let (begun, runner) = (Instant::now(), Api::new(&gateway.url, &token));
    let (mut applied, mut reasons) = (0, Vec::new());
    for step in 1..=REPORTS {
        let body = json!({ "state": "running", "description": format!("step {step}") });
        let (status, answer) = runner.post(&format!("/v1/runs/{run}/reports"), Some(&body)).await;
        assert_eq!((status, &answer["state"]), (StatusCode::OK, &json!("running")));
        match answer["applied"].as_bool() {
            Some(true) => applied += 1,
            _ => reasons.push(answer["reason"].as_str().unwrap_or_default().to_owned()),
        }
    }
    env.until_description(id, &commit, "unit-tests", &format!("step {REPORTS}")).await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!((10..=11 + seconds).contains(&applied), "{applied} reports in {seconds} s");
    assert!(reasons.iter().all(|reason| reason.starts_with("too fast: ")), "{reasons:?}");
    // Two slots: the pull request and the commit. The first status of each is of the planned run.
    env.until_idle(&gateway.api).await;
    let rows = statuses_of(&gateway, &run).await.len();
    assert!(rows <= 2 * (13 + seconds), "{rows} statuses in {seconds} s");
    // The end is not limited, and nothing that was held back comes after it.
    let last = json!({ "state": "running", "description": "never shown" });
    for _ in 0..20 {
        report(&gateway, &token, &run, last.clone()).await;
    }
    let (_, ended) = report(&gateway, &token, &run, json!({ "state": "failed" })).await;
    assert_eq!(ended["applied"], true);
    env.until_status(id, &commit, "unit-tests", "failed").await;
    env.until_idle(&gateway.api).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_came_too_fast_is_applied_before_the_gateway_ends() {
    let env = Env::new(1110);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (_, _, run, token) = start_run(&env, "topic").await;
    let mut held = 0;
    for step in 0..1_000 {
        let body = json!({ "state": "running", "description": format!("step {step}") });
        let (_, answer) = report(&gateway, &token, &run, body).await;
        if answer["applied"] == false {
            held = step;
            break;
        }
    }
    gateway.stop().await;
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let shown = gateway.api.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(shown["description"], format!("step {held}"));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn concurrent_reports_on_one_run_are_all_answered_200() {
    let env = Env::new(1111);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit, run, token) = start_run(&env, "topic").await;
    let runner = Api::new(&gateway.url, &token);
    let path = format!("/v1/runs/{run}/reports");
    let reporting = (0..2_000).map(|step| {
        let (runner, path) = (&runner, &path);
        async move {
            let body = json!({ "state": "running", "description": format!("step {step}") });
            runner.post(path, Some(&body)).await.0
        }
    });
    let answers: Vec<StatusCode> =
        futures_util::stream::iter(reporting).buffer_unordered(200).collect().await;
    assert!(answers.iter().all(|status| *status == StatusCode::OK), "{answers:?}");
    let ending = ["succeeded", "failed"].into_iter().cycle().take(50).map(|state| {
        let (runner, path) = (&runner, &path);
        async move { runner.post(path, Some(&json!({ "state": state }))).await }
    });
    let answers: Vec<(StatusCode, Value)> =
        futures_util::stream::iter(ending).buffer_unordered(50).collect().await;
    let applied: Vec<&Value> =
        answers.iter().map(|(_, body)| body).filter(|body| body["applied"] == true).collect();
    assert_eq!(applied.len(), 1, "one report ends a run: {answers:?}");
    let state = applied[0]["state"].as_str().unwrap();
    env.until_status(id, &commit, "unit-tests", state).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_cannot_end_itself_where_only_a_reporter_may_end_it() {
    let env = Env::new(1112);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("unit-tests", "verdict = \"reporter\"");
    })
    .await;
    let (id, commit, run, token) = start_run(&env, "topic").await;
    let body = json!({ "state": "running", "description": "step 1 of 2" });
    let (_, answer) = report(&gateway, &token, &run, body).await;
    assert_eq!(answer["applied"], true);
    for state in ["succeeded", "failed", "errored", "cancelled"] {
        let body = json!({ "state": state, "description": "all green" });
        let (status, answer) = report(&gateway, &token, &run, body).await;
        assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(false)), "{state}");
        assert_eq!(answer["state"], "running");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains("only an API token with the role reporter ends it"), "{reason}");
    }
    env.until_description(id, &commit, "unit-tests", "step 1 of 2").await;
    let body = json!({ "state": "failed", "description": "1 test failed" });
    let (_, answer) = report(&gateway, REPORTER, &run, body).await;
    assert_eq!(answer["applied"], true);
    env.until_description(id, &commit, "unit-tests", "1 test failed").await;
    let states: Vec<String> =
        env.statuses(id, "unit-tests").into_iter().map(|status| status.state).collect();
    assert!(!states.contains(&"succeeded".to_owned()), "{states:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_description_is_cut_before_it_is_stored() {
    let env = Env::new(1113);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (_, _, run, token) = start_run(&env, "topic").await;
    let body = json!({ "state": "running", "description": "🚀".repeat(5_000) });
    assert_eq!(report(&gateway, &token, &run, body).await.0, StatusCode::OK);
    let stored = gateway.api.get(&format!("/v1/runs/{run}")).await;
    assert_eq!(stored["description"], format!("{}…", "🚀".repeat(399)));
    gateway.stop().await;
}
