//! What people do to a pull request after they opened it, and what of it starts a check.

use fakes::ado::NewPullRequest;
use serde_json::Value;

use crate::harness::{Api, Env, InProcess, check};

/// What the gateway decided about the deliveries of that event.
async fn decisions(api: &Api, event: &str) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let all = api.items("/v1/deliveries?limit=500").await;
    let found = all.iter().filter(|item| item["event"] == event);
    found.map(|item| (text(item, "outcome"), text(item, "reason"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_built_when_it_is_published() {
    let env = Env::new(101);
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.shell.ado(|ado| {
        let commit = ado.push(&env.repository, "topic", "Work");
        let new = NewPullRequest::new(&env.repository, "topic", "main").draft();
        (ado.open_pull_request(&new), commit)
    });
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    let opened = decisions(&gateway.api, "pull_request_opened").await;
    assert!(opened[0].1.contains("it is a draft (drafts = false)"), "{opened:?}");
    env.shell.ado(|ado| ado.publish(id));
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    // A draft again and published again: its commit has its answer already.
    env.shell.ado(|ado| ado.set_draft(id));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.publish(id));
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_may_want_drafts_too() {
    let env = Env::new(102);
    let drafts = |settings: &mut crate::harness::Settings| {
        settings.checks = check("lint", "drafts = true");
    };
    let gateway = InProcess::start_with(&env, drafts).await;
    let (id, commit) = env.shell.ado(|ado| {
        let commit = ado.push(&env.repository, "topic", "Work");
        let new = NewPullRequest::new(&env.repository, "topic", "main").draft();
        (ado.open_pull_request(&new), commit)
    });
    env.until_status(id, &commit, "lint", "succeeded").await;
    let is_draft = env.shell.ci(|ci| {
        ci.started().map(|start| start.trigger["pull_request"]["is_draft"].clone()).next()
    });
    assert_eq!(is_draft, Some(Value::Bool(true)));
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retargeting_into_a_watched_branch_starts_and_out_of_it_cancels() {
    let env = Env::new(103);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.shell.ado(|ado| {
        let head = ado.head(&env.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&env.repository, "somewhere", &head);
        let commit = ado.push(&env.repository, "topic", "Work");
        let new = NewPullRequest::new(&env.repository, "topic", "somewhere");
        (ado.open_pull_request(&new), commit)
    });
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    env.shell.ado(|ado| ado.retarget(id, "main"));
    env.until_started("unit-tests", &commit).await;
    env.until_status(id, &commit, "unit-tests", "pending").await;
    assert_eq!(env.statuses(id, "unit-tests")[0].iteration, Some(2));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.retarget(id, "somewhere"));
    env.until_commit_status(&commit, "unit-tests", "error").await;
    let run = &gateway.api.items("/v1/runs").await[0];
    assert_eq!(run["state"], "cancelled");
    let reason = run["reason"].as_str().unwrap();
    assert!(
        reason.contains("somewhere does not match target_branches [main, release/*]"),
        "{reason}"
    );
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoning_cancels_and_reactivating_runs_again() {
    let env = Env::new(104);
    env.disable_ci_reports();
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    env.shell.ado(|ado| ado.abandon(id));
    env.until_commit_status(&commit, "unit-tests", "error").await;
    let cancelled = &gateway.api.items("/v1/runs").await[0];
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["reason"], "the pull request was abandoned");
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.reactivate(id));
    let run = env.until_started_times("unit-tests", &commit, 2).await;
    env.report(&run, "succeeded");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactivating_after_a_verdict_runs_nothing_again() {
    let env = Env::new(105);
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.abandon(id));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.reactivate(id));
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    let reactivated = decisions(&gateway.api, "pull_request_reactivated").await;
    assert!(reactivated[0].1.contains("it ran on"), "{reactivated:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_builds_the_merge_on_main() {
    let env = Env::new(106);
    let gateway = InProcess::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let merge = env.shell.ado(|ado| ado.complete(id));
    env.until_commit_status(&merge, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 2);
    assert_eq!(decisions(&gateway.api, "pull_request_completed").await[0].0, "ignored");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_check_runs_when_a_pull_request_is_completed() {
    let env = Env::new(107);
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = check("tidy-up", r#"on = ["pull_request_closed"]"#);
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    env.shell.ado(|ado| ado.complete(id));
    env.until_commit_status(&commit, "tidy-up", "succeeded").await;
    assert!(env.statuses(id, "tidy-up").is_empty(), "a completed pull request takes none");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_titles_comments_and_merge_attempts_start_nothing() {
    let env = Env::new(108);
    let gateway = InProcess::start(&env).await;
    env.subscribe_to(&gateway.url, "git.pullrequest.merged", "1.0").await;
    let comments = "ms.vss-code.git-pullrequest-comment-event";
    env.subscribe_to(&gateway.url, comments, "2.0").await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| {
        let reviewer = ado.create_identity("Ada", "ada@fabrikam.example");
        ado.add_reviewer(id, &reviewer);
        ado.vote(id, &reviewer, 10);
        ado.edit_title(id, "A better title");
        ado.comment(id, "Looks good");
    });
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    for event in ["pull_request_merge_attempted", "pull_request_commented"] {
        let found = decisions(&gateway.api, event).await;
        assert!(!found.is_empty() && found.iter().all(|one| one.0 == "ignored"), "{event}");
    }
    // Three changes at once: each body shows them all, so only the first differs from before.
    assert_eq!(gateway.api.items("/v1/deliveries?outcome=started").await.len(), 1);
    env.check_invariants();
    gateway.stop().await;
}
