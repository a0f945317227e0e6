//! Events that no hook delivered: found by catch-up and run once; nothing older than the watch
//! runs.

use fakes::faults::{Action, Rule, server_error_500};
use fakes::http::Response;

use crate::harness::{Env, InProcess, Settings, check};

/// No hooks at all: catch-up finds every event.
const CATCH_UP_ONLY: &str = "hooks = false\ncatch_up = \"1s\"";
fn catch_up_only(settings: &mut Settings) {
    settings.organization = CATCH_UP_ONLY.into();
}

/// Waits until a scan has ended that began after now.
async fn scanned(env: &Env, gateway: &InProcess) {
    const LIST: &str = "/git/pullrequests?";
    let before = env.shell.ado(|ado| ado.journal.count("GET", LIST));
    env.until("it looks again", |ado, _| ado.journal.count("GET", LIST) > before + 1).await;
    env.until_idle(&gateway.api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_hooks_everything_is_found() {
    let env = Env::new(901);
    let (old, _) = env.open("old");
    let gateway = InProcess::without_hooks(&env, catch_up_only).await;
    scanned(&env, &gateway).await;
    assert_eq!(env.starts(), 0, "it is older than the watch");
    let (id, first) = env.open("topic");
    env.until_status(id, &first, "unit-tests", "succeeded").await;
    let second = env.push("topic");
    env.until_status(id, &second, "unit-tests", "succeeded").await;
    let main = env.push("main");
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    let moved = env.push("old");
    env.until_status(old, &moved, "unit-tests", "succeeded").await;
    scanned(&env, &gateway).await;
    assert_eq!(env.starts(), 4);
    let found = gateway.api.items("/v1/deliveries?limit=500").await;
    assert!(found.iter().all(|one| one["source"] == "catch_up"), "{found:?}");
    assert!(found.iter().any(|one| {
        let reason = one["reason"].as_str().unwrap_or_default();
        reason.contains("older than the watch on Fabrikam/web") && one["outcome"] == "ignored"
    }));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_while_the_gateway_was_off_run_after_a_start() {
    let env = Env::new(902);
    let checks = check("unit-tests", "on = [\"pull_request\", \"push\"]\nbranches = [\"**\"]");
    let settings = |settings: &mut Settings| {
        catch_up_only(settings);
        settings.checks = checks.clone();
    };
    let gateway = InProcess::without_hooks(&env, settings).await;
    scanned(&env, &gateway).await;
    gateway.stop().await;
    let mut opened = Vec::new();
    for number in 0..5 {
        let branch = format!("topic-{number}");
        let (id, first) = env.open(&branch);
        opened.push((id, first, env.push(&branch)));
    }
    let gateway = InProcess::without_hooks(&env, settings).await;
    for (id, _, last) in &opened {
        env.until_status(*id, last, "unit-tests", "succeeded").await;
        env.until_commit_status(last, "unit-tests", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    for (_, first, _) in &opened {
        let ran = env.shell.ci(|ci| ci.started().any(|start| start.trigger["commit"] == **first));
        assert!(!ran, "of several missed pushes the last one runs");
    }
    assert_eq!(env.starts(), 10);
    let over = gateway.api.items("/v1/deliveries?limit=500").await;
    let reasons = over.iter().filter_map(|one| one["reason"].as_str());
    assert_eq!(reasons.filter(|reason| reason.contains("passed over")).count(), 5);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_hook_and_catch_up_deliver_runs_once() {
    let env = Env::new(903);
    let gateway = InProcess::start_with(&env, catch_up_only).await;
    for number in 0..4 {
        let branch = format!("topic-{number}");
        let (id, commit) = env.open(&branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    scanned(&env, &gateway).await;
    assert_eq!(env.starts(), 4);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_moved_and_came_back_shows_its_result_on_the_newest_iteration() {
    let env = Env::new(904);
    let gateway = InProcess::without_hooks(&env, catch_up_only).await;
    scanned(&env, &gateway).await;
    let (id, first) = env.open("topic");
    env.until_status(id, &first, "unit-tests", "succeeded").await;
    scanned(&env, &gateway).await;
    gateway.stop().await;
    env.push("topic");
    env.shell.ado(|ado| ado.force_push_to(&env.repository, "topic", &first));
    let gateway = InProcess::without_hooks(&env, catch_up_only).await;
    env.until("the newest iteration shows it", |ado, _| {
        let one = ado.pull_request(id);
        let newest = u64::try_from(one.iterations.len()).ok();
        one.statuses.iter().any(|status| status.iteration == newest)
    })
    .await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1, "it is shown again, not run again");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_pushes_are_refused_heads_are_compared() {
    let env = Env::new(905);
    let refused = Response::json(403, &serde_json::json!({ "message": "TF401027: no" }));
    let rule = Rule::new("GET", "/pushes", Action::Respond(refused));
    env.shell.ado(|ado| ado.faults.add(rule));
    let gateway = InProcess::without_hooks(&env, catch_up_only).await;
    scanned(&env, &gateway).await;
    let (id, _) = env.open("topic");
    let last = env.push("topic");
    let main = env.push("main");
    env.until_status(id, &last, "unit-tests", "succeeded").await;
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_azure_devops_lose_no_event_and_repeat_none() {
    let env = Env::new(906);
    let gateway = InProcess::without_hooks(&env, catch_up_only).await;
    scanned(&env, &gateway).await;
    env.shell.ado(|ado| {
        let html = Response::html(200, "<html>Sign in</html>");
        let days = [
            ("/git/repositories", server_error_500()),
            ("/git/pullrequests", Action::Respond(html)),
            ("/refs", Action::TruncateBody),
            ("/pushes", Action::DropAfter),
        ];
        for (path, action) in days {
            ado.faults.add(Rule::new("GET", path, action).next(2));
        }
    });
    let (id, commit) = env.open("topic");
    let main = env.push("main");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    scanned(&env, &gateway).await;
    assert_eq!(env.starts(), 2);
    env.check_invariants();
    gateway.stop().await;
}
