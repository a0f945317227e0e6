//! The life of a build, and what TeamCity refuses.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const QUEUE: &str = "/app/rest/buildQueue?fields=id,webUrl,state,status";

fn request(method: &str, target: &str, token: &str) -> Request {
    Request::new(method, target).with_bearer(token).with_header("accept", "application/json")
}

fn get(world: &mut World, target: &str) -> Response {
    let request = request("GET", target, world.token());
    world.handle(&request, NOW_MS)
}

fn post(world: &mut World, target: &str, body: &Value) -> Response {
    let request = request("POST", target, world.token()).with_json(body);
    world.handle(&request, NOW_MS)
}

fn wanted(run: &str, branch: &str) -> Value {
    json!({
        "buildType": {"id": "Proj_Build"},
        "branchName": branch,
        "comment": {"text": format!("azdo-gateway {run}")},
        "properties": {"property": [
            {"name": "gateway.run", "value": run},
            {"name": "env.COMMIT", "value": "a".repeat(40)},
        ]},
    })
}

fn started(world: &mut World, run: &str) -> u64 {
    let answer = post(world, QUEUE, &wanted(run, "topic"));
    assert_eq!(answer.status, 200);
    answer.body_json()["id"].as_u64().unwrap()
}

fn more(response: &Response) -> String {
    response.body_json()["errors"][0]["additionalMessage"].as_str().unwrap().to_owned()
}

#[test]
fn a_build_keeps_its_id_when_it_leaves_the_queue() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:9/tc");
    let answer = post(&mut world, QUEUE, &wanted("run-1", "topic")).body_json();
    let number = answer["id"].as_u64().unwrap();
    let page = format!("http://127.0.0.1:9/tc/viewQueued.html?itemId={number}");
    // A build in the queue has no status yet.
    assert_eq!(answer, json!({"id": number, "state": "queued", "webUrl": page}));
    let build = world.builds().all()[0].clone();
    assert_eq!((build.run.as_str(), build.git_ref.as_str()), ("run-1", "topic"));
    let fields = "?fields=state,status,statusText,canceledInfo(user),failedToStart";
    for (state, shown, status) in [
        (State::Running, "running", "SUCCESS"),
        (State::Succeeded, "finished", "SUCCESS"),
        (State::Failed, "finished", "FAILURE"),
        (State::Errored, "finished", "UNKNOWN"),
        (State::Cancelled, "finished", "UNKNOWN"),
    ] {
        world.builds().set_state(number, state);
        let one = get(&mut world, &format!("/app/rest/builds/id:{number}{fields}")).body_json();
        assert_eq!((&one["state"], &one["status"]), (&json!(shown), &json!(status)));
        assert_eq!(one.get("failedToStart").is_some(), state == State::Errored);
        assert_eq!(one["canceledInfo"]["user"].is_object(), state == State::Cancelled);
        assert!(one["canceledInfo"].get("text").is_none());
    }
    let queued = get(&mut world, &format!("/app/rest/buildQueue/id:{number}")).body_json();
    assert_eq!(queued["state"], "finished");
    world.builds().delete(number);
    assert_eq!(get(&mut world, &format!("/app/rest/builds/id:{number}")).status, 404);
}

#[test]
fn builds_are_found_by_their_property_when_the_locator_lets_all_through() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    started(&mut world, "run-2");
    let base = "/app/rest/builds?locator=buildType:(id:Proj_Build),\
                property:(name:gateway.run,value:run-1)";
    let all = ",state:any,branch:default:any,canceled:any,failedToStart:any";
    let fields = "&fields=build(id,webUrl)";
    for state in [State::Queued, State::Running, State::Errored, State::Cancelled] {
        world.builds().set_state(number, state);
        let found = get(&mut world, &format!("{base}{all}{fields}")).body_json();
        assert_eq!(found["build"][0]["id"], number, "{state:?}");
        assert_eq!(found["build"].as_array().unwrap().len(), 1);
        assert!(found.get("count").is_none());
        // A list leaves out what is not finished, not on the default branch, or did not run.
        let usual = get(&mut world, base).body_json();
        assert_eq!(usual["count"], 0, "{state:?}");
    }
    world.builds().set_state(number, State::Succeeded);
    for (rest, count) in [
        (",branch:topic", 1),
        (",branch:(name:topic)", 1),
        (",branch:main", 0),
        ("", 0),
        (",defaultFilter:false", 1),
        (",state:running,branch:default:any", 0),
        (",status:FAILURE,branch:default:any", 0),
    ] {
        let found = get(&mut world, &format!("{base}{rest}")).body_json();
        assert_eq!(found["count"], count, "{rest}");
    }
    for wrong in ["propertyy:(name:a)", "gateway", "build:1"] {
        let refusal = get(&mut world, &format!("/app/rest/builds?locator={wrong}"));
        assert_eq!(refusal.status, 400, "{wrong}");
    }
}

