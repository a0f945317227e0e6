//! The stories.

use fakes::faults::{Action, too_many_requests};
use fakes::http::Response;
use fakes::systems::State;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::world::{Kind, World, send};
use crate::harness::{Api, Settings, WAIT_MAX};

/// The only run.
async fn run(api: &Api) -> Value {
    api.items("/v1/runs").await.pop().expect("there is one")
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |runs| runs["items"][0]["state"] == state
}

pub(super) async fn a_run_is_started_and_succeeds(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    let run = run(&gateway.api).await;
    assert_eq!(build.run, run["id"], "the build carries the run");
    world.env.until_status(id, &commit, "build", "pending").await;
    world.set(&build, State::Running);
    gateway.api.until("/v1/runs", is("running")).await;
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    world.env.until_commit_status(&commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1);
    let url = gateway.api.get("/v1/runs").await["items"][0]["url"].as_str().map(str::to_owned);
    assert!(url.is_some_and(|url| url.starts_with("http")), "people can open the build");
    gateway.stop().await;
}

pub(super) async fn each_result_is_shown(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let results = [
        (State::Failed, "failed", "failed"),
        (State::Errored, "errored", kind.state_of_errored),
        (State::Cancelled, "cancelled", kind.state_of_cancelled),
    ];
    for (count, (result, branch, shown)) in results.into_iter().enumerate() {
        let (id, commit) = world.env.open(branch);
        let build = world.until_builds(count + 1).await;
        world.set(&build, result);
        world.env.until_status(id, &commit, "build", shown).await;
    }
    gateway.stop().await;
}

pub(super) async fn a_start_whose_answer_is_lost_is_found(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, Action::DropAfter);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1, "it was started once");
    gateway.stop().await;
}

pub(super) async fn a_start_that_did_not_arrive_is_repeated(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, Action::DropBefore);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1);
    gateway.stop().await;
}

pub(super) async fn a_refused_token_is_told(kind: &Kind) {
    let world = World::new(kind);
    let mut wrong = String::new();
    let refuse = |settings: &mut Settings| wrong = world.refuse_credential(settings);
    let gateway = world.gateway_with("1s", refuse).await;
    let (id, commit) = world.env.open("topic");
    world.env.until_status(id, &commit, "build", "error").await;
    let run = run(&gateway.api).await;
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.starts_with("builder refused to start the run: "), "{reason}");
    assert!(!reason.contains(&wrong) && !reason.contains(['{', '<']), "{reason}");
    let problem = |ready: &Value| {
        ready["problems"]["fabrikam"].as_str().is_some_and(|text| text.contains("ci.builder"))
    };
    gateway.api.until("/readyz", problem).await;
    assert_eq!(world.builds().len(), 0);
    // None where the login before it is refused.
    assert!(world.requests(kind.start) <= 1, "it is not asked again and again");
    gateway.stop().await;
}

pub(super) async fn a_newer_commit_cancels_the_older_run(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let older = world.until_builds(1).await;
    world.set(&older, State::Running);
    gateway.api.until("/v1/runs", is("running")).await;
    let newest = world.env.push("topic");
    let newer = world.until_builds(2).await;
    let is_cancelled = |builds: &[fakes::systems::Build]| {
        builds.iter().any(|build| build.number == older.number && build.state == State::Cancelled)
    };
    world.until("the older build is cancelled", is_cancelled).await;
    world.set(&newer, State::Succeeded);
    world.env.until_status(id, &newest, "build", "succeeded").await;
    assert!(!world.builds().iter().any(|build| build.run == newer.run && build.cancels > 0));
    gateway.stop().await;
}

pub(super) async fn an_operator_cancels_a_run(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    world.until_builds(1).await;
    world.env.until_status(id, &commit, "build", "pending").await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    let run = run(&gateway.api).await;
    let path = format!("/v1/runs/{}/cancel", run["id"].as_str().unwrap());
    let (status, _) = gateway.api.call(Method::POST, &path, None).await;
    assert!(status.is_success(), "{status}");
    let ends = |builds: &[fakes::systems::Build]| builds[0].state == State::Cancelled;
    world.until("the build that waits is cancelled", ends).await;
    world.env.until_status(id, &commit, "build", "error").await;
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
    let run = run(&gateway.api).await;
    let path = format!("/v1/runs/{}/cancel", run["id"].as_str().unwrap());
    gateway.api.call(Method::POST, &path, None).await;
    world.env.until_status(id, &commit, "build", "error").await;
    let told = gateway.api.until("/v1/runs", |runs| runs["items"][0]["is_cancelling"] == false);
    let told = told.await;
    assert_eq!(told["items"][0]["ci_problem"], Value::Null, "it is no failure");
    assert_eq!(world.builds()[0].state, State::Succeeded);
    gateway.stop().await;
}

