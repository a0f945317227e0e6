//! The life of a pipeline, and what GitLab refuses.

use serde_json::{Value, json};

use super::pipelines::STATUSES;
use super::{Hook, World};
use crate::ci::signature::verified_id;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::{State, System as _};
use crate::timestamp::whole_seconds;

const NOW_MS: i64 = 1_800_000_000_000;
const PROJECT: &str = "/api/v4/projects/group%2Fpipelines";

fn get(world: &mut World, path: &str) -> Response {
    let request = Request::new("GET", &format!("{PROJECT}{path}"));
    let request = request.with_header("private-token", world.token());
    world.handle(&request, NOW_MS)
}

fn post(world: &mut World, path: &str, body: &Value) -> Response {
    let request = Request::new("POST", &format!("{PROJECT}{path}")).with_json(body);
    let request = request.with_bearer(world.token());
    world.handle(&request, NOW_MS)
}

fn trigger(world: &mut World, body: &Value) -> Response {
    let mut body = body.clone();
    if body.get("token").is_none() {
        body["token"] = json!(world.trigger_token());
    }
    let target = format!("{PROJECT}/trigger/pipeline");
    world.handle(&Request::new("POST", &target).with_json(&body), NOW_MS)
}

fn wanted(run: &str) -> Value {
    json!({"ref": "main", "variables": {"AZDO_GATEWAY_RUN": run}})
}

fn started(world: &mut World, run: &str) -> u64 {
    let answer = trigger(world, &wanted(run));
    assert_eq!(answer.status, 201);
    answer.body_json()["id"].as_u64().unwrap()
}

fn refused(response: &Response) -> (u16, String) {
    let body = response.body_json();
    let message = &body["message"];
    let text = message["base"][0].as_str().or(message.as_str()).or(body["error"].as_str());
    (response.status, text.unwrap().to_owned())
}

#[test]
fn a_trigger_token_starts_a_pipeline() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:9/gitlab");
    let number = started(&mut world, "run-1");
    let build = world.builds().all()[0].clone();
    assert_eq!((build.number, build.run.as_str()), (number, "run-1"));
    assert_eq!(build.git_ref, "main");
    let path = format!("/pipelines/{number}");
    for (state, status) in [
        (State::Queued, "pending"),
        (State::Running, "running"),
        (State::Succeeded, "success"),
        (State::Failed, "failed"),
        (State::Errored, "failed"),
        (State::Cancelled, "canceled"),
    ] {
        world.builds().set_state(number, state);
        let pipeline = get(&mut world, &path).body_json();
        assert_eq!(pipeline["status"], status);
        assert_eq!(pipeline["yaml_errors"].is_string(), state == State::Errored);
        let page = format!("http://127.0.0.1:9/gitlab/group/pipelines/-/pipelines/{number}");
        assert_eq!(pipeline["web_url"], page);
    }
    for status in STATUSES {
        world.show(number, status, None);
        assert_eq!(get(&mut world, &path).body_json()["status"], status);
    }
    world.builds().delete(number);
    assert_eq!(refused(&get(&mut world, &path)), (404, "404 Not Found".to_owned()));
}

#[test]
fn a_trigger_may_be_a_form() {
    let mut world = World::new(1);
    world.declare_input("suite", false);
    world.add_tag("v1");
    let body = format!(
        "token={}&ref=v1&variables[AZDO_GATEWAY_RUN]=run-1&inputs%5Bsuite%5D=a+b",
        world.trigger_token()
    );
    let target = format!("/api/v4/projects/{}/trigger/pipeline", world.project_id());
    let request = Request { body: body.into_bytes(), ..Request::new("POST", &target) }
        .with_header("content-type", "application/x-www-form-urlencoded");
    let answer = world.handle(&request, NOW_MS);
    assert_eq!((answer.status, &answer.body_json()["tag"]), (201, &json!(true)));
    let build = &world.builds().all()[0];
    assert_eq!((build.run.as_str(), &build.inputs["suite"]), ("run-1", &json!("a b")));
}

