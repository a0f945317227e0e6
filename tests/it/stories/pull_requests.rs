//! What people do to a pull request after they opened it, and what of it starts a check.

use fakes::ado::NewPullRequest;
use serde_json::Value;

use crate::harness::{Api, Inside, Town, check};

/// What the gateway decided about the deliveries of that event.
async fn decisions(api: &Api, event: &str) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap_or_default().to_owned();
    let all = api.items("/v1/deliveries?limit=500").await;
    let found = all.iter().filter(|item| item["event"] == event);
    found.map(|item| (text(item, "outcome"), text(item, "reason"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_built_when_it_is_published() {
    let town = Town::new(101);
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.shell.ado(|ado| {
        let commit = ado.push(&town.repository, "topic", "Work");
        let new = NewPullRequest::new(&town.repository, "topic", "main").draft();
        (ado.open_pull_request(&new), commit)
    });
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 0);
    let opened = decisions(&gateway.api, "pull_request_opened").await;
    assert!(opened[0].1.contains("it is a draft (drafts = false)"), "{opened:?}");
    town.shell.ado(|ado| ado.publish(id));
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    // A draft again and published again: its commit has its answer already.
    town.shell.ado(|ado| ado.set_draft(id));
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.publish(id));
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 1);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_may_want_drafts_too() {
    let town = Town::new(102);
    let drafts = |settings: &mut crate::harness::Settings| {
        settings.checks = check("lint", "drafts = true");
    };
    let gateway = Inside::start_with(&town, drafts).await;
    let (id, commit) = town.shell.ado(|ado| {
        let commit = ado.push(&town.repository, "topic", "Work");
        let new = NewPullRequest::new(&town.repository, "topic", "main").draft();
        (ado.open_pull_request(&new), commit)
    });
    town.until_shown(id, &commit, "lint", "succeeded").await;
    let is_draft = town.shell.ci(|ci| {
        ci.started().map(|start| start.trigger["pull_request"]["is_draft"].clone()).next()
    });
    assert_eq!(is_draft, Some(Value::Bool(true)));
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retargeting_into_a_watched_branch_starts_and_out_of_it_cancels() {
    let town = Town::new(103);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.shell.ado(|ado| {
        let head = ado.head(&town.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&town.repository, "somewhere", &head);
        let commit = ado.push(&town.repository, "topic", "Work");
        let new = NewPullRequest::new(&town.repository, "topic", "somewhere");
        (ado.open_pull_request(&new), commit)
    });
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 0);
    town.shell.ado(|ado| ado.retarget(id, "main"));
    town.until_started("unit-tests", &commit).await;
    town.until_shown(id, &commit, "unit-tests", "pending").await;
    assert_eq!(town.statuses(id, "unit-tests")[0].iteration, Some(2));
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.retarget(id, "somewhere"));
    town.until_commit_shown(&commit, "unit-tests", "error").await;
    let run = &gateway.api.items("/v1/runs").await[0];
    assert_eq!(run["state"], "cancelled");
    let reason = run["reason"].as_str().unwrap();
    assert!(reason.contains("somewhere does not match main, release/*"), "{reason}");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoning_cancels_and_reactivating_runs_again() {
    let town = Town::new(104);
    town.silence_ci();
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    town.until_started("unit-tests", &commit).await;
    town.settled(&gateway.api).await;
    town.shell.ado(|ado| ado.abandon(id));
    town.until_commit_shown(&commit, "unit-tests", "error").await;
    let cancelled = &gateway.api.items("/v1/runs").await[0];
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["reason"], "the pull request was abandoned");
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.reactivate(id));
    let run = town.until_started_times("unit-tests", &commit, 2).await;
    town.report(&run, "succeeded");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.until_commit_shown(&commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reactivating_after_a_verdict_runs_nothing_again() {
    let town = Town::new(105);
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.shell.ado(|ado| ado.abandon(id));
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.reactivate(id));
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 1);
    let reactivated = decisions(&gateway.api, "pull_request_reactivated").await;
    assert!(reactivated[0].1.contains("it ran on"), "{reactivated:?}");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completing_builds_the_merge_on_main() {
    let town = Town::new(106);
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    let merge = town.shell.ado(|ado| ado.complete(id));
    town.until_commit_shown(&merge, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 2);
    assert_eq!(decisions(&gateway.api, "pull_request_completed").await[0].0, "ignored");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_check_runs_when_a_pull_request_is_completed() {
    let town = Town::new(107);
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = check("tidy-up", r#"on = ["pull_request_closed"]"#);
    })
    .await;
    let (id, commit) = town.open("topic");
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 0);
    town.shell.ado(|ado| ado.complete(id));
    town.until_commit_shown(&commit, "tidy-up", "succeeded").await;
    assert!(town.statuses(id, "tidy-up").is_empty(), "a completed pull request takes none");
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_titles_comments_and_merge_attempts_start_nothing() {
    let town = Town::new(108);
    let gateway = Inside::start(&town).await;
    town.subscribe_to(&gateway.url, "git.pullrequest.merged", "1.0").await;
    let comments = "ms.vss-code.git-pullrequest-comment-event";
    town.subscribe_to(&gateway.url, comments, "2.0").await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| {
        let reviewer = ado.create_identity("Ada", "ada@fabrikam.example");
        ado.add_reviewer(id, &reviewer);
        ado.vote(id, &reviewer, 10);
        ado.edit_title(id, "A better title");
        ado.comment(id, "Looks good");
    });
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 1);
    for event in ["pull_request_merge_attempted", "pull_request_commented"] {
        let found = decisions(&gateway.api, event).await;
        assert!(!found.is_empty() && found.iter().all(|one| one.0 == "ignored"), "{event}");
    }
    // Three changes at once: each body shows them all, so only the first differs from before.
    assert_eq!(gateway.api.items("/v1/deliveries?outcome=started").await.len(), 1);
    town.check_invariants();
    gateway.stop().await;
}
