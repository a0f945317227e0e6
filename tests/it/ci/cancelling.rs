//! Cancelling a run: before and during its start, while it is at its CI, and when it has ended.

use fakes::faults::Action;
use fakes::http::Response;
use fakes::systems::{Build, State};
use serde_json::Value;

use super::world::{Kind, World, cancel, is, run};
use crate::harness::{InProcess, Settings, WAIT_MAX};

fn first_is_cancelled(builds: &[Build]) -> bool {
    builds[0].state == State::Cancelled
}

/// A gateway with a run that is shown as running: with its pull request and its build.
async fn running(kind: &Kind) -> (World, InProcess, u64, Build) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Running);
    gateway.api.until("/v1/runs", is("running")).await;
    (world, gateway, id, build)
}

pub(super) async fn a_run_is_cancelled_before_and_during_its_start(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, Action::Hold { before: false });
    let one_by_one = |settings: &mut Settings| settings.checks.push_str("concurrency = 1\n");
    let gateway = world.gateway_with("1s", one_by_one).await;
    let (first, first_commit) = world.env.open("first");
    world.env.shell.wait_for_held(WAIT_MAX, 1).await.expect("it is being started");
    let (second, second_commit) = world.env.open("second");
    let both = |runs: &Value| runs["items"].as_array().is_some_and(|runs| runs.len() == 2);
    let runs = gateway.api.until("/v1/runs", both).await;
    for (id, commit) in [(second, second_commit), (first, first_commit)] {
        let runs = runs["items"].as_array().unwrap();
        let run = runs.iter().find(|run| run["pull_request"] == id).expect("it has a run");
        cancel(&gateway.api, run).await;
        world.env.until_status(id, &commit, "build", "error").await;
    }
    world.env.shell.release();
    world.until("what was started meanwhile is cancelled", first_is_cancelled).await;
    assert_eq!(world.builds().len(), 1, "the second was never started");
    gateway.stop().await;
}

pub(super) async fn an_operator_cancels_a_run(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    world.until_builds(1).await;
    world.env.until_status(id, &commit, "build", "pending").await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    cancel(&gateway.api, &run(&gateway.api).await).await;
    world.until("the build that waits is cancelled", first_is_cancelled).await;
    world.env.until_status(id, &commit, "build", "error").await;
    gateway.stop().await;
}

pub(super) async fn an_answer_that_comes_late_changes_nothing(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.next_fails(kind.poll, 1, Action::Hold { before: false });
    world.set(&build, State::Running);
    world.env.shell.wait_for_held(WAIT_MAX, 1).await.expect("it is polled");
    cancel(&gateway.api, &run(&gateway.api).await).await;
    world.env.until_status(id, &commit, "build", "error").await;
    // It says that the build is running.
    world.env.shell.release();
    world.until("the running build is cancelled", first_is_cancelled).await;
    assert_eq!(run(&gateway.api).await["state"], "cancelled");
    gateway.stop().await;
}

pub(super) async fn a_cancel_that_comes_too_late_changes_nothing(kind: &Kind) {
    let world = World::new(kind);
    // So long that the end of the build is not noticed.
    let gateway = world.gateway_with("1h", |_| {}).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.set(&build, State::Succeeded);
    cancel(&gateway.api, &run(&gateway.api).await).await;
    world.env.until_status(id, &commit, "build", "error").await;
    let told = gateway.api.until("/v1/runs", |runs| runs["items"][0]["is_cancelling"] == false);
    let told = told.await;
    assert_eq!(told["items"][0]["ci_problem"], Value::Null, "it is no failure");
    assert_eq!(world.builds()[0].state, State::Succeeded);
    gateway.stop().await;
}

pub(super) async fn a_newer_commit_cancels_the_older_run(kind: &Kind) {
    let (world, gateway, id, older) = Box::pin(running(kind)).await;
    let newest = world.env.push("topic");
    let newer = world.until_builds(2).await;
    let is_cancelled = |builds: &[Build]| {
        builds.iter().any(|build| build.number == older.number && build.state == State::Cancelled)
    };
    world.until("the older build is cancelled", is_cancelled).await;
    world.set(&newer, State::Succeeded);
    world.env.until_status(id, &newest, "build", "succeeded").await;
    assert!(!world.builds().iter().any(|build| build.run == newer.run && build.cancels > 0));
    gateway.stop().await;
}

pub(super) async fn a_closed_pull_request_cancels_its_run(kind: &Kind) {
    let (world, gateway, id, _) = Box::pin(running(kind)).await;
    world.env.shell.ado(|ado| ado.abandon(id));
    world.until("the build is cancelled", first_is_cancelled).await;
    gateway.stop().await;
}

pub(super) async fn a_cancel_is_repeated(kind: &Kind) {
    let (world, gateway, id, _) = Box::pin(running(kind)).await;
    let unavailable = Action::Respond(Response::text(503, "try later"));
    world.next_fails(kind.cancel, 1, unavailable);
    world.env.shell.ado(|ado| ado.abandon(id));
    world.until("the build is cancelled by the second attempt", first_is_cancelled).await;
    gateway.stop().await;
}
