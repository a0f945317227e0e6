//! The life of a run at dbt Cloud, its refusals, limits, lists and webhooks.

/// What dbt publishes about its API.
mod published;

use serde_json::{Value, json};

use super::World;
use crate::http::{Request, Response};
use crate::neighbour::Neighbour as _;
use crate::systems::signed::hex_hmac_sha256;
use crate::systems::{State, System as _};

const NOW_MS: i64 = 1_800_000_000_000;
const RUN: &str = "0190aaaa-0000-7000-8000-000000000001";

fn path(world: &World, rest: &str) -> String {
    format!("/api/v2/accounts/{}/{rest}", world.account())
}

fn send(world: &mut World, method: &str, rest: &str, body: Option<&Value>) -> Response {
    let request = Request::new(method, &path(world, rest))
        .with_header("authorization", &format!("Token {}", world.token()))
        .with_header("accept", "application/json");
    let request = match body {
        Some(body) => request.with_json(body),
        None => request,
    };
    world.handle(&request, NOW_MS)
}

fn get(world: &mut World, rest: &str) -> Value {
    let answer = send(world, "GET", rest, None);
    assert_eq!(answer.status, 200, "{rest}: {}", answer.body_json());
    answer.body_json()
}

fn body(run: &str, sha: char) -> Value {
    json!({
        "cause": format!("azdo-gateway {run}"),
        "git_sha": sha.to_string().repeat(40),
        "git_branch": "topic",
        "azure_pull_request_id": 7,
        "schema_override": "dbt_cloud_pr_1_7",
        "steps_override": ["dbt build"],
    })
}

fn post(world: &mut World, body: &Value) -> Response {
    let rest = format!("jobs/{}/run/", world.job());
    send(world, "POST", &rest, Some(body))
}

fn start(world: &mut World, run: &str, sha: char) -> u64 {
    let answer = post(world, &body(run, sha));
    assert_eq!(answer.status, 200, "{}", answer.body_json());
    answer.body_json()["data"]["id"].as_u64().unwrap()
}

