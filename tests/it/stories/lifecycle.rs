//! The main path: a pull request or a push starts runs, and their reports become statuses.

use fakes::ci::Behaviour;

use crate::harness::{Env, Gateway, check};

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn opening_a_pull_request_starts_a_run_and_shows_its_result() {
    let env = Env::new(1);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["state"], "succeeded");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_status_is_pending_from_the_start_until_the_final_report() {
    let env = Env::new(2);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("feature/search");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    env.until_commit_status(&commit, "unit-tests", "pending").await;
    env.report(&run, "running");
    env.until_description(id, &commit, "unit-tests", "build 1 is running").await;
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let build = format!("{}/ci/builds/1", env.shell.url());
    let on_pull_request = env.statuses(id, "unit-tests");
    for statuses in [&on_pull_request, &env.commit_statuses(&commit, "unit-tests")] {
        let (last, before) = statuses.split_last().unwrap();
        assert!(!before.is_empty() && before.iter().all(|status| status.state == "pending"));
        assert_eq!(statuses[0].description.as_deref(), Some("Queued for builder"));
        assert_eq!(last.description.as_deref(), Some("build 1 is succeeded"));
        assert_eq!(last.target_url.as_ref(), Some(&build));
        assert!(statuses.iter().all(|status| status.genre == "ci" && status.by == env.identity));
    }
    assert!(on_pull_request.iter().all(|status| status.iteration == Some(1)));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_main_has_a_status_on_its_commit_only() {
    let env = Env::new(3);
    let gateway = Gateway::start(&env).await;
    let commit = env.push("main");
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["ref"], "refs/heads/main");
    assert!(runs[0]["pull_request"].is_null());
    let statuses = gateway.api.items("/v1/statuses").await;
    assert!(statuses.iter().all(|status| status["target"]["kind"] == "commit"), "{statuses:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_a_branch_that_no_check_matches_is_ignored_with_a_reason() {
    let env = Env::new(4);
    let gateway = Gateway::start(&env).await;
    env.push("topic");
    env.until_idle(&gateway.api).await;
    let deliveries = gateway.api.items("/v1/deliveries").await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["outcome"], "ignored");
    assert_eq!(deliveries[0]["event"], "branch_created");
    let reason = deliveries[0]["reason"].as_str().unwrap();
    assert!(reason.contains("branch topic does not match branches [main]"), "{reason}");
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_errored_and_cancelled_runs_have_their_own_status() {
    let env = Env::new(5);
    let gateway = Gateway::start(&env).await;
    let outcomes = [
        (Behaviour::Fail, "failed", "build 1 is failed"),
        (Behaviour::Error, "error", "build 2 is errored"),
        (Behaviour::Cancel, "error", "build 3 is cancelled"),
    ];
    for (behaviour, state, description) in outcomes {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let branch = format!("topic-{state}-{description}").replace(' ', "-");
        let (id, commit) = env.open(&branch);
        env.until_description(id, &commit, "unit-tests", description).await;
        env.until_status(id, &commit, "unit-tests", state).await;
        env.until_commit_status(&commit, "unit-tests", state).await;
    }
    let runs = gateway.api.items("/v1/runs").await;
    let states: Vec<_> = runs.iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["cancelled", "errored", "failed"]);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_can_have_statuses_on_the_pull_request_only() {
    let env = Env::new(6);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("lint", r#"statuses = ["pull_request"]"#);
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "lint", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert!(env.commit_statuses(&commit, "lint").is_empty());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn ten_pull_requests_at_once_all_show_their_result() {
    let env = Env::new(7);
    let gateway = Gateway::start(&env).await;
    let opened: Vec<_> = (0..10).map(|number| env.open(&format!("topic-{number}"))).collect();
    for (id, commit) in &opened {
        env.until_status(*id, commit, "unit-tests", "succeeded").await;
        env.until_commit_status(commit, "unit-tests", "succeeded").await;
    }
    assert_eq!(env.starts(), 10);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_links_to_the_ci_while_it_has_the_word_and_else_to_the_page_of_the_run() {
    let env = Env::new(5);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks += &check("here", "status_link = \"run\"");
    })
    .await;
    let (id, commit) = env.open("feature/search");
    let mut pages = Vec::new();
    for name in ["unit-tests", "here"] {
        let run = env.until_started(name, &commit).await;
        env.until_status(id, &commit, name, "pending").await;
        env.report(&run, "running");
        pages.push(format!("{}/ui/runs/{run}", gateway.url));
    }
    env.until_idle(&gateway.api).await;
    let cancelled = env.push("feature/search");
    env.until_started("here", &cancelled).await;
    env.until_status(id, &commit, "unit-tests", "error").await;
    env.until_status(id, &commit, "here", "error").await;
    let links = |name: &str| {
        let of_commit = |status: &&fakes::ado::model::Status| status.iteration == Some(1);
        let statuses = env.statuses(id, name);
        let links = statuses.iter().filter(of_commit).map(|status| status.target_url.clone());
        links.map(Option::unwrap).collect::<Vec<_>>()
    };
    let at_ci = links("unit-tests");
    let (first, last) = (at_ci.first().unwrap(), at_ci.last().unwrap());
    assert_eq!((first, last), (&pages[0], &pages[0]), "queued, and superseded");
    let builds = format!("{}/ci/builds/", env.shell.url());
    assert!(at_ci.iter().any(|link| link.starts_with(&builds)), "{at_ci:?}");
    assert!(links("here").iter().all(|link| *link == pages[1]), "{:?}", links("here"));
    env.check_invariants();
    gateway.stop().await;
}
