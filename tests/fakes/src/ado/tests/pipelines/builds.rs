//! What is told of builds: echoes, lists, states, cancels, tags.

use serde_json::{Value, json};

use super::{Pipelines, at, with_run};
use crate::ado::tests::refusal;
use crate::systems::State;

#[test]
fn a_run_is_a_build_that_echoes_what_was_sent() {
    let mut pipelines = Pipelines::new();
    let head = pipelines.fixture.world.head(&pipelines.fixture.repository, "main").unwrap();
    let mut body = at("refs/heads/main", Some(head));
    let head = head.to_owned();
    let pipeline = pipelines.pipeline;
    pipelines.fixture.world.pipeline_mut(pipeline).settable_variables =
        vec!["Mode".to_owned(), "Key".to_owned()];
    body["templateParameters"] = json!({"azdo_gateway_run": "run-1"});
    body["variables"] = json!({"mode": {"value": "full"}, "key": {"value": "s", "isSecret": true}});
    let answer = pipelines.run(&body).body_json();
    let number = answer["id"].as_u64().unwrap();
    assert_eq!(answer["state"], "inProgress");
    assert_eq!(answer["templateParameters"]["azdo_gateway_run"], "run-1");
    assert_eq!(answer["variables"]["key"]["value"], Value::Null);
    assert_eq!(answer, pipelines.get(&format!("pipelines/{pipeline}/runs/{number}")));
    let build = pipelines.build(number);
    assert_eq!(build["templateParameters"], body["templateParameters"]);
    assert_eq!(build["parameters"], "{\"mode\":\"full\"}");
    assert_eq!((&build["status"], &build["sourceVersion"]), (&json!("notStarted"), &json!(head)));
    assert_eq!(build["definition"]["id"], pipeline);
    let builds = pipelines.fixture.world.builds_of(pipeline);
    let kept = builds.of_run("run-1").next().unwrap();
    assert_eq!((kept.number, kept.git_ref.as_str()), (number, "refs/heads/main"));
    assert_eq!(kept.commit, head);
}

#[test]
fn numbers_count_across_pipelines_and_belong_to_one() {
    let mut pipelines = Pipelines::new();
    let first = pipelines.started(&json!({}));
    let other = pipelines.fixture.world.create_pipeline(&pipelines.fixture.repository, "other");
    let own = std::mem::replace(&mut pipelines.pipeline, other);
    let second = pipelines.started(&json!({}));
    assert!(second > first);
    assert_eq!(pipelines.numbers(&format!("definitions={own}")), [first]);
    assert_eq!(pipelines.numbers(&format!("definitions={own},{other}")).len(), 2);
    let elsewhere = pipelines.ask("GET", &format!("pipelines/{own}/runs/{second}"), None);
    assert_eq!(refusal(&elsewhere), (404, "RunNotFoundException".to_owned()));
    let unknown = pipelines.ask("GET", "build/builds/99", None);
    assert_eq!(refusal(&unknown), (404, "BuildNotFoundException".to_owned()));
}

#[test]
fn builds_are_found_by_pipeline_ref_and_time() {
    let mut pipelines = Pipelines::new();
    pipelines.fixture.pull_request();
    let first = pipelines.started(&with_run("a"));
    let between_ms = pipelines.fixture.world.now_ms() + 1;
    let second = pipelines.started(&with_run("b"));
    let third = pipelines.started(&at("refs/heads/topic", None));
    let query = format!("definitions={}&queryOrder=queueTimeDescending", pipelines.pipeline);
    assert_eq!(pipelines.numbers(&format!("{query}&$top=50")), [third, second, first]);
    assert_eq!(pipelines.numbers(&format!("{query}&branchName=refs/heads/main")), [second, first]);
    assert_eq!(pipelines.numbers(&format!("{query}&branchName=main")), [0_u64; 0]);
    let since = crate::timestamp::rfc3339(between_ms);
    assert_eq!(pipelines.numbers(&format!("{query}&minTime={since}")), [third, second]);
    assert_eq!(pipelines.numbers(&format!("buildIds={first},{third}")).len(), 2);
    assert_eq!(pipelines.numbers(&format!("minTime={since}")), [0_u64; 0], "none has ended");
    let page = pipelines.ask("GET", &format!("build/builds?{query}&$top=2"), None);
    assert_eq!(page.body_json()["count"], 2);
    let next = page.header("x-ms-continuationtoken").unwrap().to_owned();
    assert_eq!(pipelines.numbers(&format!("{query}&$top=2&continuationToken={next}")), [first]);
    for wrong in ["definitions=web-ci", "minTime=yesterday", "queryOrder=newest", "tagFilters=x"] {
        assert_eq!(pipelines.ask("GET", &format!("build/builds?{wrong}"), None).status, 400);
    }
    let listed = pipelines.get(&format!("build/builds?{query}"));
    assert_eq!(listed["value"][1]["templateParameters"]["azdo_gateway_run"], "b");
    pipelines.fixture.world.options.bare_build_list = true;
    let listed = pipelines.get(&format!("build/builds?{query}"));
    assert!(listed["value"][1].get("templateParameters").is_none());
    assert!(pipelines.build(second).get("templateParameters").is_some());
    pipelines.fixture.world.options.build_list_lag_ms = 60_000;
    assert_eq!(pipelines.numbers(&query), [0_u64; 0]);
    assert_eq!(pipelines.build(second)["id"], second, "one asked for by number is there");
    pipelines.fixture.world.builds_of(pipelines.pipeline).delete(second);
    assert_eq!(pipelines.ask("GET", &format!("build/builds/{second}"), None).status, 404);
}

