//! The life of a pipeline, and what Woodpecker refuses.

use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::published::Document;
use crate::systems::{State, System as _};
use crate::timestamp::whole_seconds;

const NOW_MS: i64 = 1_800_000_000_000;
const PIPELINES: &str = "/api/repos/7/pipelines";

fn get(world: &mut World, target: &str) -> Response {
    let request = Request::new("GET", target).with_bearer(world.token());
    world.handle(&request, NOW_MS)
}

fn post(world: &mut World, target: &str, body: &Value) -> Response {
    let request = Request::new("POST", target).with_bearer(world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(run: &str) -> Value {
    json!({"branch": "main", "message": run, "variables": {"RUN": run, "COMMIT": "abc"}})
}

fn started(world: &mut World, run: &str) -> u64 {
    let answer = post(world, PIPELINES, &wanted(run));
    assert_eq!(answer.status, 200);
    answer.body_json()["number"].as_u64().unwrap()
}

#[test]
fn a_pipeline_runs_on_the_head_of_its_branch() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let build = world.builds().all()[0].clone();
    assert_eq!((build.number, build.run.as_str()), (number, "run-1"));
    assert_eq!(build.git_ref, "main");
    let one = format!("{PIPELINES}/{number}");
    let first = get(&mut world, &one).body_json();
    assert_eq!((&first["status"], &first["message"]), (&json!("pending"), &json!("run-1")));
    assert_eq!(first["variables"], json!({"RUN": "run-1", "COMMIT": "abc"}));
    world.push("main");
    assert_eq!(get(&mut world, &one).body_json()["commit"], first["commit"]);
    let next = started(&mut world, "run-2");
    let next = get(&mut world, &format!("{PIPELINES}/{next}")).body_json();
    assert_ne!(next["commit"], first["commit"]);
    for (state, status) in [
        (State::Running, "running"),
        (State::Succeeded, "success"),
        (State::Failed, "failure"),
        (State::Errored, "error"),
        (State::Cancelled, "killed"),
    ] {
        world.builds().set_state(number, state);
        let pipeline = get(&mut world, &one).body_json();
        assert_eq!(pipeline["status"], status);
        assert_eq!(pipeline["errors"].is_array(), state == State::Errored);
    }
    world.show(number, "blocked");
    assert_eq!(get(&mut world, &one).body_json()["status"], "blocked");
    assert_eq!(get(&mut world, &format!("{PIPELINES}/latest")).body_json()["number"], 2);
    world.builds().delete(number);
    assert_eq!(get(&mut world, &one).status, 404);
    assert!(world.callback(number, NOW_MS).is_none());
}

#[test]
fn what_cannot_be_started_is_refused() {
    let mut world = World::new(1);
    let with = |key: &str, value: Value| {
        let mut body = wanted("run-1");
        body[key] = value;
        body
    };
    for (body, status) in [
        (with("branch", json!("topic")), 500),
        (with("branch", json!(1)), 400),
        (with("variables", json!({"RUN": 1})), 400),
        (with("variables", json!(["RUN"])), 400),
        (json!([]), 400),
        (json!({}), 500),
    ] {
        let refusal = post(&mut world, PIPELINES, &body);
        assert_eq!((refusal.status, refusal.body.len()), (status, 0), "{body}");
    }
    world.is_filtered = true;
    let filtered = post(&mut world, PIPELINES, &wanted("run-1"));
    assert_eq!((filtered.status, filtered.header("Pipeline-Filtered")), (204, Some("true")));
    assert!(world.builds().all().is_empty());
    world.is_filtered = false;
    // A key that is unknown does no harm.
    assert_eq!(post(&mut world, PIPELINES, &with("commit", json!("abc"))).status, 200);
}

#[test]
fn callers_are_refused_without_a_right_token() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let [own, pull, outsider] =
        [world.token(), world.read_only_token(), world.outsider_token()].map(str::to_owned);
    let one = format!("{PIPELINES}/{number}");
    let mut status = |method: &str, target: &str, token: &str| {
        let request = Request::new(method, target).with_bearer(token).with_json(&wanted("run-2"));
        world.handle(&request, NOW_MS).status
    };
    assert_eq!(status("GET", &one, "wrong"), 401);
    assert_eq!(status("GET", &one, &pull), 200);
    assert_eq!(status("POST", PIPELINES, &pull), 404);
    assert_eq!(status("GET", &one, &outsider), 404);
    assert_eq!(status("POST", "/api/repos/8/pipelines", &own), 404);
    assert_eq!(status("GET", &format!("{one}/"), &own), 404);
    assert_eq!(status("GET", &format!("{PIPELINES}/first"), &own), 400);
    assert_eq!(status("GET", "/api/repos/lookup/group/pipelines", &own), 200);
    assert_eq!(status("GET", "/api/repos/lookup/group/other", &own), 404);
    assert_eq!(status("GET", "/api/user", &own), 200);
    let anonymous = world.handle(&Request::new("GET", &one), NOW_MS);
    assert_eq!(anonymous.status, 401);
    // A path beside the API is answered by a page.
    let page = get(&mut world, "/repos/7/pipelines");
    assert_eq!((page.status, page.body_json()), (200, Value::Null));
}