#[test]
fn what_cannot_be_started_is_refused_in_gitlabs_words() {
    let mut world = World::new(1);
    world.declare_input("suite", false);
    let run = |key: &str, value: Value| {
        let mut body = wanted("run-1");
        body[key] = value;
        body
    };
    for (body, status, text) in [
        (json!({}), 400, "ref is missing"),
        (run("token", json!("glptt-0")), 404, "404 Not Found"),
        (run("ref", json!("topic")), 400, "Reference not found"),
        (run("ref", json!(1)), 400, "ref is invalid"),
        (run("variables", json!({"A": 1})), 400, "needs to be a map of key-valued strings"),
        (run("inputs", json!({"x": "1"})), 400, "Given inputs not defined"),
        (run("inputs", json!({"suite": 1})), 400, "is not a string"),
    ] {
        let (found, message) = refused(&trigger(&mut world, &body));
        assert_eq!(found, status, "{body}");
        assert!(message.contains(text), "{message}");
    }
    world.permits_variables = false;
    let (status, message) = refused(&trigger(&mut world, &wanted("run-1")));
    assert_eq!(
        (status, message.as_str()),
        (400, "Insufficient permissions to set pipeline variables")
    );
    world.has_no_jobs = true;
    let (status, message) = refused(&trigger(&mut world, &json!({"ref": "main"})));
    assert_eq!(status, 400);
    assert!(message.starts_with("Pipeline will not run"), "{message}");
    world.declare_input("needed", true);
    let (_, message) = refused(&trigger(&mut world, &json!({"ref": "main"})));
    assert!(message.contains("`needed` input"), "{message}");
    let target = format!("{PROJECT}/trigger/pipeline");
    let looping = Request::new("POST", &target)
        .with_json(&wanted("run-1"))
        .with_header("x-gitlab-event", "Pipeline Hook");
    assert_eq!(world.handle(&looping, NOW_MS).status, 403);
    assert_eq!(world.handle(&Request::new("GET", &target), NOW_MS).status, 405);
    assert!(world.builds().all().is_empty());
}

#[test]
fn an_access_token_starts_a_pipeline_too() {
    let mut world = World::new(1);
    let variable = |kind: &str| json!([{"key": "A", "value": "1", "variable_type": kind}]);
    let mut body = json!({"ref": "main", "variables": variable("env_var")});
    let answer = post(&mut world, "/pipeline", &body);
    assert_eq!((answer.status, &answer.body_json()["source"]), (201, &json!("api")));
    body["variables"] = variable("secret");
    assert_eq!(post(&mut world, "/pipeline", &body).status, 400);
    body["variables"] = json!({"A": "1"});
    assert_eq!(post(&mut world, "/pipeline", &body).status, 400);
    assert_eq!(post(&mut world, "/pipeline", &json!({})).status, 400);
}

#[test]
fn callers_are_refused_without_a_right_token() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let [own, read_only, outsider, trigger] =
        [world.token(), world.read_only_token(), world.outsider_token(), world.trigger_token()]
            .map(str::to_owned);
    assert!(own.starts_with("glpat-") && trigger.starts_with("glptt-"));
    let mut status = |method: &str, path: &str, token: &str| {
        let request = Request::new(method, &format!("{PROJECT}{path}"));
        world.handle(&request.with_header("private-token", token), NOW_MS).status
    };
    let one = format!("/pipelines/{number}");
    let cancel = format!("{one}/cancel");
    assert_eq!(status("GET", &one, "glpat-wrong"), 401);
    assert_eq!(status("GET", &one, &trigger), 401);
    assert_eq!(status("GET", &one, &outsider), 404);
    assert_eq!(status("GET", &one, &read_only), 200);
    assert_eq!(status("POST", &cancel, &read_only), 403);
    assert_eq!(status("GET", &cancel, &own), 405);
    assert_eq!(status("GET", "/pipelines/", &own), 404);
    assert_eq!(status("GET", "/pipelines/x", &own), 400);
    assert_eq!(status("GET", "", &own), 200);
    let anonymous = Request::new("GET", &format!("{PROJECT}{one}"));
    assert_eq!(world.handle(&anonymous, NOW_MS).status, 404);
    let unencoded = Request::new("GET", "/api/v4/projects/group/pipelines/pipelines");
    let unencoded = unencoded.with_bearer(&own);
    assert_eq!(world.handle(&unencoded, NOW_MS).status, 404);
}

