//! The event of a completed build.

use serde_json::json;

use super::{Pipelines, with_run};
use crate::ado::Permission;
use crate::systems::State;

#[test]
fn a_completed_build_is_announced_once() {
    let mut pipelines = Pipelines::new();
    pipelines.subscribe("2.0", "");
    pipelines.subscribe("1.0", "Stopped");
    let first = pipelines.started(&with_run("a"));
    assert_eq!(pipelines.delivered().len(), 0);
    pipelines.set(first, State::Succeeded);
    assert!(pipelines.fixture.world.next_due_ms().is_some(), "its end is to be announced");
    let bodies = pipelines.delivered();
    assert_eq!(bodies.len(), 1, "the other wants stopped ones");
    assert_eq!(bodies[0]["eventType"], "build.complete");
    assert_eq!(bodies[0]["resourceVersion"], "2.0");
    let resource = &bodies[0]["resource"];
    assert_eq!((&resource["id"], &resource["result"]), (&json!(first), &json!("succeeded")));
    assert!(resource.get("templateParameters").is_none());
    assert_eq!(pipelines.delivered().len(), 0);
    let second = pipelines.started(&json!({}));
    let path = format!("build/builds/{second}");
    pipelines.ask("PATCH", &path, Some(&json!({"status": "cancelling"})));
    let bodies = pipelines.delivered();
    assert_eq!(bodies.len(), 2);
    let old = bodies.iter().find(|body| body["resourceVersion"] == "1.0").unwrap();
    assert_eq!(old["resource"]["status"], "stopped");
    let source = old["resource"]["sourceGetVersion"].as_str().unwrap();
    assert!(source.starts_with("LG:refs/heads/main:"), "{source}");
}

#[test]
fn a_completion_is_lost_for_those_who_may_not_see_it() {
    let mut pipelines = Pipelines::new();
    pipelines.subscribe("2.0", "");
    let number = pipelines.started(&json!({}));
    let (id, service) = (pipelines.pipeline, pipelines.fixture.service.clone());
    pipelines.fixture.world.deny_for_pipeline(&service, Permission::ViewBuilds, id);
    pipelines.set(number, State::Failed);
    assert_eq!(pipelines.delivered().len(), 0);
    let mut body = pipelines.fixture.subscription_body("build.complete");
    body["publisherInputs"] = json!({"buildStatus": "Cancelled"});
    assert_eq!(pipelines.fixture.send("POST", "hooks/subscriptions", &body).status, 400);
}

#[test]
fn the_test_button_delivers_an_invented_build() {
    let mut pipelines = Pipelines::new();
    let mut details = pipelines.fixture.test_details("build.complete");
    details["publisherInputs"] = json!({"projectId": pipelines.fixture.project});
    let body = json!({"details": details});
    let answer = pipelines.fixture.send("POST", "hooks/testnotifications", &body);
    assert_eq!(answer.status, 200, "{}", answer.body_json());
    let bodies = pipelines.delivered();
    assert_eq!(bodies[0]["resource"]["status"], "completed");
}
