//! Tekton's EventListener: it takes what is signed, answers before anything runs, and cannot be
//! asked. The last task of the pipeline reports.

use fakes::systems::Build;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::examples::LISTENER;
use super::world::World;

/// What the task sends, and the answer to it.
async fn report(build: &Build, state: &str) -> (StatusCode, Value) {
    let text = |name: &str| build.inputs["report"][name].as_str().expect("it is there");
    let body = json!({"state": state, "description": "3 of 3 tasks"});
    let call = reqwest::Client::new().post(text("url")).bearer_auth(text("token"));
    let answer = call.json(&body).send().await.expect("the gateway answers");
    (answer.status(), answer.json().await.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_that_was_started_by_a_signed_event_reports_its_end() {
    let world = World::new(&LISTENER);
    let gateway = world.gateway().await;
    for (count, (state, shown)) in
        [("succeeded", "succeeded"), ("failed", "failed"), ("errored", "error")].iter().enumerate()
    {
        let (id, commit) = world.env.open(state);
        let build = world.until_builds(count + 1).await;
        assert_eq!((build.commit.as_str(), &build.inputs["pr"]), (commit.as_str(), &json!(id)));
        assert_eq!(report(&build, "running").await.0, StatusCode::OK);
        world.env.until_status(id, &commit, "build", "pending").await;
        let (status, answer) = report(&build, state).await;
        assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(true)));
        world.env.until_status(id, &commit, "build", shown).await;
    }
    let starts = world.requests(LISTENER.start);
    assert_eq!(starts, 3, "nothing else is asked");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_whose_run_is_superseded_learns_it_from_its_report() {
    let world = World::new(&LISTENER);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let older = world.until_builds(1).await;
    let newest = world.env.push("topic");
    let newer = world.until_builds(2).await;
    let (status, answer) = report(&older, "succeeded").await;
    assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(false)));
    assert_eq!(answer["state"], "superseded");
    report(&newer, "succeeded").await;
    world.env.until_status(id, &newest, "build", "succeeded").await;
    gateway.stop().await;
}
