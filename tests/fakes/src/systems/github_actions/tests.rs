//! The life of a run, and what GitHub refuses.

use serde_json::{Value, json};

use super::app::assertion;
use super::{Input, Limits, RunDetails, World};
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::published::Document;
use crate::systems::{State, System as _};
use crate::timestamp::whole_seconds;

const NOW_MS: i64 = 1_800_000_000_000;
const ACTIONS: &str = "/repos/octo-org/pipelines/actions";
const DISPATCHES: &str = "/repos/octo-org/pipelines/actions/workflows/build.yml/dispatches";

fn plain(method: &str, target: &str, token: &str) -> Request {
    Request::new(method, target)
        .with_header("user-agent", "azdo-gateway")
        .with_header("accept", "application/vnd.github+json")
        .with_header("x-github-api-version", "2022-11-28")
        .with_bearer(token)
}

fn get_at(world: &mut World, target: &str, now_ms: i64) -> Response {
    let request = plain("GET", target, world.token());
    world.handle(&request, now_ms)
}

fn get(world: &mut World, target: &str) -> Response {
    get_at(world, target, NOW_MS)
}

fn post(world: &mut World, target: &str, body: &Value) -> Response {
    let request = plain("POST", target, world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(run: &str) -> Value {
    json!({"ref": "main", "inputs": {"azdo_gateway_run": run}, "return_run_details": true})
}

fn started(world: &mut World, run: &str) -> u64 {
    let answer = post(world, DISPATCHES, &wanted(run));
    assert_eq!(answer.status, 200);
    answer.body_json()["workflow_run_id"].as_u64().unwrap()
}

fn run(world: &mut World, number: u64) -> Value {
    get(world, &format!("{ACTIONS}/runs/{number}")).body_json()
}

fn message(response: &Response) -> String {
    response.body_json()["message"].as_str().unwrap().to_owned()
}

fn assert_refused(world: &mut World, body: &Value, status: u16, text: &str) {
    let refusal = post(world, DISPATCHES, body);
    assert_eq!(refusal.status, status, "{body}");
    assert!(message(&refusal).contains(text), "{}", message(&refusal));
    assert_eq!(refusal.body_json()["status"], status.to_string());
    assert!(world.builds().all().is_empty());
}

#[test]
fn a_dispatch_starts_a_run_that_is_found_by_its_id() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:9/github");
    let number = started(&mut world, "run-1");
    assert!(number > u64::from(u32::MAX));
    let build = world.builds().all()[0].clone();
    assert_eq!((build.run.as_str(), build.git_ref.as_str()), ("run-1", "main"));
    for (state, status, conclusion) in [
        (State::Queued, "queued", Value::Null),
        (State::Running, "in_progress", Value::Null),
        (State::Succeeded, "completed", json!("success")),
        (State::Failed, "completed", json!("failure")),
        (State::Errored, "completed", json!("startup_failure")),
        (State::Cancelled, "completed", json!("cancelled")),
    ] {
        world.builds().set_state(number, state);
        let run = run(&mut world, number);
        assert_eq!((&run["status"], &run["conclusion"]), (&json!(status), &conclusion));
        assert_eq!(run["display_title"], "Build run-1");
        let page = format!("http://127.0.0.1:9/github/octo-org/pipelines/actions/runs/{number}");
        assert_eq!(run["html_url"], page);
    }
    world.show(number, "waiting", None);
    assert_eq!(run(&mut world, number)["status"], "waiting");
    world.builds().delete(number);
    assert_eq!(get(&mut world, &format!("{ACTIONS}/runs/{number}")).status, 404);
}

#[test]
fn the_answer_of_a_dispatch_may_be_empty() {
    let mut world = World::new(1);
    let body = json!({"ref": "refs/heads/main", "inputs": {"azdo_gateway_run": "run-1"}});
    let silent = post(&mut world, DISPATCHES, &body);
    assert_eq!((silent.status, silent.body.len()), (204, 0));
    world.run_details = RunDetails::Ignored;
    assert_eq!(post(&mut world, DISPATCHES, &wanted("run-2")).status, 204);
    world.run_details = RunDetails::Refused;
    let refusal = post(&mut world, DISPATCHES, &wanted("run-3"));
    assert_eq!(refusal.status, 422);
    assert!(message(&refusal).contains("\"return_run_details\" is not a permitted key"));
    world.run_details = RunDetails::Given;
    let mut request = plain("POST", DISPATCHES, world.token()).with_json(&body);
    request.headers.retain(|(name, _)| name != "x-github-api-version");
    let request = request.with_header("x-github-api-version", "2026-03-10");
    assert_eq!(world.handle(&request, NOW_MS).status, 200);
    assert_eq!(world.builds().all().len(), 3);
}

#[test]
fn a_dispatch_that_the_workflow_does_not_permit_is_refused_in_githubs_words() {
    let mut world = World::new(1);
    world.workflow.inputs.push(Input::required("suite"));
    let choices = vec!["fast".to_owned(), "slow".to_owned()];
    world.workflow.inputs.push(Input { choices, ..Input::optional("speed") });
    let world = &mut world;
    let with = |inputs: Value| json!({"ref": "main", "inputs": inputs});
    assert_refused(world, &json!({"inputs": {}}), 422, "\"ref\" wasn't supplied");
    assert_refused(world, &json!({"ref": 1}), 422, "is not a string");
    assert_refused(world, &json!({"ref": "main", "sha": "a"}), 422, "not a permitted key");
    assert_refused(world, &json!({"ref": "topic"}), 422, "No ref found for: topic");
    let unknown = with(json!({"suite": "a", "x": "1"}));
    assert_refused(world, &unknown, 422, "Unexpected inputs provided: [\"x\"]");
    assert_refused(world, &with(json!({})), 422, "Required input 'suite' not provided");
    assert_refused(world, &with(json!({"suite": 1})), 422, "is not a string");
    let choice = with(json!({"suite": "a", "speed": "warp"}));
    assert_refused(world, &choice, 422, "not in the list of allowed values");
    let many: Value = (0..26).map(|number| (format!("i{number}"), json!("v"))).collect();
    assert_refused(world, &with(many), 422, "more than 25");
    assert_refused(world, &json!([]), 400, "Body should be a JSON object");
    // A commit is not a ref.
    let sha = world.refs["refs/heads/main"].clone();
    assert_refused(world, &json!({"ref": sha}), 422, "No ref found for");
    world.workflow.is_dispatchable = false;
    let lacking = "Workflow does not have 'workflow_dispatch' trigger";
    assert_refused(world, &with(json!({})), 422, lacking);
    world.workflow.is_dispatchable = true;
    world.workflow.state = "disabled_inactivity".to_owned();
    assert_refused(world, &with(json!({"suite": "a"})), 422, "disabled workflow");
    world.workflow.is_on_default_branch = false;
    assert_refused(world, &with(json!({"suite": "a"})), 404, "Not Found");
    let broken = Request { body: b"{".to_vec(), ..plain("POST", DISPATCHES, world.token()) };
    world.workflow.is_on_default_branch = true;
    assert_eq!(message(&world.handle(&broken, NOW_MS)), "Problems parsing JSON");
}

#[test]
fn callers_are_refused_without_a_right_token_and_headers() {
    let mut world = World::new(1);
    let target = format!("{ACTIONS}/runs");
    let [own, read_only, outsider, classic] =
        [world.token(), world.read_only_token(), world.outsider_token(), world.classic_token()]
            .map(str::to_owned);
    assert!(own.starts_with("github_pat_") && classic.starts_with("ghp_"));
    let mut status = |request: &Request| world.handle(request, NOW_MS).status;
    assert_eq!(status(&plain("GET", &target, "ghp_wrong")), 401);
    assert_eq!(status(&plain("GET", &target, &outsider)), 404);
    assert_eq!(status(&plain("GET", &target, &read_only)), 200);
    assert_eq!(status(&plain("POST", DISPATCHES, &read_only).with_json(&wanted("r"))), 403);
    assert_eq!(status(&plain("POST", DISPATCHES, &classic).with_json(&wanted("r"))), 200);
    let anonymous = Request::new("GET", &target).with_header("user-agent", "x");
    assert_eq!(status(&anonymous), 404);
    assert_eq!(status(&Request::new("GET", &target).with_bearer(&own)), 403);
    let bare = || Request::new("GET", &target).with_bearer(&own).with_header("user-agent", "x");
    assert_eq!(status(&bare()), 200);
    assert_eq!(status(&bare().with_header("accept", "text/html")), 415);
    assert_eq!(status(&bare().with_header("x-github-api-version", "2020-01-01")), 400);
    for wrong in [format!("{target}/"), "/api/v3/meta".to_owned(), format!("{ACTIONS}//runs")] {
        assert_eq!(status(&plain("GET", &wrong, &own)), 404, "{wrong}");
    }
    assert_eq!(status(&plain("GET", DISPATCHES, &own)), 404);
    // Its kind of event needs another permission.
    let event = json!({"event_type": "build"});
    let dispatches = "/repos/octo-org/pipelines/dispatches";
    assert_eq!(status(&plain("POST", dispatches, &own).with_json(&event)), 403);
    assert_eq!(status(&plain("POST", dispatches, &classic).with_json(&event)), 204);
}

#[test]
fn the_list_lags_and_is_filtered() {
    let mut world = World::new(1);
    world.add_ref("refs/heads/topic");
    let first = started(&mut world, "run-1");
    let body = json!({"ref": "topic", "inputs": {"azdo_gateway_run": "run-2"}});
    assert_eq!(post(&mut world, DISPATCHES, &body).status, 204);
    let list = format!("{ACTIONS}/workflows/161335/runs");
    assert_eq!(get(&mut world, &list).body_json()["total_count"], 0);
    let late_ms = NOW_MS + 5_000;
    let since = whole_seconds(NOW_MS - 60_000);
    for (query, count) in [
        (String::new(), 2),
        (format!("?event=workflow_dispatch&created=%3E%3D{since}&per_page=100"), 2),
        (format!("?created=%3E{}", whole_seconds(NOW_MS)), 0),
        (format!("?created=*..{}", whole_seconds(NOW_MS)), 2),
        ("?event=push".to_owned(), 0),
        ("?branch=topic".to_owned(), 1),
        ("?status=queued".to_owned(), 2),
        ("?status=success".to_owned(), 0),
        ("?per_page=1&page=2".to_owned(), 1),
        ("?per_page=1&page=3".to_owned(), 0),
    ] {
        let answer = get_at(&mut world, &format!("{list}{query}"), late_ms).body_json();
        assert_eq!(answer["workflow_runs"].as_array().unwrap().len(), count, "{query}");
    }
    let page = get_at(&mut world, &format!("{list}?per_page=1"), late_ms);
    assert_eq!(page.body_json()["workflow_runs"][0]["display_title"], "Build run-2");
    assert!(page.header("link").unwrap().contains("page=2>; rel=\"next\""));
    let oldest = get_at(&mut world, &format!("{list}?per_page=1&page=2"), late_ms);
    assert_eq!(oldest.body_json()["workflow_runs"][0]["id"], first);
    assert_eq!(get(&mut world, &format!("{list}?created=yesterday")).status, 422);
    assert_eq!(get(&mut world, &format!("{ACTIONS}/workflows/other.yml/runs")).status, 404);
}

#[test]
fn a_run_is_cancelled_once_and_a_rerun_keeps_its_id() {
    let mut world = World::new(1);
    world.builds().cancels_at_once = false;
    let number = started(&mut world, "run-1");
    world.builds().set_state(number, State::Running);
    let target = format!("{ACTIONS}/runs/{number}");
    let cancel = format!("{target}/cancel");
    assert_eq!(post(&mut world, &cancel, &json!({})).status, 202);
    assert_eq!(run(&mut world, number)["status"], "in_progress");
    assert_eq!(post(&mut world, &format!("{target}/force-cancel"), &json!({})).status, 202);
    assert_eq!(run(&mut world, number)["conclusion"], "cancelled");
    assert_eq!(post(&mut world, &cancel, &json!({})).status, 409);
    assert_eq!(world.builds().all()[0].cancels, 2);
    assert_eq!(post(&mut world, &format!("{target}/rerun"), &json!({})).status, 201);
    let again = run(&mut world, number);
    assert_eq!((&again["status"], &again["run_attempt"]), (&json!("queued"), &json!(2)));
    assert_eq!(again["conclusion"], Value::Null);
    let unknown = format!("{ACTIONS}/runs/1/cancel");
    assert_eq!(post(&mut world, &unknown, &json!({})).status, 404);
}

#[test]
fn limits_are_answered_by_403() {
    let mut world = World::new(1);
    world.limits = Limits { writes_per_minute: 2, ..Limits::default() };
    started(&mut world, "run-1");
    started(&mut world, "run-2");
    let refusal = post(&mut world, DISPATCHES, &wanted("run-3"));
    assert_eq!((refusal.status, refusal.header("retry-after")), (403, Some("60")));
    assert!(message(&refusal).contains("secondary rate limit"));
    assert_eq!(world.builds().all().len(), 2);
    world.limits = Limits { requests_per_hour: 3, ..Limits::default() };
    let last = get(&mut world, ACTIONS);
    assert_eq!(last.header("x-ratelimit-remaining"), Some("0"));
    let refusal = get(&mut world, &format!("{ACTIONS}/runs"));
    assert_eq!((refusal.status, refusal.header("retry-after")), (403, None));
    let reset_s = (NOW_MS + 3_600_000) / 1_000;
    assert_eq!(refusal.header("x-ratelimit-reset"), Some(reset_s.to_string().as_str()));
    let fresh = get_at(&mut world, &format!("{ACTIONS}/runs"), NOW_MS + 3_600_000);
    assert_eq!(fresh.status, 200);
}

#[test]
fn an_unchanged_answer_is_not_sent_again() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let target = format!("{ACTIONS}/runs/{number}");
    let tag = get(&mut world, &target).header("etag").unwrap().to_owned();
    let request = plain("GET", &target, world.token()).with_header("if-none-match", &tag);
    let unchanged = world.handle(&request, NOW_MS);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    world.builds().set_state(number, State::Running);
    assert_eq!(world.handle(&request, NOW_MS).status, 200);
}

