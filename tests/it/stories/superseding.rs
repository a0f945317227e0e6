//! What a newer commit does to the run of an older one, and what that run can still say.

use crate::harness::{Inside, Town, check, newest_status};

/// The answers that a run's reports got: whether it counted, and why not.
fn answers(town: &Town, run: &str) -> Vec<(bool, String)> {
    town.shell.ci(|ci| {
        let of_run = ci.answers().iter().filter(|answered| answered.run == run);
        of_run
            .map(|answered| {
                let body = &answered.body;
                let reason = body["reason"].as_str().unwrap_or_default().to_owned();
                (body["applied"].as_bool().unwrap(), reason)
            })
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_commit_supersedes_the_older() {
    let town = Town::new(501);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, older) = town.open("topic");
    let first = town.until_started("unit-tests", &older).await;
    town.until_shown(id, &older, "unit-tests", "pending").await;
    let newer = town.push("topic");
    let second = town.until_started("unit-tests", &newer).await;
    town.until_shown(id, &older, "unit-tests", "error").await;
    town.until_commit_shown(&older, "unit-tests", "error").await;
    town.until_shown(id, &newer, "unit-tests", "pending").await;
    let words = format!("Superseded by the newer commit {}", &newer[..8]);
    town.until_said(id, &older, "unit-tests", &words).await;
    // The older run does not know yet; what it says counts for nothing.
    town.report(&first, "succeeded");
    town.until("it was answered", |_, ci| ci.answers().len() == 1).await;
    let (applied, reason) = answers(&town, &first).remove(0);
    assert!(!applied && reason.contains("late: the run is superseded"), "{reason}");
    town.report(&second, "succeeded");
    town.until_shown(id, &newer, "unit-tests", "succeeded").await;
    town.until_commit_shown(&newer, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    assert_eq!(town.commit_statuses(&older, "unit-tests").pop().unwrap().state, "error");
    let iterations: Vec<_> = town
        .statuses(id, "unit-tests")
        .iter()
        .map(|one| (one.iteration, &*one.state.clone() == "succeeded"))
        .collect();
    assert!(iterations.contains(&(Some(2), true)) && !iterations.contains(&(Some(1), true)));
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_may_let_both_commits_run() {
    let town = Town::new(502);
    town.silence_ci();
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = check("build", "supersede = false");
    })
    .await;
    let (id, older) = town.open("topic");
    let first = town.until_started("build", &older).await;
    let newer = town.push("topic");
    let second = town.until_started("build", &newer).await;
    town.report(&second, "succeeded");
    town.until_shown(id, &newer, "build", "succeeded").await;
    town.report(&first, "failed");
    town.until_shown(id, &older, "build", "failed").await;
    town.settled(&gateway.api).await;
    let shown = town.shell.ado(|ado| newest_status(ado, id, &newer, "build").cloned());
    assert_eq!(shown.unwrap().state, "succeeded");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_by_force_runs_the_first_commit_anew_on_the_newest_iteration() {
    let town = Town::new(503);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, first) = town.open("topic");
    town.until_started("unit-tests", &first).await;
    town.decided(&gateway.api).await;
    let second = town.shell.ado(|ado| ado.force_push(&town.repository, "topic", "Other work"));
    town.until_started("unit-tests", &second).await;
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.force_push_to(&town.repository, "topic", &first));
    let run = town.until_started_times("unit-tests", &first, 2).await;
    // Later, the CI's answer would add its link to a status that is shown already.
    let path = format!("/v1/runs/{run}");
    gateway.api.until(&path, |run| run["state"] == "dispatched").await;
    town.report(&run, "succeeded");
    town.until_shown(id, &first, "unit-tests", "succeeded").await;
    town.until_commit_shown(&first, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    let statuses = town.statuses(id, "unit-tests");
    let succeeded: Vec<_> = statuses.iter().filter(|one| one.state == "succeeded").collect();
    assert_eq!(succeeded.len(), 1);
    assert_eq!(succeeded[0].iteration, Some(3));
    assert_eq!(town.starts(), 3);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_by_force_while_both_may_run_ends_on_the_newest_iteration() {
    let town = Town::new(504);
    town.silence_ci();
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = check("build", "supersede = false");
    })
    .await;
    let (id, first) = town.open("topic");
    let before = town.until_started("build", &first).await;
    town.until_shown(id, &first, "build", "pending").await;
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.force_push(&town.repository, "topic", "Other work"));
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.force_push_to(&town.repository, "topic", &first));
    let after = town.until_started_times("build", &first, 2).await;
    town.report(&after, "succeeded");
    town.until_shown(id, &first, "build", "succeeded").await;
    // The older run of the same commit ends later; the newer one owns the status.
    town.report(&before, "failed");
    town.until("both were answered", |_, ci| ci.answers().len() == 2).await;
    town.settled(&gateway.api).await;
    let shown = town.shell.ado(|ado| newest_status(ado, id, &first, "build").cloned()).unwrap();
    assert_eq!((shown.state.as_str(), shown.iteration), ("succeeded", Some(3)));
    town.until_commit_shown(&first, "build", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pushes_in_a_row_leave_one_answer_on_the_last() {
    let town = Town::new(505);
    let gateway = Inside::start(&town).await;
    let (id, _) = town.open("topic");
    let commits: Vec<_> = (0..8).map(|_| town.push("topic")).collect();
    let last = commits.last().unwrap();
    town.until_shown(id, last, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs?limit=500").await;
    let live = |run: &&serde_json::Value| {
        ["planned", "dispatched", "running"].contains(&run["state"].as_str().unwrap())
    };
    assert_eq!(runs.iter().filter(live).count(), 0);
    assert_eq!(runs[0]["commit"], last.as_str());
    town.check_invariants();
    gateway.stop().await;
}