fn ids(answer: &Value) -> Vec<u64> {
    let list = answer["data"].as_array().unwrap();
    list.iter().map(|run| run["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_run_is_started_watched_and_ends() {
    let mut world = World::new(1);
    world.set_base_url("http://127.0.0.1:1/dbt");
    let answer = post(&mut world, &body(RUN, 'a')).body_json();
    assert_eq!(answer["status"]["user_message"], "Success!");
    assert_eq!((&answer["data"]["status"], &answer["data"]["git_sha"]), (&json!(1), &Value::Null));
    let number = answer["data"]["id"].as_u64().unwrap();
    assert!(number > u64::from(u32::MAX));
    let build = world.builds().get(number).unwrap().clone();
    assert_eq!((build.run.as_str(), build.git_ref.as_str()), (RUN, "topic"));
    assert_eq!(build.inputs["steps_override"], json!(["dbt build"]));
    let poll = format!("runs/{number}/?include_related=trigger,run_steps");
    world.show_starting(number);
    assert_eq!(get(&mut world, &poll)["data"]["status"], 2);
    for (state, code, name, step) in [
        (State::Running, 3, "Running", 3),
        (State::Succeeded, 10, "Success", 10),
        (State::Failed, 20, "Error", 20),
        (State::Errored, 20, "Error", 20),
        (State::Cancelled, 30, "Cancelled", 30),
    ] {
        world.builds().set_state(number, state);
        let run = get(&mut world, &poll)["data"].take();
        assert_eq!((&run["status"], &run["status_humanized"]), (&json!(code), &json!(name)));
        assert_eq!(run["is_complete"], state.is_final());
        let last = run["run_steps"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["status"], step);
        let names_dbt = last["name"].as_str().unwrap().starts_with("Invoke dbt");
        assert_eq!(names_dbt, state != State::Errored);
        assert!(run["href"].as_str().unwrap().starts_with("http://127.0.0.1:1/dbt/deploy/"));
        assert_eq!(run["trigger"]["cause"], format!("azdo-gateway {RUN}"));
    }
    world.set_steps(number, &[]);
    assert_eq!(get(&mut world, &poll)["data"]["run_steps"], json!([]));
    world.builds().delete(number);
    assert_eq!(send(&mut world, "GET", &poll, None).status, 404);
}

#[test]
fn what_is_related_comes_only_when_it_is_asked_for() {
    let mut world = World::new(1);
    let number = start(&mut world, RUN, 'a');
    world.builds().set_state(number, State::Failed);
    let bare = get(&mut world, &format!("runs/{number}/"));
    assert_eq!((&bare["data"]["trigger"], &bare["data"]["run_steps"]), (&Value::Null, &json!([])));
    let listed = get(&mut world, "runs/?include_related=trigger,run_steps");
    assert_eq!(listed["data"][0]["run_steps"], json!([]));
    assert_eq!(listed["data"][0]["trigger"]["azure_pull_request_id"], 7);
    assert_eq!(get(&mut world, "runs/")["data"][0]["trigger"], Value::Null);
    let related = get(&mut world, &format!("runs/{number}/?include_related=job,audit"));
    assert!(related["data"]["job"].is_object() && related["data"]["audit"].is_object());
}

#[test]
fn times_have_two_shapes() {
    let mut world = World::new(1);
    let number = start(&mut world, RUN, 'a');
    let created =
        |world: &mut World| get(world, &format!("runs/{number}/"))["data"]["created_at"].take();
    assert_eq!(created(&mut world), "2027-01-15 08:00:00.000000+00:00");
    world.has_blank_in_times = false;
    assert_eq!(created(&mut world), "2027-01-15T08:00:00.000000Z");
}

#[test]
fn a_start_that_is_wrong_is_refused_with_its_fields() {
    let mut world = World::new(1);
    for (field, value) in [
        ("cause", json!("")),
        ("cause", json!(7)),
        ("cause", json!("x".repeat(256))),
        ("git_sha", Value::Null),
        ("azure_pull_request_id", json!("7")),
        ("steps_override", json!([])),
        ("steps_override", json!("dbt build")),
        ("schema_override", json!("")),
        ("threads_override", json!("4")),
        ("generate_docs_override", json!("no")),
    ] {
        let mut wanted = body(RUN, 'a');
        wanted[field] = value;
        let refused = post(&mut world, &wanted);
        assert_eq!(refused.status, 400, "{field}");
        let answer = refused.body_json();
        assert_eq!(
            (&answer["status"]["code"], &answer["status"]["is_success"]),
            (&json!(400), &json!(false))
        );
        assert!(answer["data"][field].is_array(), "{answer}");
    }
    let mut without = body(RUN, 'a');
    without.as_object_mut().unwrap().remove("cause");
    assert_eq!(
        post(&mut world, &without).body_json()["data"]["cause"][0],
        "This field is required."
    );
    let mut plain = Request::new("POST", &path(&world, &format!("jobs/{}/run/", world.job())))
        .with_bearer(world.token());
    plain.body = body(RUN, 'a').to_string().into_bytes();
    assert_eq!(world.handle(&plain, NOW_MS).status, 415);
    plain.body = format!("cause={RUN}&git_sha=abc&azure_pull_request_id=7").into_bytes();
    let form = plain.with_header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(world.handle(&form, NOW_MS).status, 200);
    assert_eq!(world.builds().of_run(RUN).count(), 1);
}

#[test]
fn a_ci_job_asks_for_a_pull_request_and_a_commit_or_branch() {
    let mut world = World::new(1);
    // The name that one page of the documentation writes is unknown, and so ignored.
    let wrong = json!({"cause": RUN, "git_sha": "abc", "azure_devops_pull_request_id": 7});
    assert_eq!(post(&mut world, &wrong).status, 400);
    let wrong = json!({"cause": RUN, "azure_pull_request_id": 7});
    assert_eq!(post(&mut world, &wrong).status, 400);
    world.job_type = "other".to_owned();
    assert_eq!(post(&mut world, &json!({"cause": RUN, "unknown": 1})).status, 200);
    let number = post(&mut world, &json!({"cause": RUN})).body_json()["data"]["id"].as_u64();
    let second = get(&mut world, &format!("runs/{}/", number.unwrap()));
    assert_eq!(second["data"]["blocked_by"], json!([number.unwrap() - 1]));
    assert!(world.trigger(number.unwrap()).unwrap().contains_key("cause"));
}

#[test]
fn tokens_permit_what_they_are_made_for() {
    let mut world = World::new(1);
    let number = start(&mut world, RUN, 'a');
    let (run, job) = (path(&world, &format!("runs/{number}/")), world.job());
    let trigger = path(&world, &format!("jobs/{job}/run/"));
    let ask = |world: &mut World, method: &str, path: &str, authorization: &str| {
        let request = Request::new(method, path).with_header("authorization", authorization);
        let request = if method == "POST" { request.with_json(&body(RUN, 'a')) } else { request };
        let answer = world.handle(&request, NOW_MS);
        if answer.status >= 400 {
            let status = answer.body_json()["status"].take();
            assert_eq!(
                (&status["code"], &status["is_success"]),
                (&json!(answer.status), &json!(false))
            );
        }
        answer.status
    };
    let full = world.token().to_owned();
    let reads = format!("Bearer {}", world.read_only_token());
    let hooks = format!("Token {}", world.webhooks_only_token());
    let person = format!("Token {}", world.personal_token());
    assert!(full.starts_with("dbtc_") && person.starts_with("Token dbtu_"));
    assert_eq!(ask(&mut world, "POST", &trigger, &reads), 403);
    assert_eq!(ask(&mut world, "POST", &format!("{run}cancel/"), &reads), 403);
    assert_eq!(ask(&mut world, "GET", &run, &reads), 200);
    assert_eq!(ask(&mut world, "GET", &run, &hooks), 403);
    assert_eq!(ask(&mut world, "POST", &trigger, &person), 200);
    for wrong in [full.clone(), "Token ".to_owned(), format!("Basic {full}")] {
        assert_eq!(ask(&mut world, "GET", &run, &wrong), 401);
    }
    let full = format!("Bearer {full}");
    assert_eq!(ask(&mut world, "GET", &trigger, &full), 405);
    for path in ["/api/v2/accounts/1/runs/", "/api/v3/accounts/1/runs/", "/", &format!("{run}x/")] {
        assert_eq!(ask(&mut world, "GET", path, &full), 404, "{path}");
    }
    assert_eq!(ask(&mut world, "POST", &trigger.replace(&job.to_string(), "1"), &full), 404);
    // Without its slash a path redirects, and whoever follows loses the body.
    assert_eq!(ask(&mut world, "POST", trigger.trim_end_matches('/'), &full), 301);
    world.is_job_deleted = true;
    assert_eq!(ask(&mut world, "POST", &trigger, &full), 404);
    world.is_locked = true;
    assert_eq!(ask(&mut world, "GET", &run, &full), 403);
    world.revoke_tokens();
    assert_eq!(ask(&mut world, "GET", &run, &full), 401);
}

#[test]
fn the_job_shows_its_type_and_its_own_triggers() {
    let mut world = World::new(1);
    world.has_own_trigger = true;
    let rest = format!("jobs/{}/", world.job());
    let job = get(&mut world, &rest)["data"].take();
    assert_eq!((&job["job_type"], &job["state"]), (&json!("ci"), &json!(1)));
    assert_eq!(job["triggers"]["git_provider_webhook"], true);
}

#[test]
fn lists_filter_order_and_page() {
    let mut world = World::new(1);
    world.cancels_older = false;
    let first = start(&mut world, RUN, 'a');
    for _ in 0..4 {
        start(&mut world, RUN, 'b');
    }
    let (job, last) = (world.job(), first + 4);
    let watermark = first + 1;
    let query = format!("runs/?job_definition_id={job}&order_by=-id&id__gt={watermark}&limit=2");
    let page = get(&mut world, &query);
    assert_eq!(ids(&page), [last, last - 1]);
    assert_eq!(page["extra"]["pagination"], json!({"count": 2, "total_count": 3}));
    assert_eq!(ids(&get(&mut world, &format!("{query}&offset=2"))), [first + 2]);
    assert_eq!(ids(&get(&mut world, "runs/"))[0], first);
    world.builds().set_state(first, State::Succeeded);
    assert_eq!(ids(&get(&mut world, "runs/?status=10")), [first]);
    assert_eq!(ids(&get(&mut world, "runs/?status__in=10,20")), [first]);
    assert_eq!(ids(&get(&mut world, &format!("runs/?pk__in={first},{last}"))), [first, last]);
    assert_eq!(ids(&get(&mut world, "runs/?order_by=-finished_at&limit=1")), [first]);
    assert!(ids(&get(&mut world, "runs/?job_definition_id=1")).is_empty());
    let range = "created_at__range=2027-01-15T08:00:01Z,2027-01-15T09:00:00Z";
    assert!(ids(&get(&mut world, &format!("runs/?{range}"))).is_empty());
    // There is no filter by cause: it is ignored.
    assert_eq!(ids(&get(&mut world, "runs/?cause=x")).len(), 5);
    for query in ["order_by=status", "id__gt=x", "limit=x", "pk__in=1,x", "created_at__range=1"] {
        let refused = send(&mut world, "GET", &format!("runs/?{query}"), None);
        assert_eq!(refused.status, 400, "{query}");
    }
    world.list_lag_ms = 1;
    assert!(ids(&get(&mut world, "runs/")).is_empty());
}

#[test]
fn a_run_is_cancelled_at_once_or_later_and_a_late_cancel_is_refused() {
    let mut world = World::new(1);
    let cancel = |world: &mut World, number: u64| {
        let answer = send(world, "POST", &format!("runs/{number}/cancel/"), None);
        (answer.status, answer.body_json()["data"].take())
    };
    let queued = start(&mut world, RUN, 'a');
    let (status, run) = cancel(&mut world, queued);
    assert_eq!((status, &run["status"]), (200, &json!(30)));
    assert_eq!(run["status_message"], "Cancelled by user.");
    world.builds().cancels_at_once = false;
    let running = start(&mut world, RUN, 'a');
    world.builds().set_state(running, State::Running);
    assert_eq!(cancel(&mut world, running).1["status"], 3);
    world.builds().set_state(running, State::Succeeded);
    assert_eq!(cancel(&mut world, running).0, 400);
    world.refuses_late_cancel = None;
    assert_eq!(cancel(&mut world, running).1["status"], 10);
    assert_eq!(world.builds().get(running).unwrap().cancels, 1);
    assert_eq!(cancel(&mut world, 1).0, 404);
}

#[test]
fn a_run_at_another_commit_of_the_same_pull_request_cancels_the_older() {
    let mut world = World::new(1);
    let first = start(&mut world, RUN, 'a');
    let same = start(&mut world, RUN, 'a');
    let mut other = body(RUN, 'b');
    other["azure_pull_request_id"] = json!(8);
    post(&mut world, &other);
    assert!(!world.builds().get(first).unwrap().state.is_final());
    start(&mut world, RUN, 'b');
    let states: Vec<_> = world.builds().all().iter().map(|build| build.state).collect();
    assert_eq!(states, [State::Cancelled, State::Cancelled, State::Queued, State::Queued]);
    let run = get(&mut world, &format!("runs/{same}/"));
    assert_eq!(
        (&run["data"]["status"], run["data"]["status_message"].is_string()),
        (&json!(30), true)
    );
}

#[test]
fn too_many_requests_lock_the_account_for_five_minutes() {
    let mut world = World::new(1);
    world.set_limit(3);
    let request = Request::new("GET", &path(&world, "runs/")).with_bearer(world.token());
    for status in [200, 200, 200, 429] {
        assert_eq!(world.handle(&request, NOW_MS).status, status);
    }
    let refused = world.handle(&request, NOW_MS + 299_999);
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(world.handle(&request, NOW_MS + 300_000).status, 200);
    world.lock_out(NOW_MS);
    assert_eq!(world.handle(&request, NOW_MS).body_json()["status"]["code"], 429);
    let strange = request.with_header("accept", "text/html");
    assert_eq!(world.handle(&strange, NOW_MS + 900_000).status, 406);
}

#[test]
fn webhooks_sign_the_body_and_have_ids_as_texts() {
    let mut world = World::new(1);
    let number = start(&mut world, RUN, 'a');
    assert!(world.callback(number, NOW_MS).is_none());
    world.builds().set_state(number, State::Failed);
    let all = world.callbacks(number, NOW_MS);
    let bodies: Vec<Value> =
        all.iter().map(|one| serde_json::from_slice(&one.body).unwrap()).collect();
    let types: Vec<_> = bodies.iter().map(|body| &body["eventType"]).collect();
    assert_eq!(types, ["job.run.errored", "job.run.completed"]);
    assert_ne!(bodies[0]["eventId"], bodies[1]["eventId"]);
    let expected = hex_hmac_sha256(world.webhook_secret(), &all[0].body);
    assert_eq!(all[0].header("authorization"), Some(expected.as_str()));
    let data = &bodies[1]["data"];
    assert_eq!(
        (&data["runId"], &data["jobId"]),
        (&json!(number.to_string()), &json!(world.job().to_string()))
    );
    assert_eq!((&data["runStatus"], &data["runStatusCode"]), (&json!("Errored"), &json!(20)));
    assert!(data["runReason"].as_str().unwrap().contains(RUN));
    assert!(bodies[1]["accountId"].is_u64() && data["runFinishedAt"].is_string());
    // A repeated delivery is the same event.
    let again: Value =
        serde_json::from_slice(&world.callback(number, NOW_MS + 60_000).unwrap().body).unwrap();
    assert_eq!(again["eventId"], bodies[1]["eventId"]);
    world.builds().set_state(number, State::Cancelled);
    assert!(world.callback(number, NOW_MS).is_none());
    world.reports_cancelled = true;
    assert!(world.callback(number, NOW_MS).is_some());
}
