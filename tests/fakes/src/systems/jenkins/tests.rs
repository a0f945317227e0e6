//! The life of a build at Jenkins from the queue on, its refusals, and what is dropped silently.

/// Who may do what, and by which credential.
mod access;

use serde_json::{Value, json};

use super::{Parameter, World};
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const RUN: &str = "AZDO_GATEWAY_RUN";

fn signed_in(world: &World, request: Request, user: &str) -> Request {
    let (name, token) = world.credentials(user);
    let encoded = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("{name}:{token}"),
    );
    request.with_header("authorization", &format!("Basic {encoded}"))
}

fn ask_at(world: &mut World, method: &str, target: &str, now_ms: i64) -> Response {
    let request = signed_in(world, Request::new(method, target), "gateway");
    world.handle(&request, now_ms)
}

fn get(world: &mut World, target: &str) -> Value {
    let answer = ask_at(world, "GET", target, NOW_MS);
    assert_eq!(answer.status, 200, "{target}: {}", String::from_utf8_lossy(&answer.body));
    answer.body_json()
}

fn job(world: &World, rest: &str) -> String {
    format!("{}/{rest}", world.job_path())
}

/// Sends a form and returns the status and the id in `Location`.
fn post(world: &mut World, form: &str) -> (u16, u64) {
    let mut request = Request::new("POST", &job(world, "buildWithParameters"))
        .with_header("content-type", "application/x-www-form-urlencoded");
    request.body = form.as_bytes().to_vec();
    let request = signed_in(world, request, "gateway");
    let answer = world.handle(&request, NOW_MS);
    assert!(answer.body.is_empty() || answer.status >= 400);
    let location = answer.header("location").unwrap_or_default().to_owned();
    let id = location.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    (answer.status, id.parse().unwrap_or(0))
}

fn start(world: &mut World, run: &str) -> (u64, u64) {
    let (status, id) = post(world, &format!("{RUN}={run}&delay=0sec"));
    assert_eq!(status, 201);
    (id, world.builds().all().last().unwrap().number)
}

#[test]
fn an_item_waits_leaves_and_becomes_a_build_that_ends() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:1/jenkins");
    let (id, number) = start(&mut world, "run-1");
    assert_ne!(id, number);
    assert_eq!(world.builds().of_run("run-1").count(), 1);
    let path = format!("/queue/item/{id}/api/json");
    let item = get(&mut world, &path);
    assert_eq!(item["_class"], "hudson.model.Queue$BuildableItem");
    assert_eq!(item["actions"][0]["parameters"][0]["value"], "run-1");
    assert!(item.get("executable").is_none());
    // Only its data exists, not its page.
    for bare in [format!("/queue/item/{id}/"), format!("/queue/item/{id}")] {
        assert_eq!(ask_at(&mut world, "GET", &bare, NOW_MS).status, 404);
    }
    let poll = job(&world, &format!("{number}/api/json"));
    assert_eq!(ask_at(&mut world, "GET", &poll, NOW_MS).status, 404);
    world.builds().set_state(number, State::Running);
    let item = get(&mut world, &path);
    assert_eq!(item["_class"], "hudson.model.Queue$LeftItem");
    assert_eq!(
        (&item["cancelled"], &item["executable"]["number"]),
        (&json!(false), &json!(number))
    );
    for (state, building, result) in [
        (State::Running, true, Value::Null),
        (State::Succeeded, false, json!("SUCCESS")),
        (State::Failed, false, json!("FAILURE")),
        (State::Errored, false, json!("NOT_BUILT")),
        (State::Cancelled, false, json!("ABORTED")),
    ] {
        world.builds().set_state(number, state);
        let build = get(&mut world, &poll);
        assert_eq!((&build["building"], &build["result"]), (&json!(building), &result));
        assert_eq!(build["queueId"], id);
        assert_eq!(build["url"], "http://127.0.0.1:1/jenkins/job/team%20a/job/web/1/");
    }
    world.builds().set_state(number, State::Failed);
    world.show_result(number, "UNSTABLE");
    assert_eq!(get(&mut world, &poll)["result"], "UNSTABLE");
    world.builds().set_state(number, State::Running);
    world.show_result(number, "FAILURE");
    let build = get(&mut world, &poll);
    assert_eq!((&build["building"], &build["result"]), (&json!(true), &json!("FAILURE")));
    world.builds().delete(number);
    assert_eq!(ask_at(&mut world, "GET", &poll, NOW_MS).status, 404);
    assert!(world.callback(number, NOW_MS).is_none());
}

