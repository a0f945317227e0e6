//! Catch-up: events that no hook delivered are found and run once; what existed before the gateway
//! watched a repository starts nothing.

use std::time::Duration;

use azdo_gateway::domain::time::Timestamp;
use fakes::ci::Behaviour;
use fakes::faults::{Action, Rule, server_error_500};
use fakes::http::Response;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, Settings, check, payloads};

/// Without managed hooks, so that only catch-up finds events.
fn catch_up_only(settings: &mut Settings) {
    settings.organization = "hooks = false\ncatch_up = \"1s\"".into();
}

/// Waits until a whole pass of catch-up has ended that began after this call.
async fn until_caught_up(env: &Env, gateway: &Gateway) {
    const LIST: &str = "/git/pullrequests?";
    let before = env.shell.ado(|ado| ado.journal.count("GET", LIST));
    env.until("another pass has begun", |ado, _| ado.journal.count("GET", LIST) > before + 1).await;
    env.until_idle(&gateway.api).await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn without_hooks_catch_up_finds_pull_requests_and_pushes() {
    let env = Env::new(901);
    let (old, _) = env.open("old");
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    until_caught_up(&env, &gateway).await;
    assert_eq!(env.starts(), 0, "a pull request from before the start was run");
    let (id, first) = env.open("topic");
    env.until_status(id, &first, "unit-tests", "succeeded").await;
    let second = env.push("topic");
    env.until_status(id, &second, "unit-tests", "succeeded").await;
    let main = env.push("main");
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    let moved = env.push("old");
    env.until_status(old, &moved, "unit-tests", "succeeded").await;
    until_caught_up(&env, &gateway).await;
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
pub(super) async fn events_while_the_gateway_was_stopped_run_after_its_start() {
    let env = Env::new(902);
    let checks = check("unit-tests", "on = [\"pull_request\", \"push\"]\nbranches = [\"**\"]");
    let settings = |settings: &mut Settings| {
        catch_up_only(settings);
        settings.checks = checks.clone();
    };
    let gateway = Gateway::without_hooks(&env, settings).await;
    until_caught_up(&env, &gateway).await;
    gateway.stop().await;
    let mut opened = Vec::new();
    for number in 0..5 {
        let branch = format!("topic-{number}");
        let (id, first) = env.open(&branch);
        opened.push((id, first, env.push(&branch)));
    }
    let gateway = Gateway::without_hooks(&env, settings).await;
    for (id, _, last) in &opened {
        env.until_status(*id, last, "unit-tests", "succeeded").await;
        env.until_commit_status(last, "unit-tests", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    for (_, first, _) in &opened {
        let ran = env.shell.ci(|ci| ci.started().any(|start| start.trigger["commit"] == **first));
        assert!(!ran, "an older push was run, and only the last should be");
    }
    assert_eq!(env.starts(), 10);
    let deliveries = gateway.api.items("/v1/deliveries?limit=500").await;
    let reasons = deliveries.iter().filter_map(|one| one["reason"].as_str());
    assert_eq!(reasons.filter(|reason| reason.contains("passed over")).count(), 5);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn an_event_found_by_a_hook_and_by_catch_up_runs_once() {
    let env = Env::new(903);
    let gateway = Gateway::start_with(&env, catch_up_only).await;
    for number in 0..4 {
        let branch = format!("topic-{number}");
        let (id, commit) = env.open(&branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    until_caught_up(&env, &gateway).await;
    assert_eq!(env.starts(), 4);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_head_again_shows_its_result_on_the_newest_iteration() {
    let env = Env::new(904);
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    until_caught_up(&env, &gateway).await;
    let (id, first) = env.open("topic");
    env.until_status(id, &first, "unit-tests", "succeeded").await;
    until_caught_up(&env, &gateway).await;
    gateway.stop().await;
    env.push("topic");
    env.shell.ado(|ado| ado.force_push_to(&env.repository, "topic", &first));
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    env.until("the newest iteration has a status", |ado, _| {
        let one = ado.pull_request(id);
        let newest = u64::try_from(one.iterations.len()).ok();
        one.statuses.iter().any(|status| status.iteration == newest)
    })
    .await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1, "the commit was run again");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_list_of_pushes_is_refused_catch_up_uses_the_heads() {
    let env = Env::new(905);
    let refused = Response::json(403, &serde_json::json!({ "message": "TF401027: no" }));
    let rule = Rule::new("GET", "/pushes", Action::Respond(refused));
    env.shell.ado(|ado| ado.faults.add(rule));
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    until_caught_up(&env, &gateway).await;
    let (id, _) = env.open("topic");
    let last = env.push("topic");
    let main = env.push("main");
    env.until_status(id, &last, "unit-tests", "succeeded").await;
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn failures_of_azure_devops_during_catch_up_lose_and_repeat_nothing() {
    let env = Env::new(906);
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    until_caught_up(&env, &gateway).await;
    env.shell.ado(|ado| {
        let html = Response::html(200, "<html>Sign in</html>");
        let faults = [
            ("/git/repositories", server_error_500()),
            ("/git/pullrequests", Action::Respond(html)),
            ("/refs", Action::TruncateBody),
            ("/pushes", Action::DropAfter),
        ];
        for (path, action) in faults {
            ado.faults.add(Rule::new("GET", path, action).next(2));
        }
    });
    let (id, commit) = env.open("topic");
    let main = env.push("main");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&main, "unit-tests", "succeeded").await;
    until_caught_up(&env, &gateway).await;
    assert_eq!(env.starts(), 2);
    env.check_invariants();
    gateway.stop().await;
}

/// Opens a pull request, and delivers it with the time that `dated` makes of the time of its push,
/// as Azure DevOps writes it.
async fn open_dated(env: &Env, gateway: &Gateway, branch: &str, dated: Dated) -> (u64, String) {
    let (id, commit) = env.open(branch);
    let path = format!("_apis/git/repositories/{}/pushes", env.repository);
    let pushes = env.ado_request("GET", &path, &Value::Null).await;
    let newest = pushes["value"][0]["date"].as_str().expect("a push has a date").to_owned();
    let mut body = payloads::pull_request(env, id, branch, &commit);
    body["createdDate"] = json!(dated(&newest));
    env.deliver(&gateway.url, "opened-by-hand", body.to_string()).await;
    (id, commit)
}

/// Makes the time of an event out of that of a push.
type Dated = fn(&str) -> String;

/// One that is equal, one that is earlier, and one without its fraction.
const DATES: [(&str, Dated); 3] = [
    ("equal", |pushed| pushed.to_owned()),
    ("swapped", |pushed| {
        let at = Timestamp::parse(pushed).expect("it is a time");
        at.minus(Duration::from_millis(2)).to_string()
    }),
    ("cut", |pushed| format!("{}Z", pushed.split('.').next().expect("there is a first part"))),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_or_errored_stays_so_whatever_times_pull_request_and_push_have() {
    let env = Env::new(907);
    let gateway = Gateway::without_hooks(&env, catch_up_only).await;
    until_caught_up(&env, &gateway).await;
    gateway.stop().await;
    let seldom = |settings: &mut Settings| {
        settings.organization = "hooks = false\ncatch_up = \"1d\"".into();
    };
    let gateway = Gateway::without_hooks(&env, seldom).await;
    let is_over = |outcomes: &Value| {
        let mut items = outcomes["items"].as_array().expect("it lists outcomes").iter();
        items.any(|one| one["reconciler"] == "catch_up" && one["at"].is_string())
    };
    gateway.api.until("/v1/organizations/fabrikam/reconcile", is_over).await;
    for (name, dated) in DATES {
        env.shell.ci(|ci| ci.set_default(Behaviour::Error));
        let (id, commit) = open_dated(&env, &gateway, &format!("{name}-errored"), dated).await;
        env.until_status(id, &commit, "unit-tests", "error").await;
        env.disable_ci_reports();
        let (id, commit) = open_dated(&env, &gateway, &format!("{name}-cancelled"), dated).await;
        let run = env.until_started("unit-tests", &commit).await;
        gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
        env.until_status(id, &commit, "unit-tests", "error").await;
    }
    env.until_idle(&gateway.api).await;
    gateway.stop().await;
    for _ in 0..2 {
        let gateway = Gateway::without_hooks(&env, catch_up_only).await;
        until_caught_up(&env, &gateway).await;
        for state in ["errored", "cancelled"] {
            let runs = gateway.api.items(&format!("/v1/runs?state={state}")).await;
            assert_eq!(runs.len(), DATES.len(), "{runs:?}");
        }
        let runs = gateway.api.items("/v1/runs").await;
        assert_eq!(runs.len(), 2 * DATES.len(), "something was started again: {runs:?}");
        gateway.stop().await;
    }
    env.check_invariants();
}
