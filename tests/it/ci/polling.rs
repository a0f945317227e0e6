//! Runs at a CI that are polled: results, what is no answer, and runs that vanish.

use fakes::faults::{Action, page_200, redirect_302};
use fakes::http::Response;
use fakes::systems::State;
use serde_json::Value;

use super::world::{Kind, World, assert_no_secret, is, run};
use crate::harness::Settings;

pub(super) async fn each_result_is_shown(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let results = [
        (State::Failed, "failed", "failed"),
        (State::Errored, "errored", kind.state_of_errored),
        (State::Cancelled, "cancelled", kind.state_of_cancelled),
    ];
    let mut started = Vec::new();
    for (count, (result, branch, shown)) in results.into_iter().enumerate() {
        let opened = world.env.open(branch);
        started.push((opened, world.until_builds(count + 1).await, result, shown));
    }
    // Three runs are due at two moments of a second, so that two of them share a list.
    if let Some(list) = kind.list {
        world.until("they share a list", |_| world.requests(list) > 0).await;
    }
    for (_, build, result, _) in &started {
        world.set(build, *result);
    }
    for ((id, commit), _, _, shown) in started {
        world.env.until_status(id, &commit, "build", shown).await;
    }
    gateway.stop().await;
}

/// A CI that is away answers in these ways, or not at all, however long that lasts.
pub(super) async fn what_is_no_answer_is_no_result(kind: &Kind) {
    let world = World::new(kind);
    let impatient = |settings: &mut Settings| settings.add_to_ci("call_timeout = \"3s\"");
    let gateway = world.gateway_with("1s", impatient).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    let unavailable = Action::Respond(Response::html(503, "<h1>Be right back</h1>"));
    for action in
        [page_200(), redirect_302(&world.elsewhere()), unavailable, Action::Hold { before: true }]
    {
        world.next_fails(kind.poll, 1, action);
    }
    world.set(&build, State::Succeeded);
    let is_told = |runs: &Value| runs["items"][0]["ci_problem"].is_string();
    let told = gateway.api.until("/v1/runs", is_told).await;
    assert_eq!(told["items"][0]["state"], "dispatched");
    assert_no_secret(&world, &gateway.api, "").await;
    world.env.until_status(id, &commit, "build", "succeeded").await;
    assert_eq!(run(&gateway.api).await["ci_problem"], Value::Null, "it is over");
    gateway.api.until("/readyz", |ready| !ready.to_string().contains("ci.builder")).await;
    assert_eq!(world.requests_elsewhere(), 0, "no redirect is followed");
    gateway.stop().await;
}

pub(super) async fn a_run_that_the_ci_has_forgotten_does_not_stay_pending(kind: &Kind) {
    let world = World::new(kind);
    let short = |settings: &mut Settings| settings.checks.push_str("timeout = \"3s\"\n");
    let gateway = world.gateway_with("1s", short).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.forget(&build);
    world.env.until_status(id, &commit, "build", "error").await;
    let told = gateway.api.until("/v1/runs", |runs| runs["items"][0]["is_cancelling"] == false);
    let run = told.await["items"][0].clone();
    let reason = run["reason"].as_str().unwrap();
    let truth = "no result within 3s (builder does not tell how it is: ";
    assert!(reason.starts_with(truth) && !reason.contains(['{', '<']), "{reason}");
    assert_eq!(run["ci_problem"], Value::Null, "there was nothing to cancel");
    gateway.stop().await;
}

pub(super) async fn a_gateway_killed_during_a_run_goes_on_with_it(kind: &Kind) {
    let world = World::new(kind);
    let mut gateway = world.binary().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    gateway.kill();
    world.set(&build, State::Failed);
    gateway.restart().await;
    world.env.until_status(id, &commit, "build", "failed").await;
    assert_eq!(world.builds().len(), 1);
    assert_no_secret(&world, &gateway.api, &gateway.log()).await;
}
