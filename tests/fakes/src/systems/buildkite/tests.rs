//! The life of a build at Buildkite, its refusals, limits, lists and webhooks.

use serde_json::{Value, json};

use super::{Proof, RUN_KEY, World};
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::signed::hex_hmac_sha256;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const BUILDS: &str = "/v2/organizations/fabrikam/pipelines/web/builds";

fn ask(world: &mut World, method: &str, target: &str) -> Response {
    let request = Request::new(method, target).with_bearer(world.token());
    world.handle(&request, NOW_MS)
}

fn get(world: &mut World, target: &str) -> Value {
    let answer = ask(world, "GET", target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.body_json());
    answer.body_json()
}

fn body(run: &str) -> Value {
    json!({
        "commit": "a".repeat(40),
        "branch": "topic",
        "message": "Pull request 7",
        "env": {"SUITE": "smoke"},
        "meta_data": {RUN_KEY: run},
        "ignore_pipeline_branch_filters": true,
        "pull_request_id": 7,
        "pull_request_base_branch": "main",
    })
}

fn post(world: &mut World, body: &Value) -> Response {
    let request = Request::new("POST", BUILDS).with_bearer(world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn start(world: &mut World, run: &str) -> u64 {
    let answer = post(world, &body(run));
    assert_eq!(answer.status, 201, "{}", answer.body_json());
    answer.body_json()["number"].as_u64().unwrap()
}

fn numbers(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|build| build["number"].as_u64().unwrap()).collect()
}

#[test]
fn a_build_is_started_found_watched_and_ends() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:1/bk");
    let number = start(&mut world, "run-1");
    let build = world.builds().get(number).unwrap().clone();
    assert_eq!((build.run.as_str(), build.git_ref.as_str()), ("run-1", "topic"));
    assert_eq!(build.inputs, *json!({"SUITE": "smoke"}).as_object().unwrap());
    for (state, word) in [
        (State::Queued, "scheduled"),
        (State::Running, "running"),
        (State::Succeeded, "passed"),
        (State::Failed, "failed"),
        (State::Errored, "not_run"),
        (State::Cancelled, "canceled"),
    ] {
        world.builds().set_state(number, state);
        let shown = get(&mut world, &format!("{BUILDS}/1"));
        assert_eq!((&shown["state"], &shown["blocked"]), (&json!(word), &json!(false)));
        assert_eq!(shown["finished_at"].is_string(), state.is_final());
        assert_eq!(shown["web_url"], "http://127.0.0.1:1/bk/fabrikam/web/builds/1");
        assert_eq!(shown["pull_request"]["id"], "7");
        assert_eq!(shown["created_at"], "2027-01-15T08:00:00.000Z");
    }
    world.builds().delete(number);
    assert_eq!(ask(&mut world, "GET", &format!("{BUILDS}/1")).status, 404);
}

#[test]
fn the_same_start_sent_twice_makes_two_builds_that_the_meta_data_finds() {
    let mut world = World::new(1);
    for run in ["run-1", "run-2", "run-1"] {
        start(&mut world, run);
    }
    let target = format!("{BUILDS}?meta_data[{RUN_KEY}]=run-1&exclude_jobs=true");
    let found = get(&mut world, &target);
    assert_eq!(numbers(&found), [3, 1]);
    assert!(found[0].get("jobs").is_none() && found[0].get("pipeline").is_some());
    let encoded = format!("{BUILDS}?meta_data%5B{RUN_KEY}%5D=run-2&exclude_pipeline=true");
    let found = get(&mut world, &encoded);
    assert_eq!(numbers(&found), [2]);
    assert!(found[0].get("jobs").is_some() && found[0].get("pipeline").is_none());
    assert_eq!(get(&mut world, &format!("{BUILDS}?meta_data[other]=run-1")), json!([]));
}