pub(super) async fn a_closed_pull_request_cancels_its_run(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Running);
    gateway.api.until("/v1/runs", is("running")).await;
    world.env.shell.ado(|ado| ado.abandon(id));
    let ends = |builds: &[fakes::systems::Build]| builds[0].state == State::Cancelled;
    world.until("the build is cancelled", ends).await;
    gateway.stop().await;
}

pub(super) async fn a_cancel_is_repeated(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.set(&build, State::Running);
    gateway.api.until("/v1/runs", is("running")).await;
    let unavailable = Action::Respond(Response::text(503, "try later"));
    world.next_fails(kind.cancel, 1, unavailable);
    world.env.shell.ado(|ado| ado.abandon(id));
    let ends = |builds: &[fakes::systems::Build]| builds[0].state == State::Cancelled;
    world.until("the build is cancelled by the second attempt", ends).await;
    gateway.stop().await;
}

pub(super) async fn a_callback_is_a_hint(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    if !kind.has_callbacks {
        let nothing = fakes::http::Request::new("POST", "/");
        assert_eq!(send(&gateway.url, &nothing).await.0, StatusCode::UNAUTHORIZED);
        return gateway.stop().await;
    }
    world.set(&build, State::Running);
    let early = world.callback(&build);
    let (status, answer) = send(&gateway.url, &early).await;
    assert_eq!((status, &answer["runs"]), (StatusCode::ACCEPTED, &Value::from(1)));
    gateway.api.until("/v1/runs", is("running")).await;
    world.set(&build, State::Succeeded);
    let (status, _) = send(&gateway.url, &world.callback(&build)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    // A replay says what was, and what is counts.
    let (status, answer) = send(&gateway.url, &early).await;
    assert_eq!((status, &answer["runs"]), (StatusCode::ACCEPTED, &Value::from(0)));
    gateway.stop().await;
}

pub(super) async fn a_callback_that_is_not_proved_is_refused(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway_with("1h", |_| {}).await;
    world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    if !kind.has_callbacks {
        return gateway.stop().await;
    }
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
    for wrong in [forged, unsigned] {
        assert_eq!(send(&gateway.url, &wrong).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(run(&gateway.api).await["state"], "dispatched");
    assert_eq!(send(&gateway.url, &right).await.0, StatusCode::ACCEPTED);
    gateway.api.until("/v1/runs", is("succeeded")).await;
    gateway.stop().await;
}

pub(super) async fn a_rate_limit_is_obeyed(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, too_many_requests(2));
    let gateway = world.gateway_with("1h", |_| {}).await;
    let (id, commit) = world.env.open("topic");
    world.env.until_status(id, &commit, "build", "pending").await;
    if kind.locks_out {
        // Five minutes are too long for a test: that nothing is asked is enough.
        let paused = |text: &str| text.contains("(429)");
        gateway
            .api
            .until("/v1/runs", |runs| runs["items"][0]["reason"].as_str().is_some_and(paused))
            .await;
        assert_eq!(world.requests(kind.start), 1);
        return gateway.stop().await;
    }
    let began = std::time::Instant::now();
    world.until_builds(1).await;
    assert!(began.elapsed() < WAIT_MAX);
    assert_eq!(world.requests(kind.start), 2, "it was asked once more, after the pause");
    gateway.stop().await;
}

pub(super) async fn a_page_in_place_of_an_answer_is_no_result(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.api.until("/v1/runs", is("dispatched")).await;
    let page = Action::Respond(Response::html(200, "<html>Sign in, please</html>"));
    world.next_fails(kind.poll, 2, page);
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    gateway.stop().await;
}

pub(super) async fn a_gateway_killed_during_a_start_does_not_start_twice(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, Action::Hold { before: false });
    let mut gateway = world.binary().await;
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    gateway.kill();
    world.env.shell.release();
    gateway.restart().await;
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1, "it was started once");
    assert_no_secret(&world, &gateway.log());
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
    assert_no_secret(&world, &gateway.log());
}

fn assert_no_secret(world: &World, log: &str) {
    for (name, value) in world.variables() {
        assert!(!log.contains(value.as_str()), "the log has the value of {name}");
    }
}
