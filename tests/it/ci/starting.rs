//! Starts: sure, in doubt, refused, and answered by somebody else than the CI.

use std::collections::BTreeSet;

use fakes::faults::{Action, page_200, redirect_302, too_many_requests};
use fakes::http::Response;
use fakes::systems::State;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::world::{Kind, World, assert_no_secret, findings, is, run};
use crate::harness::{Api, REPORTER, Settings};

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
    // Whoever reports, what the CI answers counts.
    let report = format!("/v1/runs/{}/reports", run["id"].as_str().unwrap());
    let reporter = Api::new(&gateway.url, REPORTER);
    let (status, answer) = reporter.post(&report, Some(&json!({ "state": "failed" }))).await;
    assert_eq!((status, &answer["applied"]), (StatusCode::OK, &json!(false)), "{answer}");
    assert_eq!(findings(&gateway.api).await, [""; 0]);
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    world.env.until_commit_status(&commit, "build", "succeeded").await;
    assert_eq!(world.builds().len(), 1);
    let url = gateway.api.get("/v1/runs").await["items"][0]["url"].as_str().map(str::to_owned);
    assert!(url.is_some_and(|url| url.starts_with("http")), "people can open the build");
    gateway.stop().await;
}

/// The answers of four starts: lost when it was done, lost before, never sent, and a page.
pub(super) async fn a_start_in_doubt_happens_once(kind: &Kind) {
    let world = World::new(kind);
    let silence = Action::Hold { before: false };
    for action in [Action::DropAfter, Action::DropBefore, silence, page_200()] {
        world.next_fails(kind.start, 1, action);
    }
    let impatient = |settings: &mut Settings| settings.add_to_ci("call_timeout = \"3s\"");
    let gateway = world.gateway_with("1s", impatient).await;
    let opened = ["one", "two", "three", "four"].map(|branch| world.env.open(branch));
    world.until_builds(4).await;
    world.builds().iter().for_each(|build| world.set(build, State::Succeeded));
    for (id, commit) in opened {
        world.env.until_status(id, &commit, "build", "succeeded").await;
    }
    let runs: BTreeSet<_> = world.builds().into_iter().map(|build| build.run).collect();
    assert_eq!((runs.len(), world.builds().len()), (4, 4), "each was started once");
    // Where nothing can be looked up, each is repeated under the id that it has.
    let starts = if kind.finds { 6 } else { 8 };
    assert_eq!(world.requests(kind.start), starts);
    gateway.stop().await;
}

/// Why the run was not started, in plain words. The problem is shown, and no secret.
async fn refusal(world: &World, api: &Api) -> String {
    let run = run(api).await;
    assert_eq!(run["state"], "errored");
    let reason = run["reason"].as_str().unwrap().to_owned();
    let words = reason.strip_prefix("builder refused to start the run: ");
    assert!(words.is_some_and(|words| !words.contains(['{', '}', '<', '>'])), "{reason}");
    let problem = |ready: &Value| {
        ready["problems"]["fabrikam"].as_str().is_some_and(|text| text.contains("ci.builder"))
    };
    api.until("/readyz", problem).await;
    assert_no_secret(world, api, &reason).await;
    reason
}

pub(super) async fn a_start_that_the_ci_refuses_ends_the_run(kind: &Kind) {
    for (wrong, words, is_found_before) in kind.refusals {
        let world = World::new(kind);
        let gateway = world.gateway_with("1s", wrong).await;
        let (id, commit) = world.env.open("topic");
        world.env.until_status(id, &commit, "build", "error").await;
        let reason = refusal(&world, &gateway.api).await;
        assert!(reason.contains(words), "{reason}");
        let found = findings(&gateway.api).await;
        assert_eq!(!found.is_empty(), *is_found_before, "{reason}: {found:?}");
        assert!(found.iter().all(|what| !what.contains(['{', '<'])), "{found:?}");
        assert_eq!(world.builds().len(), 0);
        assert!(world.requests(kind.start) <= 1, "it is not asked again and again");
        gateway.stop().await;
    }
}