#[test]
fn a_blocked_build_says_passed_although_it_has_not_ended() {
    let mut world = World::new(1);
    let number = start(&mut world, "run-1");
    world.block(number);
    let shown = get(&mut world, &format!("{BUILDS}/1"));
    assert_eq!((&shown["state"], &shown["blocked"]), (&json!("passed"), &json!(true)));
    assert_eq!(numbers(&get(&mut world, &format!("{BUILDS}?state=blocked"))), [1]);
    assert_eq!(numbers(&get(&mut world, &format!("{BUILDS}?state[]=passed"))), [0; 0]);
    assert_eq!(numbers(&get(&mut world, &format!("{BUILDS}?state=finished"))), [1]);
    let event = world.callback(number, NOW_MS).unwrap();
    let event: Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(
        (&event["build"]["state"], &event["event"]),
        (&json!("blocked"), &json!("build.finished"))
    );
    world.unblock(number);
    assert_eq!(get(&mut world, &format!("{BUILDS}/1"))["state"], "running");
    world.block(number);
    world.builds().set_state(number, State::Succeeded);
    let shown = get(&mut world, &format!("{BUILDS}/1"));
    assert_eq!((&shown["state"], &shown["blocked"]), (&json!("passed"), &json!(false)));
}

#[test]
fn only_builds_that_wait_or_run_are_cancelled() {
    let mut world = World::new(1);
    let cancel = |world: &mut World, number: u64| {
        let answer = ask(world, "PUT", &format!("{BUILDS}/{number}/cancel"));
        (answer.status, answer.body_json())
    };
    let waiting = start(&mut world, "run-1");
    let (status, build) = cancel(&mut world, waiting);
    assert_eq!((status, &build["state"]), (200, &json!("canceled")));
    let (status, refused) = cancel(&mut world, waiting);
    assert_eq!((status, refused["message"].is_string()), (422, true));
    world.builds().cancels_at_once = false;
    let running = start(&mut world, "run-2");
    world.builds().set_state(running, State::Running);
    world.show(running, "failing");
    assert_eq!(cancel(&mut world, running).1["state"], "canceling");
    assert_eq!(cancel(&mut world, running).0, 422);
    world.builds().set_state(running, State::Cancelled);
    assert_eq!(get(&mut world, &format!("{BUILDS}/{running}"))["state"], "canceled");
    for state in [State::Succeeded, State::Failed, State::Errored] {
        let ended = start(&mut world, "run-3");
        world.builds().set_state(ended, state);
        assert_eq!(cancel(&mut world, ended).0, 422);
        assert_eq!(world.builds().get(ended).unwrap().cancels, 0);
    }
    assert_eq!(cancel(&mut world, 99).0, 404);
    assert_eq!(ask(&mut world, "POST", &format!("{BUILDS}/1/cancel")).status, 404);
}

#[test]
fn a_start_without_what_is_required_is_refused_with_the_fields() {
    let mut world = World::new(1);
    for (field, value) in [
        ("commit", Value::Null),
        ("branch", json!("")),
        ("commit", json!(1)),
        ("env", json!({"A": 1})),
        ("env", json!([])),
        ("meta_data", json!({"a": {}})),
        ("pull_request_id", json!("7")),
        ("pull_request_labels", json!("bug")),
        ("ignore_pipeline_branch_filters", json!("true")),
        ("message", json!(7)),
        ("author", json!("me")),
    ] {
        let mut wanted = body("run-1");
        wanted[field] = value;
        let refused = post(&mut world, &wanted);
        assert_eq!(refused.status, 422, "{field}");
        let answer = refused.body_json();
        assert_eq!(answer["message"], "Validation Failed");
        assert_eq!(answer["errors"][0]["field"], field);
    }
    // Unknown properties are ignored; a form is not read.
    let mut more = body("run-1");
    more["unknown"] = json!(1);
    assert_eq!(post(&mut world, &more).status, 201);
    let mut form = Request::new("POST", BUILDS).with_bearer(world.token());
    form.body = body("run-1").to_string().into_bytes();
    assert_eq!(world.handle(&form, NOW_MS).status, 422);
    let mut broken = form.with_header("content-type", "application/json");
    broken.body.truncate(5);
    assert_eq!(world.handle(&broken, NOW_MS).status, 400);
    assert_eq!(world.builds().all().len(), 1);
}

