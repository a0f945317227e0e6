//! The life of a PipelineRun, and what Kubernetes and Tekton refuse.

use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::signed::hex_hmac_sha256;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const RUNS: &str = "/apis/tekton.dev/v1/namespaces/ci/pipelineruns";

fn call(world: &mut World, method: &str, target: &str, body: &Value) -> Response {
    let request = Request::new(method, target).with_bearer(world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(name: &str) -> Value {
    json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": {"name": name},
        "spec": {"pipelineRef": {"name": "build"}, "params": [{"name": "commit", "value": "abc"}]}})
}

fn patch(world: &mut World, name: &str, body: &Value) -> Response {
    let request = Request::new("PATCH", &format!("{RUNS}/{name}")).with_bearer(world.token());
    let mut request = request.with_header("content-type", "application/merge-patch+json");
    request.body = body.to_string().into_bytes();
    world.handle(&request, NOW_MS)
}

#[test]
fn a_run_has_the_name_that_was_chosen_once() {
    let mut world = World::new(1);
    let created = call(&mut world, "POST", RUNS, &wanted("r-1"));
    assert_eq!((created.status, &created.body_json()["metadata"]["name"]), (201, &json!("r-1")));
    assert!(created.body_json().get("status").is_none(), "nobody has looked at it yet");
    let again = call(&mut world, "POST", RUNS, &wanted("r-1"));
    assert_eq!((again.status, &again.body_json()["reason"]), (409, &json!("AlreadyExists")));
    let number = world.builds().all()[0].number;
    assert_eq!(world.builds().all()[0].commit, "abc");
    for (state, status, reason) in [
        (State::Running, "Unknown", "Running"),
        (State::Succeeded, "True", "Succeeded"),
        (State::Failed, "False", "Failed"),
        (State::Errored, "False", "CouldntGetPipeline"),
        (State::Cancelled, "False", "Cancelled"),
    ] {
        world.builds().set_state(number, state);
        let shown = call(&mut world, "GET", &format!("{RUNS}/r-1"), &Value::Null).body_json();
        let condition = &shown["status"]["conditions"][0];
        assert_eq!((&condition["status"], &condition["reason"]), (&json!(status), &json!(reason)));
    }
    world.builds().delete(number);
    assert_eq!(call(&mut world, "GET", &format!("{RUNS}/r-1"), &Value::Null).status, 404);
}

#[test]
fn what_cannot_be_created_is_refused() {
    let mut world = World::new(1);
    for (pointer, value, status) in [
        ("/kind", json!("TaskRun"), 400),
        ("/metadata", json!({"name": "r-1", "namespace": "other"}), 400),
        ("/metadata/name", json!("R_1"), 422),
        ("/metadata/name", Value::Null, 422),
        ("/spec", json!({}), 400),
        ("/spec/params", json!({"commit": "abc"}), 400),
    ] {
        let mut body = wanted("r-1");
        *body.pointer_mut(pointer).unwrap() = value;
        assert_eq!(call(&mut world, "POST", RUNS, &body).status, status, "{body}");
    }
    let anonymous = Request::new("POST", RUNS).with_json(&wanted("r-1"));
    assert_eq!(world.handle(&anonymous, NOW_MS).status, 401);
    let reader = Request::new("POST", RUNS).with_bearer(world.read_only_token());
    let refused = world.handle(&reader.with_json(&wanted("r-1")), NOW_MS);
    assert_eq!(refused.status, 403);
    assert!(refused.body_json()["message"].as_str().unwrap().contains("cannot create resource"));
    assert!(world.builds().all().is_empty());
    let mut unknown = wanted("r-2");
    unknown["spec"]["pipelineRef"]["name"] = json!("other");
    assert_eq!(call(&mut world, "POST", RUNS, &unknown).status, 201);
    assert_eq!(world.builds().all()[0].state, State::Errored);
}

#[test]
fn a_run_is_cancelled_by_a_merge_patch_while_it_has_not_ended() {
    let mut world = World::new(1);
    let cancel = json!({"spec": {"status": "Cancelled"}});
    call(&mut world, "POST", RUNS, &wanted("r-1"));
    let as_json = call(&mut world, "PATCH", &format!("{RUNS}/r-1"), &cancel);
    assert_eq!(as_json.status, 415);
    let other = patch(&mut world, "r-1", &json!({"spec": {"status": "Stop"}}));
    assert_eq!(other.status, 400);
    assert_eq!(patch(&mut world, "r-1", &json!({"spec": {"params": []}})).status, 400);
    assert_eq!(patch(&mut world, "r-1", &cancel).status, 200);
    assert_eq!(world.builds().all()[0].state, State::Cancelled);
    let late = patch(&mut world, "r-1", &cancel);
    assert_eq!(late.status, 400);
    assert!(late.body_json()["message"].as_str().unwrap().contains("no updates are allowed"));
    assert_eq!(patch(&mut world, "r-2", &cancel).status, 404);
}

#[test]
fn a_token_ends_while_its_successor_is_valid() {
    let mut world = World::new(1);
    let older = world.token().to_owned();
    let newer = world.replace_token();
    let as_bearer = |token: &str| Request::new("GET", RUNS).with_bearer(token);
    assert_eq!(world.handle(&as_bearer(&newer), NOW_MS).status, 200);
    assert_eq!(world.handle(&as_bearer(&older), NOW_MS).status, 200);
    world.revoke(&older);
    assert_eq!(world.handle(&as_bearer(&older), NOW_MS).status, 401);
    assert_eq!(world.handle(&as_bearer(&newer), NOW_MS).status, 200);
}

#[test]
fn the_listener_answers_at_once_and_starts_what_is_signed() {
    let mut world = World::new(1);
    let request = Request::new("POST", "/").with_json(&json!({"run": "r-1", "commit": "abc"}));
    let unsigned = world.handle(&request, NOW_MS);
    assert_eq!(unsigned.status, 202);
    assert!(unsigned.body_json()["eventID"].is_string());
    assert!(world.builds().all().is_empty());
    let signature = hex_hmac_sha256(world.listener_secret(), &request.body);
    let signed = request.with_header("X-Hub-Signature-256", &format!("sha256={signature}"));
    assert_eq!(world.handle(&signed, NOW_MS).status, 202);
    assert_eq!(world.builds().all()[0].run, "r-1");
}
