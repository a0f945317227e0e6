//! How statuses reach Azure DevOps: each once, only the newest of those that wait, and also after a
//! failed or unanswered post.

use fakes::ado::Permission;
use fakes::ado::model::Status;
use fakes::faults::{Action, Rule, server_error_500, unavailable_503};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Api, Env, Gateway, REPORTER, WAIT_MAX, check, newest_status};

/// Checks that no status repeats the one before it.
fn check_none_repeats(statuses: &[Status]) {
    for pair in statuses.windows(2) {
        let content = |status: &Status| {
            let Status { iteration, state, description, target_url, .. } = status.clone();
            (iteration, state, description, target_url)
        };
        assert_ne!(content(&pair[0]), content(&pair[1]), "posted twice");
    }
}

/// Opens a pull request and waits until its run is dispatched and its status is pending. Returns
/// the number of the pull request, the commit and the run.
async fn start_pending_run(env: &Env, gateway: &Gateway) -> (u64, String, String) {
    env.disable_ci_reports();
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    let is_dispatched = |runs: &Value| runs["items"][0]["state"] == "dispatched";
    gateway.api.until("/v1/runs", is_dispatched).await;
    env.until_idle(&gateway.api).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    (id, commit, run)
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_status_that_changes_nothing_is_not_posted() {
    let env = Env::new(1301);
    let gateway = Gateway::start(&env).await;
    let (id, commit, run) = start_pending_run(&env, &gateway).await;
    for _ in 0..3 {
        env.report(&run, "running");
    }
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    check_none_repeats(&env.statuses(id, "unit-tests"));
    check_none_repeats(&env.commit_statuses(&commit, "unit-tests"));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn of_the_statuses_that_wait_for_a_slow_post_only_the_newest_is_posted() {
    let env = Env::new(1302);
    let gateway = Gateway::start(&env).await;
    let (id, commit, run) = start_pending_run(&env, &gateway).await;
    let hold = Action::Hold { before: true };
    let rule = Rule::new("POST", "/pullrequests/1/statuses", hold).next(1);
    env.shell.ado(|ado| ado.faults.add(rule));
    let reporter = Api::new(&gateway.url, REPORTER);
    let path = format!("/v1/runs/{run}/reports");
    for step in 1..=5 {
        let body = json!({ "state": "running", "description": format!("step {step}") });
        reporter.post(&path, Some(&body)).await;
        if step == 1 {
            let held = env.shell.wait_for_held(WAIT_MAX, 1).await;
            assert!(held.is_some(), "the first step was not posted");
        }
    }
    let body = json!({ "state": "succeeded", "description": "done" });
    reporter.post(&path, Some(&body)).await;
    env.shell.release();
    env.until_description(id, &commit, "unit-tests", "done").await;
    env.until_idle(&gateway.api).await;
    let posted: Vec<_> = env
        .statuses(id, "unit-tests")
        .into_iter()
        .map(|status| status.description.unwrap_or_default())
        .filter(|description| !description.starts_with("Queued"))
        .collect();
    assert_eq!(posted, ["step 1", "done"]);
    let superseded = gateway.api.items("/v1/statuses?outcome=superseded").await;
    let on_pull_request = |status: &&Value| status["target"]["kind"] == "pull_request";
    assert_eq!(superseded.iter().filter(on_pull_request).count(), 4, "{superseded:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_post_without_an_answer_is_looked_up_and_not_repeated_if_it_was_applied() {
    for (seed, fault) in [(1303, Action::DropAfter), (1304, Action::TruncateBody)] {
        let env = Env::new(seed);
        let gateway = Gateway::start(&env).await;
        let (id, commit, run) = start_pending_run(&env, &gateway).await;
        let rule = Rule::new("POST", "/statuses", fault).next(2);
        env.shell.ado(|ado| ado.faults.add(rule));
        env.report(&run, "succeeded");
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
        env.until_commit_status(&commit, "unit-tests", "succeeded").await;
        env.until_idle(&gateway.api).await;
        for statuses in [env.statuses(id, "unit-tests"), env.commit_statuses(&commit, "unit-tests")]
        {
            assert_eq!(statuses.iter().filter(|one| one.state == "succeeded").count(), 1);
            check_none_repeats(&statuses);
        }
        let unchanged = gateway.api.items("/v1/statuses?outcome=unchanged").await;
        assert_eq!(unchanged.len(), 2);
        assert_eq!(unchanged[0]["reason"], "Azure DevOps shows it already");
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_not_applied_is_repeated() {
    let faults = [Action::DropBefore, server_error_500(), unavailable_503(1)];
    for (seed, fault) in (1305..).zip(faults) {
        let env = Env::new(seed);
        let gateway = Gateway::start(&env).await;
        let (id, commit, run) = start_pending_run(&env, &gateway).await;
        let rule = Rule::new("POST", "/statuses", fault).next(2);
        env.shell.ado(|ado| ado.faults.add(rule));
        env.report(&run, "failed");
        env.until_status(id, &commit, "unit-tests", "failed").await;
        env.until_commit_status(&commit, "unit-tests", "failed").await;
        env.until_idle(&gateway.api).await;
        check_none_repeats(&env.statuses(id, "unit-tests"));
        env.check_invariants();
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_lookup_of_the_iteration_is_repeated() {
    let env = Env::new(1310);
    let fault = Rule::new("GET", "/iterations", server_error_500()).next(1);
    env.shell.ado(|ado| ado.faults.add(fault));
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

/// How often the iterations of a pull request were asked for.
fn look_ups(env: &Env) -> usize {
    env.shell.ado(|ado| {
        let asks = |entry: &&fakes::journal::Entry| {
            entry.method == "GET" && entry.target.to_lowercase().contains("/iterations")
        };
        ado.journal.entries().filter(asks).count()
    })
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_checks_of_one_push_look_its_iteration_up_once() {
    let env = Env::new(1310);
    env.disable_ci_reports();
    let names = ["a", "b", "c", "d", "e"];
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = names.map(|name| check(name, "statuses = [\"pull_request\"]")).concat();
    })
    .await;
    let (id, first) = env.open("topic");
    for name in names {
        env.until_status(id, &first, name, "pending").await;
    }
    let second = env.push("topic");
    for name in names {
        env.until_status(id, &second, name, "pending").await;
    }
    // Each replica that posts asks for itself.
    let replicas = gateway.each().len();
    assert!((2..=2 * replicas).contains(&look_ups(&env)), "{} look-ups", look_ups(&env));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_status_of_a_commit_is_shown_on_its_pull_request() {
    let env = Env::new(1311);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "pending").await;
    let before = look_ups(&env);
    let reporter = Api::new(&gateway.url, REPORTER);
    for (name, project, repository) in [
        ("one", "Fabrikam", "WEB"),
        ("two", &env.project, &env.repository),
        ("three", "fabrikam", "web"),
    ] {
        let status = json!({
            "organization": "fabrikam", "project": project, "repository": repository,
            "commit": commit, "context": { "name": name }, "state": "succeeded",
        });
        let (answered, body) = reporter.post("/v1/statuses", Some(&status)).await;
        assert_eq!(answered, StatusCode::ACCEPTED, "{body}");
        assert_eq!(body["pull_requests"][0]["pull_request"], id, "{body}");
        env.until_status(id, &commit, name, "succeeded").await;
        env.until_commit_status(&commit, name, "succeeded").await;
    }
    // Each replica that posts asks for itself.
    let asked = look_ups(&env) - before;
    assert!(asked <= gateway.each().len(), "{asked} look-ups for three statuses");
    // Nobody has this commit as a head.
    let other = env.push("main");
    for (repository, commit) in [("web", &other), ("another", &commit)] {
        let status = json!({
            "organization": "fabrikam", "project": "Fabrikam", "repository": repository,
            "commit": commit, "context": { "name": "four" }, "state": "succeeded",
        });
        let (_, body) = reporter.post("/v1/statuses", Some(&status)).await;
        assert_eq!(body["pull_requests"], json!([]), "{repository} {commit}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reported_status_is_shown_on_the_iteration_of_a_force_push_back() {
    let env = Env::new(1319);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "pending").await;
    let reporter = Api::new(&gateway.url, REPORTER);
    for (state, iteration) in [("pending", 1), ("succeeded", 3)] {
        if iteration == 3 {
            env.shell.ado(|ado| {
                ado.force_push(&env.repository, "topic", "Other work");
                ado.force_push_to(&env.repository, "topic", &commit);
            });
            env.until_delivered().await;
            env.until_decided(&gateway.api).await;
        }
        let status = json!({
            "organization": "fabrikam", "project": "Fabrikam", "repository": "web",
            "commit": commit, "context": { "name": "scan" }, "state": state,
        });
        reporter.post("/v1/statuses", Some(&status)).await;
        env.until_status(id, &commit, "scan", state).await;
        let shown = env.shell.ado(|ado| newest_status(ado, id, &commit, "scan").unwrap().iteration);
        assert_eq!(shown, Some(iteration), "{state}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_completion_the_status_is_posted_on_the_commit_only() {
    let env = Env::new(1311);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("unit-tests", "");
    })
    .await;
    let (id, commit, run) = start_pending_run(&env, &gateway).await;
    env.shell.ado(|ado| ado.complete(id));
    env.until_decided(&gateway.api).await;
    env.report(&run, "succeeded");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let refused = gateway.api.items("/v1/statuses?outcome=refused").await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["reason"], "the pull request is no longer active");
    assert_eq!(refused[0]["state"], "succeeded");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_waits_for_a_missing_permission_and_its_reason_names_it() {
    let env = Env::new(1312);
    let gateway = Gateway::start(&env).await;
    let permission = Permission::PullRequestContribute;
    env.shell.ado(|ado| ado.deny(&env.identity, permission, None));
    let (id, commit) = env.open("topic");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let is_named = |statuses: &Value| {
        let refusal = "TF401027: You need the Git 'PullRequestContribute' permission";
        let all = statuses["items"].as_array().unwrap();
        all.iter().any(|status| status["reason"].as_str().unwrap().contains(refusal))
    };
    gateway.api.until("/v1/statuses?outcome=queued", is_named).await;
    assert!(env.statuses(id, "unit-tests").is_empty());
    let ready = gateway.api.call(reqwest::Method::GET, "/readyz", None).await;
    assert_eq!(ready.0, StatusCode::OK, "the gateway is not ready for deliveries");
    gateway.stop().await;
}
