//! What a newer commit does to the run of an older one, and which reports of that run still count.

use crate::harness::{Env, Gateway, check, newest_status};

/// The answers to a run's reports: whether each was applied, and why not.
fn answers(env: &Env, run: &str) -> Vec<(bool, String)> {
    env.shell.ci(|ci| {
        let answers = ci.answers().iter().filter(|answer| answer.run == run);
        let outcomes = answers.map(|answer| {
            let reason = answer.body["reason"].as_str().unwrap_or_default().to_owned();
            (answer.body["applied"].as_bool().unwrap(), reason)
        });
        outcomes.collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_newer_commit_supersedes_the_run_of_the_older() {
    let env = Env::new(501);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, older) = env.open("topic");
    let first = env.until_started("unit-tests", &older).await;
    env.until_status(id, &older, "unit-tests", "pending").await;
    let newer = env.push("topic");
    let second = env.until_started("unit-tests", &newer).await;
    env.until_status(id, &older, "unit-tests", "error").await;
    env.until_commit_status(&older, "unit-tests", "error").await;
    env.until_status(id, &newer, "unit-tests", "pending").await;
    let description = format!("Superseded by the newer commit {}", &newer[..8]);
    env.until_description(id, &older, "unit-tests", &description).await;
    // The CI does not stop the older run; a report of it is not applied any more.
    env.report(&first, "succeeded");
    env.until("the report was answered", |_, ci| ci.answers().len() == 1).await;
    let (applied, reason) = answers(&env, &first).remove(0);
    assert!(!applied && reason.contains("late: the run is superseded"), "{reason}");
    env.report(&second, "succeeded");
    env.until_status(id, &newer, "unit-tests", "succeeded").await;
    env.until_commit_status(&newer, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.commit_statuses(&older, "unit-tests").pop().unwrap().state, "error");
    let iterations: Vec<_> = env
        .statuses(id, "unit-tests")
        .iter()
        .map(|one| (one.iteration, one.state == "succeeded"))
        .collect();
    assert!(iterations.contains(&(Some(2), true)) && !iterations.contains(&(Some(1), true)));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_supersede_the_runs_of_both_commits_are_shown() {
    let env = Env::new(502);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", "supersede = false");
    })
    .await;
    let (id, older) = env.open("topic");
    let first = env.until_started("build", &older).await;
    let newer = env.push("topic");
    let second = env.until_started("build", &newer).await;
    env.report(&second, "succeeded");
    env.until_status(id, &newer, "build", "succeeded").await;
    env.report(&first, "failed");
    env.until_status(id, &older, "build", "failed").await;
    env.until_idle(&gateway.api).await;
    let status = env.shell.ado(|ado| newest_status(ado, id, &newer, "build").cloned());
    assert_eq!(status.unwrap().state, "succeeded");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_force_push_back_to_the_first_commit_runs_it_again_on_the_newest_iteration() {
    let env = Env::new(503);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, first) = env.open("topic");
    env.until_started("unit-tests", &first).await;
    env.until_decided(&gateway.api).await;
    let second = env.shell.ado(|ado| ado.force_push(&env.repository, "topic", "Other work"));
    env.until_started("unit-tests", &second).await;
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.force_push_to(&env.repository, "topic", &first));
    let run = env.until_started_times("unit-tests", &first, 2).await;
    // Without this wait, the CI's answer could arrive after the report, and add its link to a
    // status that has been posted already.
    let path = format!("/v1/runs/{run}");
    gateway.api.until(&path, |run| run["state"] == "dispatched").await;
    env.report(&run, "succeeded");
    env.until_status(id, &first, "unit-tests", "succeeded").await;
    env.until_commit_status(&first, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let statuses = env.statuses(id, "unit-tests");
    let succeeded: Vec<_> = statuses.iter().filter(|one| one.state == "succeeded").collect();
    assert_eq!(succeeded.len(), 1);
    assert_eq!(succeeded[0].iteration, Some(3));
    assert_eq!(env.starts(), 3);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn without_supersede_the_newest_run_of_a_commit_owns_its_status() {
    let env = Env::new(504);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("build", "supersede = false");
    })
    .await;
    let (id, first) = env.open("topic");
    let before = env.until_started("build", &first).await;
    env.until_status(id, &first, "build", "pending").await;
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.force_push(&env.repository, "topic", "Other work"));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.force_push_to(&env.repository, "topic", &first));
    let after = env.until_started_times("build", &first, 2).await;
    env.report(&after, "succeeded");
    env.until_status(id, &first, "build", "succeeded").await;
    // The older run of the same commit ends later, and does not change the status.
    env.report(&before, "failed");
    env.until("both reports were answered", |_, ci| ci.answers().len() == 2).await;
    env.until_idle(&gateway.api).await;
    let status = env.shell.ado(|ado| newest_status(ado, id, &first, "build").cloned()).unwrap();
    assert_eq!((status.state.as_str(), status.iteration), ("succeeded", Some(3)));
    env.until_commit_status(&first, "build", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn after_many_pushes_in_a_row_the_last_one_has_succeeded_and_no_run_is_live() {
    let env = Env::new(505);
    let gateway = Gateway::start(&env).await;
    let (id, _) = env.open("topic");
    let commits: Vec<_> = (0..8).map(|_| env.push("topic")).collect();
    let last = commits.last().unwrap();
    env.until_status(id, last, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs?limit=500").await;
    let is_live = |run: &&serde_json::Value| {
        ["planned", "dispatched", "running"].contains(&run["state"].as_str().unwrap())
    };
    assert_eq!(runs.iter().filter(is_live).count(), 0);
    assert_eq!(runs[0]["commit"], last.as_str());
    env.check_invariants();
    gateway.stop().await;
}
