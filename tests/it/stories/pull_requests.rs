//! Changes of an open pull request, and which of them start or cancel a run.

use fakes::ado::NewPullRequest;
use serde_json::Value;

use crate::harness::{Api, Env, Gateway, check};

/// The outcome and the reason of each delivery of an event.
async fn decisions(api: &Api, event: &str) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let all = api.items("/v1/deliveries?limit=500").await;
    let of_event = all.iter().filter(|item| item["event"] == event);
    of_event.map(|item| (text(item, "outcome"), text(item, "reason"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn publishing_a_draft_starts_its_check_once() {
    let env = Env::new(101);
    let gateway = Gateway::start(&env).await;
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
    // Publishing it a second time starts nothing, since its commit has a result.
    env.shell.ado(|ado| ado.set_draft(id));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.publish(id));
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_with_drafts_runs_on_drafts() {
    let env = Env::new(102);
    let drafts = |settings: &mut crate::harness::Settings| {
        settings.checks = check("lint", "drafts = true");
    };
    let gateway = Gateway::start_with(&env, drafts).await;
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
pub(super) async fn retargeting_to_a_matching_branch_starts_a_run_and_away_from_it_cancels_the_run()
{
    let env = Env::new(103);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
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
pub(super) async fn abandoning_a_pull_request_cancels_its_run_and_reactivating_starts_another() {
    let env = Env::new(104);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
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
async fn reactivating_a_pull_request_with_a_result_starts_nothing() {
    let env = Env::new(105);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.abandon(id));
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.reactivate(id));
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    let reactivated = decisions(&gateway.api, "pull_request_reactivated").await;
    assert!(reactivated[0].1.contains("it has already run on"), "{reactivated:?}");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn completing_a_pull_request_starts_a_run_on_the_merge_commit() {
    let env = Env::new(106);
    let gateway = Gateway::start(&env).await;
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
async fn a_check_on_pull_request_closed_runs_when_a_pull_request_is_completed() {
    let env = Env::new(107);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("tidy-up", r#"on = ["pull_request_closed"]"#);
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    env.shell.ado(|ado| ado.complete(id));
    env.until_commit_status(&commit, "tidy-up", "succeeded").await;
    assert!(env.statuses(id, "tidy-up").is_empty(), "a completed pull request has no status");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_titles_comments_and_merge_attempts_start_nothing() {
    let env = Env::new(108);
    let gateway = Gateway::start(&env).await;
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
        let all_ignored = found.iter().all(|(outcome, _)| outcome == "ignored");
        assert!(!found.is_empty() && all_ignored, "{event}");
    }
    // Each body shows all three changes, since they were made at once. Only the delivery of the
    // opened pull request started a run.
    assert_eq!(gateway.api.items("/v1/deliveries?outcome=started").await.len(), 1);
    env.check_invariants();
    gateway.stop().await;
}