#[test]
fn builds_say_how_far_they_are() {
    let mut pipelines = Pipelines::new();
    let number = pipelines.started(&json!({}));
    let run = format!("pipelines/{}/runs/{number}", pipelines.pipeline);
    pipelines.fixture.world.postpone_build(number);
    assert_eq!(pipelines.build(number)["status"], "postponed");
    pipelines.set(number, State::Running);
    let build = pipelines.build(number);
    assert_eq!(build["status"], "inProgress");
    assert!(build["startTime"].is_string() && build.get("result").is_none());
    pipelines.fixture.world.partially_succeed(number);
    let build = pipelines.build(number);
    assert_eq!(build["status"], "completed");
    assert_eq!(build["result"], "partiallySucceeded");
    assert!(build["finishTime"].is_string());
    assert_eq!(pipelines.get(&run)["result"], "succeeded", "a run has no word for it");
    for (state, result) in [(State::Succeeded, "succeeded"), (State::Failed, "failed")] {
        let number = pipelines.started(&json!({}));
        pipelines.set(number, state);
        let build = pipelines.build(number);
        assert_eq!(build["result"], result);
        assert_eq!(build["validationResults"], json!([]));
    }
    let number = pipelines.started(&json!({}));
    pipelines.fixture.world.fail_validation(number, &["The pool is not authorized."]);
    let build = pipelines.build(number);
    assert_eq!(build["result"], "failed");
    assert_eq!(build["validationResults"][0]["message"], "The pool is not authorized.");
    assert!(build.get("startTime").is_none(), "it never ran");
    let number = pipelines.started(&json!({}));
    pipelines.set(number, State::Errored);
    let build = pipelines.build(number);
    assert_eq!((&build["result"], &build["validationResults"]), (&json!("failed"), &json!([])));
    assert!(build.get("startTime").is_none(), "only this tells");
    let number = pipelines.started(&json!({}));
    pipelines.set(number, State::Running);
    pipelines.build(number);
    pipelines.set(number, State::Errored);
    assert_eq!(pipelines.build(number)["validationResults"][0]["result"], "error");
    let number = pipelines.started(&json!({}));
    pipelines.fixture.world.end_without_result(number);
    assert_eq!(pipelines.build(number)["result"], "none");
}

#[test]
fn a_cancel_is_a_request_and_not_for_what_has_ended() {
    let mut pipelines = Pipelines::new();
    let cancel = json!({"status": "cancelling"});
    pipelines.fixture.world.builds_of(pipelines.pipeline).cancels_at_once = false;
    let number = pipelines.started(&json!({}));
    let path = format!("build/builds/{number}");
    pipelines.set(number, State::Running);
    for body in [json!({"status": "completed"}), json!({"status": "cancelling", "priority": 1})] {
        assert_eq!(pipelines.ask("PATCH", &path, Some(&body)).status, 400, "{body}");
    }
    let answer = pipelines.ask("PATCH", &path, Some(&cancel)).body_json();
    assert_eq!(answer["status"], "cancelling");
    assert_eq!(pipelines.build(number)["status"], "cancelling");
    let run = format!("pipelines/{}/runs/{number}", pipelines.pipeline);
    assert_eq!(pipelines.get(&run)["state"], "canceling");
    pipelines.set(number, State::Succeeded);
    assert_eq!(pipelines.build(number)["result"], "succeeded", "it may be too late");
    let late = pipelines.ask("PATCH", &path, Some(&cancel));
    assert_eq!(refusal(&late), (400, "BuildStatusInvalidChangeException".to_owned()));
    pipelines.fixture.world.options.allows_late_cancel = true;
    let late = pipelines.ask("PATCH", &path, Some(&cancel)).body_json();
    assert_eq!((&late["status"], &late["result"]), (&json!("completed"), &json!("succeeded")));
    let number = pipelines.started(&json!({}));
    let answer = pipelines.ask("PATCH", &format!("build/builds/{number}"), Some(&cancel));
    assert_eq!(answer.body_json()["status"], "cancelling", "one in the queue, too");
    let build = pipelines.build(number);
    assert_eq!(build["result"], "canceled");
    assert!(build.get("startTime").is_none());
}

#[test]
fn tags_are_added_and_keep_their_case() {
    let mut pipelines = Pipelines::new();
    let number = pipelines.started(&json!({}));
    let tags = format!("build/builds/{number}/tags");
    let answer = pipelines.ask("PUT", &format!("{tags}/azdo-gateway"), None);
    assert_eq!(answer.body_json(), json!({"count": 1, "value": ["azdo-gateway"]}));
    for tag in ["Run-1", "run-1"] {
        let answer = pipelines.ask("PUT", &format!("{tags}/{tag}"), None);
        assert_eq!(answer.body_json()["value"], json!(["azdo-gateway", "Run-1"]));
    }
    assert_eq!(pipelines.build(number)["tags"], json!(["azdo-gateway", "Run-1"]));
    assert_eq!(pipelines.fixture.world.build_tags(number), ["azdo-gateway", "Run-1"]);
    assert_eq!(pipelines.ask("PUT", &format!("{tags}/run%3A1"), None).status, 400);
    assert_eq!(pipelines.ask("PUT", "build/builds/99/tags/x", None).status, 404);
}
