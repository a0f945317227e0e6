//! Callbacks of the CIs that have them: hints, which change nothing by themselves.

use fakes::faults::Action;
use fakes::systems::State;
use reqwest::StatusCode;

use super::world::{Kind, World, is, run, send};
use crate::harness::{InProcess, Settings, WAIT_MAX};

pub(super) async fn a_callback_is_a_hint(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.set(&build, State::Running);
    let early = world.callback(&build);
    assert_eq!(send(&gateway.url, &early).await, StatusCode::NO_CONTENT);
    gateway.api.until("/v1/runs", is("running")).await;
    // It goes back, and on again.
    world.set(&build, State::Queued);
    assert_eq!(send(&gateway.url, &early).await, StatusCode::NO_CONTENT);
    world.set(&build, State::Succeeded);
    let last = world.callback(&build);
    assert_eq!(send(&gateway.url, &last).await, StatusCode::NO_CONTENT);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    // All of them again, while the CI says something else; and then another run, whose result
    // comes later than anything about the first one.
    world.set(&build, State::Failed);
    for again in [&early, &last, &world.callback(&build)] {
        assert_eq!(send(&gateway.url, again).await, StatusCode::NO_CONTENT);
    }
    let (other, other_commit) = world.env.open("other");
    let other_build = world.until_builds(2).await;
    gateway.api.until("/v1/runs?state=dispatched", is("dispatched")).await;
    world.set(&other_build, State::Failed);
    assert_eq!(send(&gateway.url, &world.callback(&other_build)).await, StatusCode::NO_CONTENT);
    world.env.until_status(other, &other_commit, "build", "failed").await;
    world.env.until_status(id, &commit, "build", "succeeded").await;
    gateway.stop().await;
}

/// The CI answers, ends the build, and says so before its answer arrives.
pub(super) async fn a_callback_during_a_poll_is_not_lost(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.set(&build, State::Running);
    world.next_fails(kind.poll, 1, Action::Hold { before: false });
    assert_eq!(send(&gateway.url, &world.callback(&build)).await, StatusCode::NO_CONTENT);
    world.env.shell.wait_for_held(WAIT_MAX, 1).await.expect("it is polled");
    world.set(&build, State::Succeeded);
    assert_eq!(send(&gateway.url, &world.callback(&build)).await, StatusCode::NO_CONTENT);
    world.env.shell.release();
    world.env.until_status(id, &commit, "build", "succeeded").await;
    gateway.stop().await;
}

pub(super) async fn a_callback_that_is_not_proved_is_refused(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.set(&build, State::Succeeded);
    let right = world.callback(&build);
    let mut forged = right.clone();
    // Somebody who knows an earlier callback changes it.
    let is_token = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.contains("token") || name == "authorization"
    };
    match forged.headers.iter().any(|(name, _)| is_token(name)) {
        true => forged.headers.iter_mut().for_each(|(_, value)| value.push('x')),
        false => forged.body.push(b' '),
    }
    let mut unsigned = right.clone();
    unsigned.headers.retain(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let mut wrong = vec![forged, unsigned];
    if kind.signs_time {
        // Kept for more than five minutes; and sent by a clock that is wrong.
        wrong.extend([-301_000, 310_000].map(|later_ms| world.callback_at(&build, later_ms)));
    }
    for wrong in wrong {
        assert_eq!(send(&gateway.url, &wrong).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(run(&gateway.api).await["state"], "dispatched");
    assert_eq!(send(&gateway.url, &right).await, StatusCode::NO_CONTENT);
    gateway.api.until("/v1/runs", is("succeeded")).await;
    gateway.stop().await;
}

/// Two gateways use one CI, which tells each about the runs of both.
pub(super) async fn a_callback_about_an_unknown_run_changes_nothing(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    let other = |settings: &mut Settings| {
        world.settings(settings, "1h");
        settings.name = "other".to_owned();
        settings.database = "other.db".into();
    };
    let other = InProcess::without_hooks(&world.env, other).await;
    world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    world.set(&build, State::Succeeded);
    let asked = world.targets().len();
    let callback = world.callback(&build);
    assert_eq!(send(&other.url, &callback).await, StatusCode::NO_CONTENT);
    assert_eq!(send(&gateway.url, &callback).await, StatusCode::NO_CONTENT);
    gateway.api.until("/v1/runs", is("succeeded")).await;
    assert!(other.api.items("/v1/runs").await.is_empty());
    let answers = world.targets().split_off(asked);
    assert_eq!(answers.len(), 1, "only the other one asked: {answers:?}");
    other.stop().await;
    gateway.stop().await;
}