#[test]
fn pipelines_are_listed_and_filtered() {
    let mut world = World::new(1);
    world.add_branch("topic");
    world.pipeline_name = Some("Gateway $AZDO_GATEWAY_RUN".to_owned());
    let first = started(&mut world, "run-1");
    post(&mut world, "/pipeline", &json!({"ref": "topic"}));
    world.builds().set_state(first, State::Succeeded);
    let since = whole_seconds(NOW_MS - 60_000);
    for (query, count) in [
        (String::new(), 2),
        (format!("?source=trigger&updated_after={since}&order_by=id&sort=desc"), 1),
        ("?source=api".to_owned(), 1),
        ("?ref=topic".to_owned(), 1),
        ("?status=success".to_owned(), 1),
        ("?scope=finished".to_owned(), 1),
        ("?name=Gateway%20run-1".to_owned(), 1),
        (format!("?updated_after={}", whole_seconds(NOW_MS)), 0),
        ("?per_page=1&page=2".to_owned(), 1),
    ] {
        let answer = get(&mut world, &format!("/pipelines{query}")).body_json();
        assert_eq!(answer.as_array().unwrap().len(), count, "{query}");
    }
    let page = get(&mut world, "/pipelines?per_page=1");
    assert_eq!((page.header("x-next-page"), page.header("x-total")), (Some("2"), Some("2")));
    assert!(page.body_json()[0]["id"].as_u64().unwrap() > first);
    assert!(page.body_json()[0].get("yaml_errors").is_none());
    for wrong in ["?status=done", "?sort=newest", "?updated_after=today", "?page=0"] {
        assert_eq!(get(&mut world, &format!("/pipelines{wrong}")).status, 400, "{wrong}");
    }
}

#[test]
fn variables_are_shown_to_maintainers_and_to_who_started_the_pipeline() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let path = format!("/pipelines/{number}/variables");
    assert_eq!(get(&mut world, &path).status, 403);
    world.is_maintainer = true;
    let shown = get(&mut world, &path).body_json();
    assert_eq!(
        (&shown[0]["key"], &shown[0]["value"]),
        (&json!("AZDO_GATEWAY_RUN"), &json!("run-1"))
    );
    world.is_maintainer = false;
    let own = json!({"ref": "main", "variables": [{"key": "A", "value": "1"}]});
    let number = post(&mut world, "/pipeline", &own).body_json()["id"].clone();
    assert_eq!(get(&mut world, &format!("/pipelines/{number}/variables")).status, 200);
}

#[test]
fn cancelling_is_always_answered_alike() {
    let mut world = World::new(1);
    world.builds().cancels_at_once = false;
    let number = started(&mut world, "run-1");
    world.builds().set_state(number, State::Running);
    let cancel = format!("/pipelines/{number}/cancel");
    let answer = post(&mut world, &cancel, &json!({}));
    assert_eq!((answer.status, &answer.body_json()["status"]), (200, &json!("canceling")));
    world.builds().set_state(number, State::Succeeded);
    let answer = post(&mut world, &cancel, &json!({}));
    assert_eq!((answer.status, &answer.body_json()["status"]), (200, &json!("success")));
    assert_eq!(world.builds().all()[0].cancels, 1);
    let queued = started(&mut world, "run-2");
    let answer = post(&mut world, &format!("/pipelines/{queued}/cancel"), &json!({}));
    assert_eq!(answer.body_json()["status"], "canceled");
    assert_eq!(post(&mut world, "/pipelines/1/cancel", &json!({})).status, 404);
}

#[test]
fn the_webhook_is_signed_or_carries_the_secret() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    world.builds().set_state(number, State::Succeeded);
    let event = world.callback(number, NOW_MS).unwrap();
    let id = verified_id(&event, &[world.webhook_secret().to_owned()], NOW_MS).unwrap();
    assert_eq!(event.header("idempotency-key"), Some(id.as_str()));
    let body: Value = serde_json::from_slice(&event.body).unwrap();
    let attributes = &body["object_attributes"];
    assert_eq!((&body["object_kind"], &attributes["id"]), (&json!("pipeline"), &json!(number)));
    assert_eq!(attributes["variables"], json!([{"key": "AZDO_GATEWAY_RUN", "value": "run-1"}]));
    assert_eq!(attributes["created_at"], "2027-01-15 08:00:00 UTC");
    world.hook = Hook::Token;
    let event = world.callback(number, NOW_MS).unwrap();
    assert_eq!(event.header("x-gitlab-token"), Some(world.webhook_secret()));
    assert_eq!(event.header("webhook-signature"), None);
    assert!(world.callback(1, NOW_MS).is_none());
}