pub(super) async fn a_start_that_is_answered_badly_is_told_plainly(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    // A token that was just minted may not be known yet, so Azure DevOps is asked with others.
    world.next_fails(kind.start, 4, redirect_302(&world.elsewhere()));
    let (id, commit) = world.env.open("redirected");
    world.env.until_status(id, &commit, "build", "error").await;
    let reason = refusal(&world, &gateway.api).await;
    assert!(reason.contains("302"), "{reason}");
    let starts = world.requests(kind.start);
    assert_eq!(starts, kind.tries_when_redirected, "it is not asked again and again");
    world.heals();
    let secrets: Vec<_> = world.variables().iter().map(|(_, value)| value.as_str()).collect();
    let said = format!("<b>no</b> {{\"a\": 1}} for {}", secrets.join(" "));
    let answer = Response::json(400, &json!({ "message": said, "errorMessages": [said] }));
    world.next_fails(kind.start, 1, Action::Respond(answer));
    let (id, commit) = world.env.open("refused");
    world.env.until_status(id, &commit, "build", "error").await;
    refusal(&world, &gateway.api).await;
    assert_eq!(world.requests(kind.start), starts + 1);
    assert_eq!((world.builds().len(), world.requests_elsewhere()), (0, 0));
    // The next start that is accepted ends the problem.
    world.env.open("accepted");
    world.until_builds(1).await;
    gateway.api.until("/readyz", |ready| !ready.to_string().contains("ci.builder")).await;
    gateway.stop().await;
}

pub(super) async fn a_refused_token_is_told(kind: &Kind) {
    let world = World::new(kind);
    let mut wrong = String::new();
    let refuse = |settings: &mut Settings| wrong = world.refuse_credential(settings);
    let gateway = world.gateway_with("1s", refuse).await;
    let (id, commit) = world.env.open("topic");
    world.env.until_status(id, &commit, "build", "error").await;
    let reason = refusal(&world, &gateway.api).await;
    assert!(!reason.contains(&wrong), "{reason}");
    let found = findings(&gateway.api).await;
    assert_eq!(found.is_empty(), world.has_no_token(), "{found:?}");
    assert!(!found.concat().contains(&wrong), "{found:?}");
    assert_eq!(world.builds().len(), 0);
    // None where the login before it is refused.
    assert!(world.requests(kind.start) <= 1, "it is not asked again and again");
    gateway.stop().await;
}

pub(super) async fn a_poisoned_link_is_neither_called_nor_shown(kind: &Kind) {
    let world = World::new(kind);
    let gateway = world.gateway().await;
    world.links_to("javascript:alert(1)//");
    let (id, commit) = world.env.open("topic");
    let build = world.until_builds(1).await;
    world.links_to(&world.elsewhere().replace("://", "://somebody:hidden@"));
    world.set(&build, State::Succeeded);
    world.env.until_status(id, &commit, "build", "succeeded").await;
    // Links that are made of the configuration are what they were.
    let run = run(&gateway.api).await;
    let is_ours = run["url"].as_str().is_none_or(|url| url.starts_with(world.env.shell.url()));
    let text = run.to_string();
    assert!(is_ours && !text.contains("elsewhere") && !text.contains("javascript"), "{run}");
    assert_eq!(world.requests_elsewhere(), 0);
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
    world.until_builds(1).await;
    assert_eq!(world.requests(kind.start), 2, "it was asked once more, after the pause");
    gateway.stop().await;
}

pub(super) async fn a_quota_without_a_time_pauses_the_account_over_a_restart(kind: &Kind) {
    let world = World::new(kind);
    world.next_fails(kind.start, 1, too_many_requests(0));
    let mut gateway = world.binary().await;
    let (id, commit) = world.env.open("topic");
    world.env.until_status(id, &commit, "build", "pending").await;
    let is_told = |runs: &Value| {
        let reason = runs["items"][0]["reason"].as_str().unwrap_or_default();
        reason.starts_with("builder does not start it yet: ")
    };
    gateway.api.until("/v1/runs", is_told).await;
    gateway.kill();
    gateway.restart().await;
    world.env.open("other");
    world.until_paused(&gateway.api).await;
    assert_eq!((world.requests(kind.start), world.builds().len()), (1, 0), "it is left alone");
    assert_no_secret(&world, &gateway.api, &gateway.log()).await;
}

pub(super) async fn the_pace_of_calls_is_kept(kind: &Kind) {
    let world = World::new(kind);
    let slow = |settings: &mut Settings| settings.add_to_ci("requests_per_minute = 10");
    let gateway = world.gateway_with("1s", slow).await;
    for branch in ["one", "two", "three", "four"] {
        world.env.open(branch);
    }
    world.until_paused(&gateway.api).await;
    world.until_builds(1).await;
    // Two begin at once, and one more every six seconds; one may have taken longer to arrive.
    let times = world.times_of(kind.start);
    for (from, first) in times.iter().enumerate() {
        for (to, last) in times.iter().enumerate().skip(from) {
            let at_most = 3 + usize::try_from((last - first) / 6_000).unwrap_or_default();
            assert!(to - from < at_most, "{times:?}");
        }
    }
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
    assert_no_secret(&world, &gateway.api, &gateway.log()).await;
}
