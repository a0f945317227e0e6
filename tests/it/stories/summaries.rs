//! The summary of a pull request: green when all its statuses are.

use serde_json::json;

use crate::harness::{Env, Gateway, REPORTER, Settings, check};

fn summarized(settings: &mut Settings, checks: &[&str]) {
    settings.organization = format!("{}\nsummary = true", settings.organization);
    let checks = checks.iter().map(|name| check(name, "on = [\"pull_request\"]"));
    settings.checks = checks.collect();
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_summary_is_pending_until_every_check_is_green() {
    let env = Env::new(1601);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |it| summarized(it, &["lint", "unit"])).await;
    let (id, commit) = env.open("topic");
    let says = |words: &'static str| env.until_description(id, &commit, "summary", words);
    let lint = env.until_started("lint", &commit).await;
    let unit = env.until_started("unit", &commit).await;
    says("0 of 2 are green; waits for lint, unit").await;
    env.report(&lint, "succeeded");
    says("1 of 2 are green; waits for unit").await;
    env.report(&unit, "failed");
    says("Not green: unit").await;
    assert_eq!(env.statuses(id, "summary").pop().unwrap().state, "failed");
    // Run again, it is green after all.
    let path = format!("/v1/runs/{unit}/rerun");
    assert_eq!(gateway.api.post(&path, None).await.0, 202);
    let again = env.until_started_times("unit", &commit, 2).await;
    says("1 of 2 are green; waits for unit").await;
    env.report(&again, "succeeded");
    says("All are green: lint, unit").await;
    let summary = env.statuses(id, "summary").pop().unwrap();
    assert_eq!((summary.state.as_str(), summary.genre.as_str()), ("succeeded", "azdo-gateway"));
    env.until_idle(&gateway.api).await;
    // The next push begins anew, on its own iteration.
    let newer = env.push("topic");
    let words = "0 of 2 are green; waits for lint, unit";
    env.until_description(id, &newer, "summary", words).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn what_a_ci_posts_by_itself_counts_and_without_any_check_nothing_is_waited_for() {
    let env = Env::new(1602);
    let gateway = Gateway::start_with(&env, |settings| {
        summarized(settings, &[]);
        settings.checks = check("unit", "target_branches = [\"release/*\"]");
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_description(id, &commit, "summary", "No check runs on this commit").await;
    assert_eq!(env.statuses(id, "summary").pop().unwrap().state, "notApplicable");
    let reporter = crate::harness::Api::new(&gateway.url, REPORTER);
    let status = |state: &str| {
        json!({ "organization": "fabrikam", "project": "Fabrikam", "repository": env.repository,
            "commit": commit, "pull_request": id, "state": state,
            "context": { "genre": "scan", "name": "licences" } })
    };
    assert_eq!(reporter.post("/v1/statuses", Some(&status("failed"))).await.0, 202);
    env.until_description(id, &commit, "summary", "Not green: licences").await;
    assert_eq!(reporter.post("/v1/statuses", Some(&status("succeeded"))).await.0, 202);
    env.until_description(id, &commit, "summary", "All are green: licences").await;
    env.until_idle(&gateway.api).await;
    env.check_invariants();
    gateway.stop().await;
}