#[test]
fn the_location_names_another_host_and_the_session_changes_with_a_restart() {
    let mut world = World::new(1);
    let target = job(&world, "buildWithParameters");
    let answer = ask_at(&mut world, "POST", &target, NOW_MS);
    let location = answer.header("location").unwrap();
    assert_eq!(location, "http://jenkins.internal.invalid:8080/queue/item/7001/");
    let before = world.session();
    assert_eq!(answer.header("x-jenkins-session"), Some(before.as_str()));
    assert!(answer.header("x-jenkins").is_some());
    world.restart();
    let missing = ask_at(&mut world, "GET", "/nothing", NOW_MS);
    assert_eq!(missing.status, 404);
    assert_ne!(missing.header("x-jenkins-session"), Some(before.as_str()));
    world.is_starting = true;
    let starting = ask_at(&mut world, "GET", "/api/json", NOW_MS);
    assert_eq!((starting.status, starting.header("x-jenkins")), (503, None));
}

#[test]
fn an_item_that_left_is_known_for_five_minutes() {
    let mut world = World::new(1);
    world.executable_lag_ms = 1_000;
    let (id, number) = start(&mut world, "run-1");
    let path = format!("/queue/item/{id}/api/json");
    world.builds().set_state(number, State::Running);
    assert_eq!(get(&mut world, &path)["executable"], Value::Null);
    let later = ask_at(&mut world, "GET", &path, NOW_MS + 299_999);
    assert_eq!(later.body_json()["executable"]["number"], number);
    assert_eq!(ask_at(&mut world, "GET", &path, NOW_MS + 300_000).status, 404);
    // The id of the item still finds the build.
    let tree = job(&world, "api/json?tree=builds[number,queueId]");
    let builds = get(&mut world, &tree);
    assert_eq!(builds["builds"][0]["queueId"], id);
}

#[test]
fn a_start_with_parameters_that_wait_already_makes_no_other_item() {
    let mut world = World::new(1);
    let (id, number) = start(&mut world, "run-1");
    assert_eq!(post(&mut world, &format!("{RUN}=run-1&delay=5sec")), (303, id));
    world.says_see_other = false;
    assert_eq!(post(&mut world, &format!("{RUN}=run-1")), (201, id));
    assert_eq!(world.builds().all().len(), 1);
    assert_eq!(post(&mut world, &format!("{RUN}=run-2")).0, 201);
    world.builds().set_state(number, State::Running);
    assert_ne!(post(&mut world, &format!("{RUN}=run-1")), (201, id));
    assert_eq!(world.builds().of_run("run-1").count(), 2);
}

#[test]
fn parameters_that_are_not_declared_are_dropped_and_missing_ones_take_defaults() {
    let mut world = World::new(1);
    world.parameters = vec![
        Parameter::text("COMMIT", "HEAD"),
        Parameter::choice("SUITE", &["all", "smoke"]),
        Parameter::boolean("CLEAN", true),
        Parameter::password("SECRET"),
    ];
    assert_eq!(post(&mut world, &format!("{RUN}=run-1&SUITE=smoke&SECRET=s3")).0, 201);
    let build = world.builds().all()[0].clone();
    assert_eq!(build.run, "");
    let inputs = json!({"COMMIT": "HEAD", "SUITE": "smoke", "CLEAN": true, "SECRET": "s3"});
    assert_eq!(build.inputs, *inputs.as_object().unwrap());
    // Without a parameter that differs, another run is taken for the same.
    assert_eq!(post(&mut world, &format!("{RUN}=run-2&SUITE=smoke&SECRET=s3")).0, 303);
    let shown = get(&mut world, "/queue/api/json").to_string();
    assert!(!shown.contains("s3") && !shown.contains("run-1"), "{shown}");
    for wrong in ["SUITE=other", "COMMIT=a&COMMIT=b", "delay=soon", "delay=5s"] {
        assert_eq!(post(&mut world, wrong).0, 500, "{wrong}");
    }
    let both = job(&world, "buildWithParameters?COMMIT=a");
    let mut request = Request::new("POST", &both)
        .with_header("content-type", "application/x-www-form-urlencoded");
    request.body = b"COMMIT=b".to_vec();
    let request = signed_in(&world, request, "gateway");
    assert_eq!(world.handle(&request, NOW_MS).status, 500);
    // A JSON body is not read.
    let request = Request::new("POST", &job(&world, "buildWithParameters"));
    let request = request.with_json(&json!({"COMMIT": "a"}));
    let request = signed_in(&world, request, "gateway");
    assert_eq!(world.handle(&request, NOW_MS).status, 201);
    assert_eq!(world.builds().all().last().unwrap().inputs["COMMIT"], "HEAD");
}