#[test]
fn a_branch_filter_refuses_unless_it_is_ignored() {
    let mut world = World::new(1);
    world.branch_filter = "main*".to_owned();
    start(&mut world, "run-1");
    let mut filtered = body("run-2");
    filtered["ignore_pipeline_branch_filters"] = json!(false);
    let refused = post(&mut world, &filtered);
    assert_eq!(refused.status, 422);
    assert!(refused.body_json().get("errors").is_none());
    filtered["branch"] = json!("main-2");
    assert_eq!(post(&mut world, &filtered).status, 201);
}

#[test]
fn tokens_permit_what_their_scopes_say() {
    let mut world = World::new(1);
    start(&mut world, "run-1");
    let ask = |world: &mut World, method: &str, path: &str, authorization: &str| {
        let request = Request::new(method, path).with_header("authorization", authorization);
        let request = if method == "POST" { request.with_json(&body("run-2")) } else { request };
        world.handle(&request, NOW_MS).status
    };
    let full = world.token().to_owned();
    let reads = format!("Bearer {}", world.read_only_token());
    let writes = format!("Bearer {}", world.write_only_token());
    assert_eq!(ask(&mut world, "POST", BUILDS, &reads), 403);
    assert_eq!(ask(&mut world, "PUT", &format!("{BUILDS}/1/cancel"), &reads), 403);
    assert_eq!(ask(&mut world, "GET", BUILDS, &reads), 200);
    assert_eq!(ask(&mut world, "GET", BUILDS, &writes), 403);
    assert_eq!(ask(&mut world, "POST", BUILDS, &writes), 201);
    for wrong in [full.clone(), format!("Token {full}"), "Bearer bkua_x".to_owned()] {
        assert_eq!(ask(&mut world, "GET", BUILDS, &wrong), 401);
    }
    let full = format!("Bearer {full}");
    assert_eq!(ask(&mut world, "GET", "/v2/access-token", &full), 200);
    for path in [
        "/v2/organizations/other/pipelines/web/builds",
        "/v2/organizations/fabrikam/pipelines/other/builds",
        "/v2/organizations/fabrikam/pipelines/web/builds/",
        "/v2/organizations/fabrikam/pipelines/web/builds/99",
        "/v1/organizations/fabrikam/pipelines/web/builds",
    ] {
        assert_eq!(ask(&mut world, "GET", path, &full), 404, "{path}");
    }
    world.revoke_tokens();
    assert_eq!(ask(&mut world, "GET", BUILDS, &full), 401);
    assert_eq!(ask(&mut world, "GET", BUILDS, "Bearer "), 401);
}

#[test]
fn both_limits_refuse_until_the_minute_is_over() {
    let mut world = World::new(1);
    let request = Request::new("GET", BUILDS).with_bearer(world.token());
    let at_ms = NOW_MS + 18_000;
    for left in (0..50).rev() {
        let answer = world.handle(&request, at_ms);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("RateLimit-User-Remaining"), Some(left.to_string().as_str()));
        assert_eq!(answer.header("RateLimit-Reset"), Some("42"));
    }
    let refused = world.handle(&request, at_ms);
    assert_eq!((refused.status, refused.header("RateLimit-Remaining")), (429, Some("149")));
    assert_eq!(world.handle(&request, NOW_MS + 60_000).status, 200);
    world.others_send(199, NOW_MS + 60_000);
    let refused = world.handle(&request, NOW_MS + 60_000);
    assert_eq!((refused.status, refused.header("RateLimit-Remaining")), (429, Some("0")));
    assert_eq!(refused.header("RateLimit-User-Remaining"), Some("48"));
    assert_eq!(refused.header("RateLimit-Scope"), Some("rest"));
}

