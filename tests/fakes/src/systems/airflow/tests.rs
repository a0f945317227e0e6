//! The life of a run, and what Airflow refuses.

use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::published::text;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const DAG: &str = "/api/v2/dags/ci_build";
const RUNS: &str = "/api/v2/dags/ci_build/dagRuns";

fn login(world: &mut World, name: &str, password: &str) -> Response {
    let body = json!({"username": name, "password": password});
    world.handle(&Request::new("POST", "/auth/token").with_json(&body), NOW_MS)
}

fn token(world: &mut World) -> String {
    let (name, password) = world.credential();
    let (name, password) = (name.to_owned(), password.to_owned());
    let answer = login(world, &name, &password);
    assert_eq!(answer.status, 201);
    answer.body_json()["access_token"].as_str().unwrap().to_owned()
}

fn send(world: &mut World, method: &str, target: &str, token: &str, body: &Value) -> Response {
    let request = Request::new(method, target).with_bearer(token).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(run: &str) -> Value {
    json!({"dag_run_id": run, "logical_date": null, "conf": {"commit": "abc"}, "note": "gateway"})
}

fn detail(response: &Response) -> String {
    response.body_json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_has_the_name_that_the_caller_chose() {
    let mut world = World::new(1);
    let token = token(&mut world);
    let answer = send(&mut world, "POST", RUNS, &token, &wanted("run-1"));
    assert_eq!((answer.status, &answer.body_json()["state"]), (200, &json!("queued")));
    assert_eq!(answer.body_json()["dag_run_id"], "run-1");
    let build = world.builds().all()[0].clone();
    assert_eq!((build.run.as_str(), &build.inputs["commit"]), ("run-1", &json!("abc")));
    let one = format!("{RUNS}/run-1");
    for (state, shown) in [
        (State::Running, "running"),
        (State::Succeeded, "success"),
        (State::Failed, "failed"),
        (State::Errored, "failed"),
        (State::Cancelled, "failed"),
    ] {
        world.builds().set_state(build.number, state);
        let run = send(&mut world, "GET", &one, &token, &Value::Null).body_json();
        assert_eq!(run["state"], shown);
    }
    world.builds().delete(build.number);
    let gone = send(&mut world, "GET", &one, &token, &Value::Null);
    let expected = "The DagRun with dag_id: `ci_build` and run_id: `run-1` was not found";
    assert_eq!((gone.status, detail(&gone).as_str()), (404, expected));
    assert!(world.callback(build.number, NOW_MS).is_none());
}

#[test]
fn a_name_is_taken_once() {
    let mut world = World::new(1);
    let token = token(&mut world);
    assert_eq!(send(&mut world, "POST", RUNS, &token, &wanted("run-1")).status, 200);
    let refusal = send(&mut world, "POST", RUNS, &token, &wanted("run-1"));
    assert_eq!(refusal.status, 409);
    assert_eq!(refusal.body_json()["detail"]["reason"], "Unique constraint violation");
    assert_eq!(world.builds().all().len(), 1);
    // Without a name every start makes a run.
    let nameless = json!({"logical_date": null});
    for _ in 0..2 {
        let answer = send(&mut world, "POST", RUNS, &token, &nameless).body_json();
        assert!(answer["dag_run_id"].as_str().unwrap().starts_with("manual__2027-01-15T08:00:00"));
    }
    assert_eq!(world.builds().all().len(), 3);
}

#[test]
fn bodies_have_to_fit_their_schema() {
    let mut world = World::new(1);
    let token = token(&mut world);
    let with = |key: &str, value: Value| {
        let mut body = wanted("run-1");
        body[key] = value;
        body
    };
    for (body, kind, key) in [
        (json!({"dag_run_id": "run-1"}), "missing", "logical_date"),
        (with("commit", json!("abc")), "extra_forbidden", "commit"),
        (with("conf", json!("abc")), "dict_type", "conf"),
        (with("dag_run_id", json!(1)), "string_type", "dag_run_id"),
        (with("logical_date", json!("2026-11-27T10:00:00")), "timezone_aware", "logical_date"),
    ] {
        let refusal = send(&mut world, "POST", RUNS, &token, &body);
        let wrong = refusal.body_json()["detail"][0].clone();
        assert_eq!((refusal.status, &wrong["type"]), (422, &json!(kind)), "{body}");
        assert_eq!(wrong["loc"], json!(["body", key]));
    }
    let untyped = Request { body: b"{}".to_vec(), ..Request::new("POST", RUNS) };
    assert_eq!(world.handle(&untyped.with_bearer(&token), NOW_MS).status, 422);
    for name in ["a b", "a/b", "a..b", "a#"] {
        assert_eq!(send(&mut world, "POST", RUNS, &token, &wanted(name)).status, 400, "{name}");
    }
    assert!(world.builds().all().is_empty());
}

#[test]
fn a_dag_that_cannot_run_is_refused_or_leaves_its_runs_queued() {
    let mut world = World::new(1);
    let token = token(&mut world);
    let other = "/api/v2/dags/other/dagRuns";
    let refusal = send(&mut world, "POST", other, &token, &wanted("run-1"));
    assert_eq!((refusal.status, detail(&refusal).contains("'other' not found")), (404, true));
    world.has_import_errors = true;
    let refusal = send(&mut world, "POST", RUNS, &token, &wanted("run-1"));
    assert_eq!((refusal.status, detail(&refusal).contains("import errors")), (400, true));
    world.has_import_errors = false;
    world.permits_manual_runs = false;
    let refusal = send(&mut world, "POST", RUNS, &token, &wanted("run-1"));
    assert_eq!((refusal.status, detail(&refusal).contains("manual runs")), (400, true));
    world.permits_manual_runs = true;
    world.is_paused = true;
    world.builds().initial = State::Running;
    let answer = send(&mut world, "POST", RUNS, &token, &wanted("run-1"));
    assert_eq!((answer.status, &answer.body_json()["state"]), (200, &json!("queued")));
    let dag = send(&mut world, "GET", DAG, &token, &Value::Null).body_json();
    assert_eq!(dag["is_paused"], true);
}

#[test]
fn a_login_is_needed_and_ends() {
    let mut world = World::new(1);
    let (name, password) = world.read_only_credential();
    let (name, password) = (name.to_owned(), password.to_owned());
    assert_eq!(detail(&login(&mut world, &name, "wrong")), "Invalid credentials");
    let viewer = login(&mut world, &name, &password).body_json()["access_token"].clone();
    let viewer = viewer.as_str().unwrap();
    assert_eq!(viewer.split('.').count(), 3);
    let refusal = send(&mut world, "POST", RUNS, viewer, &wanted("run-1"));
    assert_eq!((refusal.status, detail(&refusal).as_str()), (403, "Forbidden"));
    assert_eq!(send(&mut world, "GET", RUNS, viewer, &Value::Null).status, 200);
    let anonymous = world.handle(&Request::new("GET", RUNS), NOW_MS);
    assert_eq!((anonymous.status, detail(&anonymous).as_str()), (401, "Not authenticated"));
    let broken = send(&mut world, "GET", RUNS, "a.b.c", &Value::Null);
    assert_eq!((broken.status, detail(&broken).as_str()), (403, "Invalid JWT token"));
    let own = token(&mut world);
    let request = Request::new("GET", RUNS).with_bearer(&own);
    let late = world.handle(&request, NOW_MS + world.token_life_ms);
    assert_eq!((late.status, detail(&late).as_str()), (401, "Token Expired"));
    world.revoke_tokens();
    assert_eq!(world.handle(&request, NOW_MS).status, 403);
    assert_eq!(world.logins(), 2);
    let extra = json!({"username": name, "password": password, "ttl": 1});
    let extra = Request::new("POST", "/auth/token").with_json(&extra);
    assert_eq!(world.handle(&extra, NOW_MS).status, 422);
    let form = Request {
        body: format!("username={name}&password={password}").into_bytes(),
        ..Request::new("POST", "/auth/token")
    };
    let form = form.with_header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(world.handle(&form, NOW_MS).status, 201);
    for (method, target, status) in [
        ("GET", "/auth/token", 403),
        ("GET", "/api/v1/dags", 404),
        ("GET", "/api/v2/version", 200),
        ("DELETE", RUNS, 405),
        ("GET", "/api/v2/dags/ci_build/dagRuns/", 404),
    ] {
        let request = Request::new(method, target);
        assert_eq!(world.handle(&request, NOW_MS).status, status, "{method} {target}");
    }
}

#[test]
fn a_cancelled_run_reads_failed_and_so_does_one_that_had_succeeded() {
    let mut world = World::new(1);
    let token = token(&mut world);
    let failed = json!({"state": "failed"});
    for name in ["run-1", "run-2"] {
        send(&mut world, "POST", RUNS, &token, &wanted(name));
    }
    let one = format!("{RUNS}/run-1");
    let masked = format!("{one}?update_mask=state");
    world.builds().set_state(1, State::Running);
    let answer = send(&mut world, "PATCH", &masked, &token, &failed);
    assert_eq!((answer.status, &answer.body_json()["state"]), (200, &json!("failed")));
    let build = world.builds().get(1).unwrap().clone();
    assert_eq!((build.state, build.cancels), (State::Cancelled, 1));
    assert_eq!(send(&mut world, "PATCH", &masked, &token, &failed).status, 200);
    assert_eq!(world.builds().get(1).unwrap().state, State::Cancelled);
    // It is not asked whether the run has ended.
    world.builds().set_state(2, State::Succeeded);
    let two = format!("{RUNS}/run-2?update_mask=state");
    let answer = send(&mut world, "PATCH", &two, &token, &failed);
    assert_eq!(answer.body_json()["state"], "failed");
    let running = json!({"state": "running"});
    assert_eq!(send(&mut world, "PATCH", &masked, &token, &running).status, 422);
    assert_eq!(send(&mut world, "PATCH", &masked, &token, &json!({"status": "x"})).status, 422);
    // What the mask leaves out is not changed.
    let noted = format!("{one}?update_mask=note");
    let both = json!({"state": "queued", "note": "superseded"});
    let answer = send(&mut world, "PATCH", &noted, &token, &both).body_json();
    assert_eq!((&answer["state"], &answer["note"]), (&json!("failed"), &json!("superseded")));
    let unknown = format!("{RUNS}/run-3?update_mask=state");
    assert_eq!(send(&mut world, "PATCH", &unknown, &token, &failed).status, 404);
}

#[test]
fn runs_are_listed_and_filtered() {
    let mut world = World::new(1);
    let token = token(&mut world);
    for name in ["run-1", "run-2", "other"] {
        send(&mut world, "POST", RUNS, &token, &wanted(name));
    }
    world.builds().set_state(1, State::Running);
    for (query, names) in [
        ("", vec!["run-1", "run-2", "other"]),
        ("?state=running", vec!["run-1"]),
        ("?run_id_prefix_pattern=run-", vec!["run-1", "run-2"]),
        ("?order_by=-id&limit=1", vec!["other"]),
        ("?limit=1&offset=1", vec!["run-2"]),
    ] {
        let list = send(&mut world, "GET", &format!("{RUNS}{query}"), &token, &Value::Null);
        let list = list.body_json();
        let shown: Vec<_> = list["dag_runs"].as_array().unwrap().iter().collect();
        let shown: Vec<_> = shown.iter().map(|run| run["dag_run_id"].as_str().unwrap()).collect();
        assert_eq!(shown, names, "{query}");
    }
    let wrong = format!("{RUNS}?limit=many");
    assert_eq!(send(&mut world, "GET", &wrong, &token, &Value::Null).status, 422);
}

/// The keys below `properties` or `required` of a schema in the published document.
fn names(document: &str, schema: &str, section: &str) -> Vec<String> {
    let start = format!("    {schema}:");
    let lines = document.lines().skip_while(|line| *line != start).skip(1);
    let inside = lines.take_while(|line| line.starts_with("      "));
    let heading = format!("      {section}:");
    let below = inside.skip_while(|line| *line != heading).skip(1);
    let is_inside = |line: &&str| line.starts_with("       ") || line.starts_with("      - ");
    let keys = below.take_while(is_inside).filter_map(|line| match section {
        "required" => line.strip_prefix("      - "),
        _ => line.strip_prefix("        ")?.strip_suffix(':'),
    });
    keys.filter(|key| !key.starts_with(' ')).map(str::to_owned).collect()
}

#[test]
fn answers_and_requests_have_the_published_keys() {
    let Some(document) = text("airflow-3.3.2.cut.yaml") else { return };
    let mut world = World::new(1);
    let token = token(&mut world);
    let run = send(&mut world, "POST", RUNS, &token, &wanted("run-1")).body_json();
    let list = send(&mut world, "GET", RUNS, &token, &Value::Null).body_json();
    let dag = send(&mut world, "GET", DAG, &token, &Value::Null).body_json();
    for (schema, value) in [
        ("DAGRunResponse", &run),
        ("DAGRunCollectionResponse", &list),
        ("DAGResponse", &dag),
        ("TriggerDAGRunPostBody", &wanted("run-1")),
        ("DAGRunPatchBody", &json!({"state": "failed"})),
    ] {
        let known = names(&document, schema, "properties");
        assert!(known.len() > 1, "{schema} was not found");
        let keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert!(keys.iter().all(|key| known.contains(key)), "{schema}: {keys:?}\n{known:?}");
        for required in names(&document, schema, "required") {
            assert!(keys.contains(&required), "{schema}: {required} is missing");
        }
    }
}