#[test]
fn a_delay_is_in_milliseconds_unless_it_says_seconds() {
    let mut world = World::new(1);
    for (text, expected) in [
        ("&delay=5sec", 5_000),
        ("&delay=2secs", 2_000),
        ("&delay=5", 0),
        ("&delay=5000", 5_000),
        ("", world.quiet_period_ms),
    ] {
        let number = world.builds().all().len() as u64 + 1;
        post(&mut world, &format!("{RUN}={number}{text}"));
        assert_eq!(world.delay_ms(number), Some(expected), "{text}");
    }
    let path = format!("/queue/item/{}/api/json", world.item_id(1));
    let item = get(&mut world, &path);
    assert_eq!(item["_class"], "hudson.model.Queue$WaitingItem");
    assert_eq!(item["why"], "In the quiet period. Expires in 5 sec");
    let item = ask_at(&mut world, "GET", &path, NOW_MS + 5_000).body_json();
    assert_eq!((&item["buildable"], &item["blocked"]), (&json!(true), &json!(false)));
    world.runs_concurrently = false;
    world.builds().set_state(2, State::Running);
    let item = ask_at(&mut world, "GET", &path, NOW_MS + 5_000).body_json();
    assert_eq!(item["_class"], "hudson.model.Queue$BlockedItem");
}

#[test]
fn look_ups_find_a_run_in_the_queue_and_among_the_newest_hundred_builds() {
    let mut world = World::new(1);
    let (waiting, _) = start(&mut world, "run-1");
    let queue = "/queue/api/json?tree=items[id,task[url],actions[parameters[name,value]]]";
    let items = get(&mut world, queue);
    let expected =
        json!({"_class": "hudson.model.StringParameterValue", "name": RUN, "value": "run-1"});
    assert_eq!(items["items"][0]["actions"][0]["parameters"], json!([expected]));
    assert_eq!(items["items"][0]["id"], waiting);
    assert!(items["items"][0].get("why").is_none());
    for run in 2..104 {
        let (_, number) = start(&mut world, &format!("run-{run}"));
        world.builds().set_state(number, State::Running);
    }
    let tree = "number,queueId,url,building,result,actions[parameters[name,value]]";
    let target = job(&world, &format!("api/json?tree=builds[{tree}]{{0,100}}"));
    let builds = get(&mut world, &target)["builds"].take();
    let builds = builds.as_array().unwrap();
    assert_eq!((builds.len(), &builds[0]["number"]), (100, &json!(103)));
    assert_eq!(builds[0]["actions"][0]["parameters"][0]["value"], "run-103");
    let target = job(&world, "api/json?tree=allBuilds[number]");
    let all = get(&mut world, &target);
    assert_eq!(all["allBuilds"].as_array().unwrap().len(), 102);
    // Without a tree builds are numbers and addresses.
    let target = job(&world, "api/json");
    let plain = get(&mut world, &target);
    assert!(plain["builds"][0].get("queueId").is_none());
    let target = job(&world, "api/json?tree=builds[number]{1},name");
    assert_eq!(get(&mut world, &target)["builds"][0]["number"], 102);
    for wrong in ["builds[number", "builds[]", "", "a,,b", "a]", "builds{x}"] {
        let target = job(&world, &format!("api/json?tree={wrong}"));
        assert_eq!(ask_at(&mut world, "GET", &target, NOW_MS).status, 400, "{wrong}");
    }
}

#[test]
fn the_job_says_which_parameters_it_declares() {
    let mut world = World::new(1);
    world.parameters.push(Parameter::choice("SUITE", &["all", "smoke"]));
    let tree = "property[parameterDefinitions[name,type,choices]]";
    let target = job(&world, &format!("api/json?tree={tree}"));
    let property = get(&mut world, &target)["property"].take();
    let definitions = &property[0]["parameterDefinitions"];
    assert_eq!(
        (&definitions[0]["name"], &definitions[0]["type"]),
        (&json!(RUN), &json!("StringParameterDefinition"))
    );
    assert_eq!(definitions[1]["choices"], json!(["all", "smoke"]));
    assert!(definitions[1].get("defaultParameterValue").is_none());
    world.parameters.clear();
    assert_eq!(get(&mut world, &target)["property"], json!([]));
}