fn issued(world: &mut World, claims: &Value, body: &Value) -> Response {
    let target = format!("/app/installations/{}/access_tokens", world.installation());
    let request = plain("POST", &target, &assertion(claims)).with_json(body);
    world.handle(&request, NOW_MS)
}

#[test]
fn an_app_gets_tokens_of_its_installation_for_an_hour() {
    let mut world = World::new(1);
    let now_s = NOW_MS / 1_000;
    let claims = json!({"iat": now_s - 60, "exp": now_s + 540, "iss": world.app_id().to_string()});
    let answer = issued(&mut world, &claims, &json!({}));
    assert_eq!(answer.status, 201);
    let answer = answer.body_json();
    assert_eq!(answer["expires_at"], whole_seconds(NOW_MS + 3_600_000));
    let token = answer["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("ghs_"));
    let start = plain("POST", DISPATCHES, &token).with_json(&wanted("run-1"));
    assert_eq!(world.handle(&start, NOW_MS + 3_599_000).status, 200);
    assert_eq!(world.handle(&start, NOW_MS + 3_600_000).status, 401);
    world.revoke_issued_tokens();
    assert_eq!(world.handle(&start, NOW_MS).status, 401);
    world.restrict_installation();
    let answer = issued(&mut world, &claims, &json!({"permissions": {"actions": "write"}}));
    assert_eq!(answer.status, 422);
    let answer = issued(&mut world, &claims, &json!({"repositories": ["pipelines"]})).body_json();
    let weak = answer["token"].as_str().unwrap();
    let refusal = world.handle(&plain("POST", DISPATCHES, weak).with_json(&wanted("r")), NOW_MS);
    assert_eq!(message(&refusal), "Resource not accessible by integration");
    let answer = issued(&mut world, &claims, &json!({"repositories": ["other"]}));
    assert_eq!(answer.status, 422);
    assert_eq!(world.issued_tokens(), 2);
}

#[test]
fn a_wrong_assertion_is_refused() {
    let mut world = World::new(1);
    let now_s = NOW_MS / 1_000;
    let right = json!({"iat": now_s - 60, "exp": now_s + 540, "iss": world.app_id()});
    for (claim, value, status) in [
        ("iat", json!(now_s + 10), 401),
        ("exp", json!(now_s), 401),
        ("exp", json!(now_s + 700), 401),
        ("iss", json!("1"), 404),
        ("iat", Value::Null, 401),
    ] {
        let mut claims = right.clone();
        claims[claim] = value;
        assert_eq!(issued(&mut world, &claims, &json!({})).status, status, "{claims}");
    }
    let target = format!("/app/installations/{}/access_tokens", world.installation());
    let token = assertion(&right);
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = plain("POST", &target, &format!("{message}.AAAA"));
    assert_eq!(world.handle(&forged, NOW_MS).status, 401);
    assert_eq!(world.handle(&plain("POST", &target, &token), NOW_MS).status, 201);
    let other = plain("POST", "/app/installations/1/access_tokens", &token);
    assert_eq!(world.handle(&other, NOW_MS).status, 404);
    let personal = plain("POST", &target, world.token());
    assert_eq!(world.handle(&personal, NOW_MS).status, 401);
    // The assertion is no token.
    assert_eq!(world.handle(&plain("GET", ACTIONS, &token), NOW_MS).status, 401);
    assert!(world.private_key().starts_with("-----BEGIN RSA PRIVATE KEY-----\nMII"));
}

#[test]
fn the_workflow_and_its_file_can_be_read() {
    let mut world = World::new(1);
    world.workflow.inputs.push(Input::required("suite"));
    let workflow = get(&mut world, &format!("{ACTIONS}/workflows/build.yml")).body_json();
    assert_eq!((&workflow["state"], &workflow["id"]), (&json!("active"), &json!(161_335)));
    let file = "/repos/octo-org/pipelines/contents/.github/workflows/build.yml?ref=main";
    assert_eq!(get(&mut world, file).status, 403);
    world.permit_contents();
    let answer = get(&mut world, file).body_json();
    assert_eq!((&answer["encoding"], &answer["type"]), (&json!("base64"), &json!("file")));
    let mut raw = plain("GET", file, world.token());
    raw.headers.retain(|(name, _)| name != "accept");
    let raw = world.handle(&raw.with_header("accept", "application/vnd.github.raw+json"), NOW_MS);
    let text = String::from_utf8(raw.body).unwrap();
    assert!(text.contains("run-name: Build ${{ inputs.azdo_gateway_run }}"), "{text}");
    assert!(text.contains("      suite:\n        required: true\n"), "{text}");
}

#[test]
fn the_webhook_is_signed_over_its_body() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    for (state, action) in [
        (State::Queued, "requested"),
        (State::Running, "in_progress"),
        (State::Failed, "completed"),
    ] {
        world.builds().set_state(number, state);
        let event = world.callback(number, NOW_MS).unwrap();
        let body: Value = serde_json::from_slice(&event.body).unwrap();
        assert_eq!(
            (&body["action"], &body["workflow_run"]["id"]),
            (&json!(action), &json!(number))
        );
        assert_eq!(event.header("x-github-event"), Some("workflow_run"));
        let signature = event.header("x-hub-signature-256").unwrap();
        assert_eq!(signature.len(), "sha256=".len() + 64);
        if let Some(spec) = Document::json("github-actions.cut.json") {
            let action = action.replace('_', "-");
            let schema = spec.at(&format!("/components/schemas/webhook-workflow-run-{action}"));
            spec.check(schema, &body);
        }
    }
    assert!(world.callback(1, NOW_MS).is_none());
}