#[test]
fn what_cannot_be_started_is_refused() {
    let mut world = World::new(1);
    let with = |key: &str, value: Value| {
        let mut body = wanted("run-1", "main");
        body[key] = value;
        body
    };
    for (body, status, text) in [
        (with("buildType", json!({"id": "Other"})), 404, "No build type nor template is found"),
        (with("buildType", json!({})), 400, "No build type is specified"),
        (with("commit", json!("a")), 400, "Unrecognized field \"commit\""),
        (with("properties", json!({"gateway.run": "r"})), 400, "should be specified"),
        (with("lastChanges", json!({"change": [{"locator": "version:a"}]})), 404, "No changes"),
        (json!([]), 400, "Cannot parse"),
    ] {
        let refusal = post(&mut world, QUEUE, &body);
        assert_eq!(refusal.status, status, "{body}");
        assert!(more(&refusal).contains(text), "{}", more(&refusal));
    }
    assert!(world.builds().all().is_empty());
    world.add_change("abc");
    let pinned = json!({"change": [{"locator": "version:(abc),buildType:(id:Proj_Build)"}]});
    assert_eq!(post(&mut world, QUEUE, &with("lastChanges", pinned)).status, 200);
    assert_eq!(world.builds().all()[0].commit, "abc");
}

#[test]
fn callers_are_refused_without_a_right_token() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    let [own, view, outsider] =
        [world.token(), world.read_only_token(), world.outsider_token()].map(str::to_owned);
    let one = format!("/app/rest/builds/id:{number}");
    let mut status = |method: &str, target: &str, token: &str| {
        let request = request(method, target, token).with_json(&wanted("run-2", "main"));
        world.handle(&request, NOW_MS).status
    };
    assert_eq!(status("GET", &one, "wrong"), 401);
    assert_eq!(status("GET", &one, &view), 200);
    assert_eq!(status("POST", QUEUE, &view), 403);
    assert_eq!(status("GET", &one, &outsider), 404);
    assert_eq!(status("GET", &format!("{one}/"), &own), 404);
    assert_eq!(status("DELETE", &one, &own), 405);
    assert_eq!(status("GET", "/app/rest/buildTypes/id:Proj_Build", &own), 200);
    assert_eq!(status("GET", "/app/rest/buildTypes/id:Other", &own), 404);
    let anonymous = world.handle(&Request::new("GET", &one), NOW_MS);
    assert_eq!((anonymous.status, anonymous.body_json()), (401, Value::Null));
    // Who does not ask for JSON gets XML.
    let xml = world.handle(&Request::new("GET", &one).with_bearer(&own), NOW_MS);
    assert!(String::from_utf8(xml.body).unwrap().starts_with("<?xml"));
    let form = request("POST", QUEUE, &own).with_header("content-type", "text/plain");
    assert_eq!(world.handle(&form, NOW_MS).status, 415);
}

#[test]
fn a_build_is_cancelled_in_the_queue_or_while_it_runs() {
    let mut world = World::new(1);
    let body = json!({"comment": "superseded", "readdIntoQueue": false});
    let first = started(&mut world, "run-1");
    let answer = post(&mut world, &format!("/app/rest/buildQueue/id:{first}"), &body);
    assert_eq!((answer.status, &answer.body_json()["state"]), (200, &json!("finished")));
    assert_eq!(post(&mut world, &format!("/app/rest/buildQueue/id:{first}"), &body).status, 404);
    let late = post(&mut world, &format!("/app/rest/builds/id:{first}"), &body);
    assert_eq!((late.status, more(&late).as_str()), (400, "Cannot cancel not running build."));
    world.builds().cancels_at_once = false;
    let second = started(&mut world, "run-2");
    world.cancels_queued_as_builds = false;
    let one = format!("/app/rest/builds/id:{second}");
    assert_eq!(post(&mut world, &one, &body).status, 400);
    world.builds().set_state(second, State::Running);
    assert_eq!(post(&mut world, &one, &body).body_json()["state"], "running");
    assert_eq!(world.builds().get(second).unwrap().cancels, 1);
    assert_eq!(post(&mut world, &one, &json!({"reason": "x"})).status, 400);
    world.builds().cancels_at_once = true;
    let again = json!({"readdIntoQueue": true});
    assert_eq!(post(&mut world, &one, &again).status, 200);
    assert_eq!(world.builds().of_run("run-2").count(), 2);
    assert_eq!(post(&mut world, "/app/rest/builds/id:1", &body).status, 404);
}

#[test]
fn the_webhook_says_interrupted_of_a_cancelled_build() {
    let mut world = World::new(1);
    let number = started(&mut world, "run-1");
    assert!(world.callback(number, NOW_MS).is_none());
    for (state, event) in [
        (State::Running, "BUILD_STARTED"),
        (State::Succeeded, "BUILD_FINISHED"),
        (State::Cancelled, "BUILD_INTERRUPTED"),
    ] {
        world.builds().set_state(number, state);
        let request = world.callback(number, NOW_MS).unwrap();
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&body["eventType"], &body["payload"]["id"]), (&json!(event), &json!(number)));
        let (user, password) = world.webhook_credential();
        let header = request.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
        let decoded = STANDARD.decode(header).unwrap();
        assert_eq!(String::from_utf8(decoded).unwrap(), format!("{user}:{password}"));
    }
}
