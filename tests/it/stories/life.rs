//! The main job: a pull request and a push become runs, their reports become statuses.

use fakes::ci::Behaviour;

use crate::harness::{Env, InProcess, check_invariants};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_gets_its_check() {
    let env = Env::new(1);
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("feature/search");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| env.shell.ci(|ci| check_invariants(ado, ci)));
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["state"], "succeeded");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_is_pending_at_once_then_running_then_succeeded() {
    let env = Env::new(2);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
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
    for shown in [&on_pull_request, &env.commit_statuses(&commit, "unit-tests")] {
        let (last, before) = shown.split_last().unwrap();
        assert!(!before.is_empty() && before.iter().all(|status| status.state == "pending"));
        assert_eq!(shown[0].description.as_deref(), Some("Queued"));
        assert_eq!(last.description.as_deref(), Some("build 1 is succeeded"));
        assert_eq!(last.target_url.as_ref(), Some(&build));
        assert!(shown.iter().all(|status| status.genre == "ci" && status.by == env.identity));
    }
    assert!(on_pull_request.iter().all(|status| status.iteration == Some(1)));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_to_main_gets_a_status_on_its_commit_only() {
    let env = Env::new(3);
    let gateway = InProcess::start(&env).await;
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
async fn a_push_to_another_branch_starts_nothing_and_says_why() {
    let env = Env::new(4);
    let gateway = InProcess::start(&env).await;
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
async fn what_a_ci_says_of_its_end_is_what_people_see() {
    let env = Env::new(5);
    let gateway = InProcess::start(&env).await;
    let ends = [
        (Behaviour::Fail, "failed", "build 1 is failed"),
        (Behaviour::Error, "error", "build 2 is errored"),
        (Behaviour::Cancel, "error", "build 3 is cancelled"),
    ];
    for (behaviour, state, words) in ends {
        env.shell.ci(|ci| ci.next(1, &behaviour));
        let (id, commit) = env.open(&format!("topic-{state}-{words}").replace(' ', "-"));
        env.until_description(id, &commit, "unit-tests", words).await;
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
async fn a_check_may_be_shown_on_the_pull_request_alone() {
    let env = Env::new(6);
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = crate::harness::check("lint", r#"statuses = ["pull_request"]"#);
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
async fn ten_pull_requests_at_once_all_get_their_check() {
    let env = Env::new(7);
    let gateway = InProcess::start(&env).await;
    let opened: Vec<_> = (0..10).map(|number| env.open(&format!("topic-{number}"))).collect();
    for (id, commit) in &opened {
        env.until_status(*id, commit, "unit-tests", "succeeded").await;
        env.until_commit_status(commit, "unit-tests", "succeeded").await;
    }
    assert_eq!(env.starts(), 10);
    env.check_invariants();
    gateway.stop().await;
}
