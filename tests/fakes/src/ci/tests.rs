//! The rules of the fake CI: signatures, the contract, idempotency, reports.

use serde_json::{Value, json};

use super::signature::sign;
use super::{Behaviour, World};
use crate::http::{Release, Request, Response};
use crate::neighbour::Neighbour as _;

const NOW_S: i64 = 1_800_000_000;
const NOW_MS: i64 = NOW_S * 1_000;

fn trigger(run: &str) -> Value {
    json!({
        "type": "pull_request",
        "run": run,
        "check": "unit-tests",
        "attempt": 1,
        "organization": "fabrikam",
        "project": {"id": "p", "name": "Fabrikam"},
        "repository": {"id": "r", "name": "web", "clone_url": "https://ado.example.com/_git/web"},
        "commit": "a".repeat(40),
        "ref": "refs/heads/topic",
        "report": {"url": "http://gateway.example.com/v1/runs/1/reports", "token": "t"},
        "inputs": {},
    })
}

fn post(ci: &mut World, run: &str, body: &Value, at_s: i64) -> Response {
    let request = Request::new("POST", "/ci/start").with_json(body);
    let signature = sign(ci.secret(), run, at_s, &request.body).unwrap();
    let request = request
        .with_header("webhook-id", run)
        .with_header("webhook-timestamp", &at_s.to_string())
        .with_header("webhook-signature", &format!("v1,bm90IHRoaXM= {signature}"));
    ci.handle(&request, NOW_MS)
}

fn start(ci: &mut World, run: &str) -> Response {
    post(ci, run, &trigger(run), NOW_S)
}

/// Answers every report with this status, one after the other; returns their states.
fn reports(ci: &mut World, status: u16) -> Vec<String> {
    let mut states = Vec::new();
    while let Some(due_ms) = ci.next_due_ms() {
        assert!(states.len() < 100, "the CI repeats its reports without end");
        for report in ci.due_reports(due_ms) {
            let body: Value = serde_json::from_slice(&report.body).unwrap();
            states.push(body["state"].as_str().unwrap().to_owned());
            ci.report_answered(report.token, Some(status), b"{\"applied\":true}", due_ms);
        }
    }
    states
}

#[test]
fn the_test_vector_of_standard_webhooks_has_the_same_signature() {
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let body = br#"{"test": 2432232314}"#;
    let signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap();
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn wrong_signatures_and_old_timestamps_are_refused() {
    let mut ci = World::new(1);
    let body = trigger("run-1");
    assert_eq!(post(&mut ci, "run-1", &body, NOW_S - 301).status, 401);
    assert_eq!(post(&mut ci, "run-1", &body, NOW_S + 301).status, 401);
    let unsigned = Request::new("POST", "/ci/start").with_json(&body);
    assert_eq!(ci.handle(&unsigned, NOW_MS).status, 401);
    // During a rotation the CI accepts a second secret beside its own.
    let (own, other) = (ci.secret().to_owned(), World::new(2).secret().to_owned());
    let request = Request::new("POST", "/ci/start").with_json(&body);
    let signature = sign(&other, "run-1", NOW_S, &request.body).unwrap();
    let request = request
        .with_header("webhook-id", "run-1")
        .with_header("webhook-timestamp", &NOW_S.to_string())
        .with_header("webhook-signature", &signature);
    assert_eq!(ci.handle(&request, NOW_MS).status, 401);
    assert_eq!(ci.starts(), 0);
    ci.set_secrets(&[&own, &other]);
    assert_eq!(ci.handle(&request, NOW_MS).status, 200);
}

#[test]
fn a_trigger_that_violates_the_contract_is_refused() {
    let mut ci = World::new(1);
    for (key, value) in [
        ("commit", json!("abc")),
        ("attempt", json!("1")),
        ("report", json!({"url": "u"})),
        ("inputs", Value::Null),
        ("pull_request", json!({"id": 1})),
        ("run", json!("another")),
    ] {
        let mut body = trigger("run-1");
        body[key] = value;
        assert_eq!(post(&mut ci, "run-1", &body, NOW_S).status, 400, "{key}");
    }
    let mut body = trigger("run-1");
    body["type"] = json!("something new");
    assert_eq!(post(&mut ci, "run-1", &body, NOW_S).status, 200);
}

#[test]
fn a_repeated_trigger_starts_nothing_and_gets_the_same_answer() {
    let mut ci = World::new(1);
    let first = start(&mut ci, "run-1").body_json();
    let mut again = trigger("run-1");
    again["attempt"] = json!(2);
    assert_eq!(post(&mut ci, "run-1", &again, NOW_S + 5).body_json(), first);
    assert!(ci.start("run-1").unwrap().differences.is_empty());
    again["ref"] = json!("refs/heads/other");
    post(&mut ci, "run-1", &again, NOW_S + 5);
    let known = ci.start("run-1").unwrap();
    assert_eq!((ci.starts(), known.attempts, known.repeats), (1, 3, 2));
    assert_eq!(known.differences, ["ref"]);
}

#[test]
fn behaviours_decide_what_is_reported() {
    for (behaviour, expected) in [
        (Behaviour::Succeed, vec!["running", "succeeded"]),
        (Behaviour::Error, vec!["running", "errored"]),
        (Behaviour::NeverReport, vec![]),
        (Behaviour::ReportTwice, vec!["running", "succeeded", "succeeded"]),
        (Behaviour::ContradictLate, vec!["running", "succeeded", "failed"]),
    ] {
        let mut ci = World::new(1);
        ci.next(1, &behaviour);
        start(&mut ci, "run-1");
        assert_eq!(reports(&mut ci, 200), expected, "{behaviour:?}");
    }
}

#[test]
fn behaviours_decide_what_is_answered() {
    let mut ci = World::new(1);
    ci.next(1, &Behaviour::Refuse { status: 422, text: "no".to_owned() });
    ci.next(1, &Behaviour::Unavailable { times: 1, retry_after_s: 3 });
    ci.set_for_check("unit-tests", Behaviour::Timeout);
    assert_eq!(start(&mut ci, "run-1").status, 422);
    assert_eq!(start(&mut ci, "run-1").status, 422);
    let unavailable = start(&mut ci, "run-2");
    assert_eq!((unavailable.status, unavailable.header("retry-after")), (503, Some("3")));
    assert_eq!(start(&mut ci, "run-2").status, 200);
    assert_eq!(start(&mut ci, "run-3").release, Release::Never);
    assert_eq!(start(&mut ci, "run-3").release, Release::Now);
    ci.set_for_check("unit-tests", Behaviour::ReportBeforeAnswer);
    let withheld = start(&mut ci, "run-4").release;
    assert_eq!(withheld, Release::AfterReportOf("run-4".to_owned()));
    assert_eq!(ci.starts(), 3);
}

#[test]
fn a_report_that_is_not_accepted_is_repeated_up_to_a_limit() {
    let mut ci = World::new(1);
    ci.options.report_attempts = 3;
    start(&mut ci, "run-1");
    assert_eq!(
        reports(&mut ci, 500),
        ["running", "running", "running"].into_iter().chain(["succeeded"; 3]).collect::<Vec<_>>()
    );
    assert!(!ci.is_reported("run-1"));
    assert_eq!(ci.answers().len(), 6);
}
