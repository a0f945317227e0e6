//! The life of a workflow, and what Argo refuses.

use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::published::Document;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const WORKFLOWS: &str = "/api/v1/workflows/ci";

fn call(world: &mut World, method: &str, path: &str, body: &Value) -> Response {
    let target = format!("{WORKFLOWS}{path}");
    let request = Request::new(method, &target).with_bearer(world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(name: &str) -> Value {
    json!({"namespace": "ci", "resourceKind": "WorkflowTemplate", "resourceName": "build",
        "submitOptions": {"name": name, "labels": "run=1", "parameters": ["commit=abc"]}})
}

#[test]
fn a_workflow_has_the_name_that_was_chosen_once() {
    let mut world = World::new(1);
    let submitted = call(&mut world, "POST", "/submit", &wanted("r-1"));
    assert_eq!(submitted.status, 200);
    assert_eq!(submitted.body_json()["metadata"]["name"], "r-1");
    let again = call(&mut world, "POST", "/submit", &wanted("r-1"));
    assert_eq!((again.status, &again.body_json()["code"]), (409, &json!(6)));
    let build = world.builds().all()[0].clone();
    assert_eq!((build.run.as_str(), build.commit.as_str()), ("r-1", "abc"));
    let fields = "/r-1?fields=status.phase,status.message";
    let first = call(&mut world, "GET", fields, &Value::Null);
    assert_eq!(first.body_json(), json!({}), "nobody has looked at it yet");
    for (state, phase) in [
        (State::Running, "Running"),
        (State::Succeeded, "Succeeded"),
        (State::Failed, "Failed"),
        (State::Errored, "Error"),
        (State::Cancelled, "Failed"),
    ] {
        world.builds().set_state(build.number, state);
        let shown = call(&mut world, "GET", fields, &Value::Null).body_json();
        assert_eq!(shown["status"]["phase"], phase);
        assert!(shown.get("metadata").is_none());
    }
    // It was deleted when its time to live had passed.
    world.builds().delete(build.number);
    assert_eq!(call(&mut world, "GET", "/r-1", &Value::Null).status, 404);
}

#[test]
fn what_cannot_be_submitted_is_refused() {
    let mut world = World::new(1);
    for (pointer, value, status) in [
        ("/resourceKind", json!("Workflow"), 500),
        ("/resourceName", json!("other"), 404),
        ("/submitOptions/name", json!("R_1"), 400),
        ("/submitOptions/parameters", json!(["commit"]), 500),
    ] {
        let mut body = wanted("r-1");
        *body.pointer_mut(pointer).unwrap() = value;
        let refused = call(&mut world, "POST", "/submit", &body);
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.body_json()["message"].is_string());
    }
    let submit = Request::new("POST", &format!("{WORKFLOWS}/submit")).with_json(&wanted("r-1"));
    assert_eq!(world.handle(&submit.clone(), NOW_MS).status, 401);
    let reader = world.read_only_token().to_owned();
    assert_eq!(world.handle(&submit.with_bearer(&reader), NOW_MS).status, 403);
    assert!(world.builds().all().is_empty());
}

#[test]
fn a_workflow_is_stopped_while_it_has_not_ended() {
    let mut world = World::new(1);
    for (name, way) in [("r-1", "stop"), ("r-2", "terminate")] {
        call(&mut world, "POST", "/submit", &wanted(name));
        let path = format!("/{name}/{way}");
        assert_eq!(call(&mut world, "PUT", &path, &Value::Null).status, 400);
        assert_eq!(call(&mut world, "PUT", &path, &json!({})).status, 200);
        let shown = call(&mut world, "GET", &format!("/{name}"), &Value::Null).body_json();
        assert_eq!(shown["status"]["phase"], "Failed");
        let message = shown["status"]["message"].as_str().unwrap().to_lowercase();
        assert_eq!(message, format!("stopped with strategy '{way}'"));
        let late = call(&mut world, "PUT", &path, &json!({}));
        assert_eq!(late.status, 500);
        let why = late.body_json()["message"].as_str().unwrap().to_owned();
        assert!(why.starts_with("cannot shutdown a completed workflow"), "{why}");
    }
    assert_eq!(call(&mut world, "PUT", "/r-3/stop", &json!({})).status, 404);
}

#[test]
fn requests_are_as_published() {
    let Some(spec) = Document::json("argo-workflows.cut.json") else { return };
    let request =
        spec.at("/definitions/io.argoproj.workflow.v1alpha1.WorkflowSubmitRequest").clone();
    spec.check(&request, &wanted("r-1"));
}