#[test]
fn lists_filter_and_page_newest_first() {
    let mut world = World::new(1);
    world.set_limits(1_000, 1_000);
    for count in 0..35 {
        start(&mut world, &format!("run-{count}"));
    }
    let first = ask(&mut world, "GET", &format!("{BUILDS}?branch=to*"));
    assert_eq!(numbers(&first.body_json()), (6..36).rev().collect::<Vec<_>>());
    let link = first.header("link").unwrap();
    assert!(link.contains("branch=to*&page=2&per_page=30>; rel=\"next\""), "{link}");
    assert_eq!(numbers(&get(&mut world, &format!("{BUILDS}?page=2"))), [5, 4, 3, 2, 1]);
    assert_eq!(numbers(&get(&mut world, &format!("{BUILDS}?per_page=2&page=2"))), [33, 32]);
    assert_eq!(get(&mut world, &format!("{BUILDS}?branch[]=main")), json!([]));
    assert_eq!(get(&mut world, &format!("{BUILDS}?commit=abc")), json!([]));
    let commit = "a".repeat(40);
    let target = format!("{BUILDS}?commit={commit}&per_page=1");
    assert_eq!(numbers(&get(&mut world, &target)), [35]);
    let later = "2027-01-15T08:00:01Z";
    assert_eq!(get(&mut world, &format!("{BUILDS}?created_from={later}")), json!([]));
    let target = format!("{BUILDS}?created_to={later}&per_page=1");
    assert_eq!(numbers(&get(&mut world, &target)), [35]);
    let target = "/v2/organizations/fabrikam/builds?per_page=1&state=scheduled";
    assert_eq!(numbers(&get(&mut world, target)), [35]);
    for query in ["state=new", "created_from=yesterday", "page=0", "page=51&per_page=100"] {
        let refused = ask(&mut world, "GET", &format!("{BUILDS}?{query}"));
        assert_eq!(refused.status, 400, "{query}");
    }
    world.list_lag_ms = 1;
    assert_eq!(get(&mut world, BUILDS), json!([]));
}

#[test]
fn a_newer_build_passes_over_older_ones_of_its_branch() {
    let mut world = World::new(1);
    (world.skips_intermediate, world.cancels_intermediate) = (true, true);
    start(&mut world, "run-1");
    start(&mut world, "run-2");
    world.builds().set_state(2, State::Running);
    start(&mut world, "run-3");
    assert_eq!(get(&mut world, &format!("{BUILDS}/1"))["state"], "skipped");
    let cancelled = get(&mut world, &format!("{BUILDS}/2"));
    assert_eq!(cancelled["state"], "canceled");
    assert!(cancelled["cancel_reason"].is_string());
    let event = world.callback(1, NOW_MS).unwrap();
    assert_eq!(event.header("x-buildkite-event"), Some("build.skipped"));
}

#[test]
fn webhooks_carry_the_token_or_a_signature_of_time_and_body() {
    let mut world = World::new(1);
    let number = start(&mut world, "run-1");
    let event = world.callback(number, NOW_MS + 999).unwrap();
    assert_eq!((event.method.as_str(), event.path.as_str()), ("POST", ""));
    assert_eq!(event.header("x-buildkite-event"), Some("build.scheduled"));
    let signed = [b"1800000000.", event.body.as_slice()].concat();
    let expected = hex_hmac_sha256(world.webhook_secret(), &signed);
    let expected = format!("timestamp=1800000000,signature={expected}");
    assert_eq!(event.header("x-buildkite-signature"), Some(expected.as_str()));
    assert_eq!(event.header("x-buildkite-token"), None);
    let json: Value = serde_json::from_slice(&event.body).unwrap();
    assert_eq!(json["build"]["meta_data"][RUN_KEY], "run-1");
    assert!(json["build"].get("jobs").is_none() && json["pipeline"]["slug"] == "web");
    world.proof = Proof::Token;
    world.builds().set_state(number, State::Failed);
    // An event that was delayed shows the build as it is now.
    let late = world.event("build.running", number, NOW_MS).unwrap();
    let json: Value = serde_json::from_slice(&late.body).unwrap();
    assert_eq!(json["build"]["state"], "failed");
    assert_eq!(late.header("x-buildkite-token"), Some(world.webhook_secret()));
    assert_eq!(late.header("x-buildkite-signature"), None);
    assert!(world.callback(9, NOW_MS).is_none());
}
