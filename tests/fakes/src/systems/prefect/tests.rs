//! The life of a flow run, and what Prefect refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;

fn call(world: &mut World, method: &str, path: &str, body: &Value) -> Response {
    let pair = STANDARD.encode(format!("admin:{}", world.password()));
    let request = Request::new(method, &format!("/api{path}")).with_json(body);
    world.handle(&request.with_header("authorization", &format!("Basic {pair}")), NOW_MS)
}

fn create(world: &mut World, key: &str) -> Response {
    let path = format!("/deployments/{}/create_flow_run", world.deployment());
    let body = json!({"idempotency_key": key, "parameters": {"commit": "abc"}, "tags": ["a"]});
    call(world, "POST", &path, &body)
}

#[test]
fn a_key_has_one_flow_run() {
    let mut world = World::new(1);
    let first = create(&mut world, "r-1");
    let again = create(&mut world, "r-1");
    assert_eq!((first.status, again.status), (201, 200));
    let id = first.body_json()["id"].clone();
    assert_eq!(again.body_json()["id"], id);
    assert_eq!(create(&mut world, "r-2").status, 201);
    assert_eq!(world.builds().all().len(), 2);
    let filter = json!({"flow_runs": {"idempotency_key": {"any_": ["r-1"]}}});
    let found = call(&mut world, "POST", "/flow_runs/filter", &filter).body_json();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &id));
    let none = json!({"flow_runs": {"idempotency_key": {"any_": ["r-3"]}}});
    assert_eq!(call(&mut world, "POST", "/flow_runs/filter", &none).body_json(), json!([]));
    let path = format!("/flow_runs/{}", id.as_str().unwrap());
    for (state, kind) in [
        (State::Queued, "SCHEDULED"),
        (State::Running, "RUNNING"),
        (State::Succeeded, "COMPLETED"),
        (State::Failed, "FAILED"),
        (State::Errored, "CRASHED"),
        (State::Cancelled, "CANCELLED"),
    ] {
        world.builds().set_state(1, state);
        assert_eq!(call(&mut world, "GET", &path, &Value::Null).body_json()["state_type"], kind);
    }
}

#[test]
fn what_cannot_be_created_is_refused() {
    let mut world = World::new(1);
    let path = format!("/deployments/{}/create_flow_run", world.deployment());
    let unknown = call(&mut world, "POST", &path, &json!({"idempotency": "r-1"}));
    assert_eq!(unknown.status, 422);
    assert!(unknown.body_json()["exception_message"].is_string());
    assert_eq!(call(&mut world, "POST", &path, &json!({"parameters": []})).status, 422);
    let other = "/deployments/00000000-0000-0000-0000-000000000000/create_flow_run";
    let missing = call(&mut world, "POST", other, &json!({}));
    assert_eq!(
        (missing.status, &missing.body_json()["detail"]),
        (404, &json!("Deployment not found"))
    );
    let anonymous = Request::new("POST", &format!("/api{path}")).with_json(&json!({}));
    assert_eq!(world.handle(&anonymous, NOW_MS).status, 401);
    assert!(world.builds().all().is_empty());
}

#[test]
fn a_state_is_proposed() {
    let mut world = World::new(1);
    let cancel = json!({"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": false});
    let set_state = |world: &mut World, key: &str| {
        let id = create(world, key).body_json()["id"].as_str().unwrap().to_owned();
        call(world, "POST", &format!("/flow_runs/{id}/set_state"), &cancel)
    };
    // Nothing runs that could be told.
    let queued = set_state(&mut world, "r-1").body_json();
    assert_eq!(
        (&queued["status"], &queued["state"]["type"]),
        (&json!("REJECT"), &json!("CANCELLED"))
    );
    let late = set_state(&mut world, "r-1");
    assert_eq!((late.status, &late.body_json()["status"]), (200, &json!("ABORT")));
    assert_eq!(late.body_json()["state"]["type"], "CANCELLED", "it stays what it is");
    world.builds().initial = State::Running;
    world.builds().cancels_at_once = false;
    let running = set_state(&mut world, "r-2").body_json();
    assert_eq!(running["state"]["type"], "CANCELLING");
    assert_eq!(world.builds().get(2).unwrap().cancels, 1);
    let wrong = json!({"state": {"type": "STOPPED"}});
    let id = create(&mut world, "r-2").body_json()["id"].as_str().unwrap().to_owned();
    let path = format!("/flow_runs/{id}/set_state");
    assert_eq!(call(&mut world, "POST", &path, &wrong).status, 422);
}