#[test]
fn a_pipeline_is_cancelled_once() {
    let mut world = World::new(1);
    world.builds().cancels_at_once = false;
    let number = started(&mut world, "run-1");
    let cancel = format!("{PIPELINES}/{number}/cancel");
    assert_eq!(post(&mut world, &cancel, &Value::Null).status, 204);
    let one = get(&mut world, &format!("{PIPELINES}/{number}")).body_json();
    assert_eq!(one["status"], "canceled");
    let late = post(&mut world, &cancel, &Value::Null);
    assert_eq!(late.status, 400);
    assert!(String::from_utf8(late.body).unwrap().starts_with("Cannot cancel a non-running"));
    let number = started(&mut world, "run-2");
    let cancel = format!("{PIPELINES}/{number}/cancel");
    world.builds().set_state(number, State::Running);
    assert_eq!(post(&mut world, &cancel, &Value::Null).status, 204);
    assert_eq!(world.builds().get(number).unwrap().state, State::Running);
    world.builds().set_state(number, State::Cancelled);
    let one = get(&mut world, &format!("{PIPELINES}/{number}")).body_json();
    assert_eq!(one["status"], "killed");
    assert_eq!(world.builds().get(number).unwrap().cancels, 1);
    assert_eq!(post(&mut world, &format!("{PIPELINES}/9/cancel"), &Value::Null).status, 404);
}

#[test]
fn pipelines_are_listed_and_filtered() {
    let mut world = World::new(1);
    world.push("topic");
    let first = started(&mut world, "run-1");
    post(&mut world, PIPELINES, &json!({"branch": "topic"}));
    world.builds().set_state(first, State::Succeeded);
    for (query, count) in [
        (String::new(), 2),
        ("?event=manual&branch=main".to_owned(), 1),
        ("?event=push,tag".to_owned(), 0),
        ("?ref=topic".to_owned(), 1),
        ("?status=success".to_owned(), 1),
        ("?perPage=1&page=2".to_owned(), 1),
        (format!("?after={}", whole_seconds(NOW_MS - 60_000)), 2),
        (format!("?before={}", whole_seconds(NOW_MS)), 0),
    ] {
        let list = get(&mut world, &format!("{PIPELINES}{query}")).body_json();
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
    let newest = get(&mut world, &format!("{PIPELINES}?perPage=1")).body_json();
    assert_eq!(newest[0]["message"], "MANUAL PIPELINE @ topic");
    assert_eq!(get(&mut world, &format!("{PIPELINES}?after=today")).status, 400);
}

#[test]
fn answers_are_as_published() {
    let Some(spec) = Document::json("woodpecker.cut.json") else { return };
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    for state in [State::Queued, State::Running, State::Errored, State::Cancelled] {
        world.builds().set_state(number, state);
        let pipeline = get(&mut world, &format!("{PIPELINES}/{number}")).body_json();
        spec.check(spec.at("/definitions/Pipeline"), &pipeline);
    }
    let repository = get(&mut world, "/api/repos/lookup/group/pipelines").body_json();
    spec.check(spec.at("/definitions/Repo"), &repository);
    spec.check(spec.at("/definitions/PipelineOptions"), &wanted("run-1"));
}