#[test]
fn answers_are_as_published() {
    let Some(spec) = Document::json("github-actions.cut.json") else { return };
    let schema = |name: &str| spec.at(&format!("/components/schemas/{name}"));
    let mut world = World::new(1);
    let answer = post(&mut world, DISPATCHES, &wanted("run-1")).body_json();
    spec.check(schema("workflow-dispatch-response"), &answer);
    let number = answer["workflow_run_id"].as_u64().unwrap();
    spec.check(schema("workflow-run"), &run(&mut world, number));
    world.rerun(number);
    spec.check(schema("workflow-run"), &run(&mut world, number));
    let workflow = get(&mut world, &format!("{ACTIONS}/workflows/build.yml")).body_json();
    spec.check(schema("workflow"), &workflow);
    spec.check(schema("basic-error"), &get(&mut world, ACTIONS).body_json());
    let list = get_at(&mut world, &format!("{ACTIONS}/runs"), NOW_MS + 9_000).body_json();
    let path = "/paths/~1repos~1{owner}~1{repo}~1actions~1runs/get/responses/200/content/\
                application~1json/schema";
    spec.check(spec.at(path), &list);
    let body = "/paths/~1repos~1{owner}~1{repo}~1actions~1workflows~1{workflow_id}~1dispatches/\
                post/requestBody/content/application~1json/schema";
    spec.check(spec.at(body), &wanted("run-1"));
}