#[test]
fn a_start_is_refused_as_the_job_is() {
    let mut world = World::new(1);
    let (build, parameterized) = (job(&world, "build"), job(&world, "buildWithParameters"));
    let ask = |world: &mut World, method: &str, target: &str| ask_at(world, method, target, NOW_MS);
    let get = ask(&mut world, "GET", &parameterized);
    assert_eq!((get.status, get.header("allow")), (405, Some("POST")));
    assert_eq!(ask(&mut world, "POST", &build).status, 400);
    world.refuses_starts = true;
    let refused = ask(&mut world, "POST", &parameterized);
    assert_eq!((refused.status, refused.header("location")), (302, Some(".")));
    world.refuses_starts = false;
    world.is_disabled = true;
    assert_eq!(ask(&mut world, "POST", &parameterized).status, 409);
    world.is_disabled = false;
    world.parameters.clear();
    assert_eq!(ask(&mut world, "POST", &parameterized).status, 400);
    assert_eq!(ask(&mut world, "GET", &build).status, 405);
    assert!(world.builds().all().is_empty());
    // This one answers 201 also where nothing new is queued.
    assert_eq!(ask(&mut world, "POST", &build).status, 201);
    assert_eq!(ask(&mut world, "POST", &build).status, 201);
    assert_eq!(world.builds().all().len(), 1);
    assert_eq!(ask(&mut world, "POST", &format!("{build}/")).status, 404);
}

#[test]
fn an_item_is_cancelled_in_the_queue_only() {
    let mut world = World::new(1);
    let cancel = |world: &mut World, id: u64| {
        ask_at(world, "POST", &format!("/queue/cancelItem?id={id}"), NOW_MS).status
    };
    let (id, number) = start(&mut world, "run-1");
    assert_eq!(ask_at(&mut world, "GET", "/queue/cancelItem?id=7001", NOW_MS).status, 405);
    assert_eq!(cancel(&mut world, id), 204);
    let item = get(&mut world, &format!("/queue/item/{id}/api/json"));
    assert_eq!((&item["cancelled"], &item["executable"]), (&json!(true), &Value::Null));
    let poll = job(&world, &format!("{number}/api/json"));
    assert_eq!(ask_at(&mut world, "GET", &poll, NOW_MS).status, 404);
    assert_eq!(cancel(&mut world, id), 404);
    let (id, number) = start(&mut world, "run-2");
    world.builds().set_state(number, State::Running);
    assert_eq!(cancel(&mut world, id), 404);
    assert_eq!((cancel(&mut world, 1), cancel(&mut world, 9_999)), (404, 404));
    let (id, number) = start(&mut world, "run-3");
    world.cancel_item(number);
    assert_eq!(get(&mut world, &format!("/queue/item/{id}/api/json"))["cancelled"], true);
}

#[test]
fn stop_term_and_kill_end_a_build_by_force_as_it_is_needed() {
    let mut world = World::new(1);
    let stop = |world: &mut World, number: u64, verb: &str| {
        let target = job(world, &format!("{number}/{verb}"));
        let answer = ask_at(world, "POST", &target, NOW_MS);
        (answer.status, world.builds().get(number).map(|build| build.state))
    };
    let (_, number) = start(&mut world, "run-1");
    assert_eq!(stop(&mut world, number, "stop").0, 404);
    world.builds().set_state(number, State::Running);
    assert_eq!(stop(&mut world, number, "stop"), (302, Some(State::Cancelled)));
    assert_eq!(stop(&mut world, number, "stop"), (302, Some(State::Cancelled)));
    assert_eq!(world.builds().get(number).unwrap().cancels, 1);
    world.ends_at = "kill".to_owned();
    let (_, number) = start(&mut world, "run-2");
    world.builds().set_state(number, State::Running);
    assert_eq!(stop(&mut world, number, "stop"), (302, Some(State::Running)));
    assert_eq!(stop(&mut world, number, "term"), (302, Some(State::Running)));
    assert_eq!(stop(&mut world, number, "kill"), (302, Some(State::Cancelled)));
    world.is_pipeline = false;
    assert_eq!(stop(&mut world, number, "term").0, 404);
    world.builds().set_state(number, State::Succeeded);
    assert_eq!(stop(&mut world, number, "stop"), (302, Some(State::Succeeded)));
    assert_eq!(stop(&mut world, 99, "stop").0, 404);
    let target = job(&world, "1/stop");
    assert_eq!(ask_at(&mut world, "GET", &target, NOW_MS).status, 405);
}

#[test]
fn a_branch_of_a_multibranch_job_has_an_encoded_name() {
    let mut world = World::new(1);
    world.set_job(&["mb", "feature%2Fx"]);
    assert_eq!(world.job_path(), "/job/mb/job/feature%252Fx");
    assert_eq!(get(&mut world, "/job/mb/job/feature%252Fx/api/json")["name"], "feature%2Fx");
    for wrong in ["/job/mb/job/feature%2Fx/api/json", "/job/mb/job/feature/x/api/json"] {
        assert_eq!(ask_at(&mut world, "GET", wrong, NOW_MS).status, 404);
    }
    let folder = get(&mut world, "/job/mb/api/json");
    assert_eq!(folder["_class"], "com.cloudbees.hudson.plugins.folder.Folder");
    world.set_job(&["web"]);
    assert_eq!(get(&mut world, "/job/web/api/json")["fullName"], "web");
}
