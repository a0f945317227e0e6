//! Which checks an event matches: by branch, label, fork and skip_ci.

use fakes::ado::NewPullRequest;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Api, Env, Gateway, REPORTER, check, payloads};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_starts_only_the_checks_that_match_its_target_branch() {
    let env = Env::new(301);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check("on-main", r#"target_branches = ["main"]"#)
            + &check("on-release", r#"target_branches = ["release/*"]"#);
    })
    .await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "on-main", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert!(env.statuses(id, "on-release").is_empty());
    let started = gateway.api.items("/v1/deliveries?outcome=started").await;
    let reason = started[0]["reason"].as_str().unwrap();
    assert!(reason.contains("on-main started; on-release not started:"), "{reason}");
    let run = &started[0]["runs"][0];
    assert_eq!(
        started[0]["checks"],
        json!([
            { "check": "on-main", "started": true, "run": run, "why": "", "key": null },
            {
                "check": "on-release", "started": false, "run": null,
                "why": "target branch main does not match target_branches [release/*]",
                "key": "target_branches",
            },
        ])
    );
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn deliveries_are_found_by_what_they_are_about_also_those_that_started_nothing() {
    let env = Env::new(312);
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let (_, other) = env.open("other");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.shell.ado(|ado| ado.vote(id, &env.identity, 10));
    env.until_delivered().await;
    env.until_idle(&gateway.api).await;
    let found = async |query: String| -> Vec<String> {
        let items = gateway.api.items(&format!("/v1/deliveries?{query}")).await;
        items.iter().map(|item| item["event"].as_str().unwrap().to_owned()).collect()
    };
    let of = format!("organization=Fabrikam&repository_id={}", env.repository);
    let about = found(format!("{of}&pull_request={id}")).await;
    assert!(about.contains(&"pull_request_opened".to_owned()), "{about:?}");
    assert!(about.contains(&"pull_request_voted".to_owned()), "{about:?}");
    assert_eq!(found(format!("{of}&ref=refs/heads/topic")).await, ["branch_created"]);
    let of_commit = found(format!("organization=fabrikam&commit={}", commit.to_uppercase())).await;
    assert_eq!(of_commit.len(), about.len() + 1, "{of_commit:?} and the push");
    assert!(!found(format!("organization=fabrikam&commit={other}")).await.is_empty());
    assert!(found(format!("{of}&pull_request=999")).await.is_empty());
    assert!(found(format!("organization=contoso&commit={commit}")).await.is_empty());
    for (query, field) in [
        ("pull_request=7".to_owned(), "organization"),
        ("organization=fabrikam&pull_request=7".to_owned(), "repository_id"),
        (format!("{of}&pull_request=seven"), "pull_request"),
        (format!("{of}&pull_request=7&commit={commit}"), "commit"),
        (of.clone(), "repository_id"),
    ] {
        let path = format!("/v1/deliveries?{query}");
        let (status, problem) = gateway.api.call(Method::GET, &path, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(problem["errors"][0]["field"], field, "{query}: {problem}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn skip_ci_in_a_title_or_a_commit_message_starts_nothing() {
    let env = Env::new(302);
    let gateway = Gateway::start(&env).await;
    env.shell.ado(|ado| {
        ado.push(&env.repository, "main", "Correct a typo [skip ci]");
        ado.push(&env.repository, "topic", "Work");
        let new = NewPullRequest::new(&env.repository, "topic", "main");
        ado.open_pull_request(&new.titled("Documentation [ci skip]"));
    });
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 0);
    let deliveries = gateway.api.items("/v1/deliveries").await;
    let is_skipped = |delivery: &&serde_json::Value| {
        delivery["reason"].as_str().is_some_and(|reason| reason.contains("(skip_ci = true)"))
    };
    assert_eq!(deliveries.iter().filter(is_skipped).count(), 2, "{deliveries:?}");
    gateway.stop().await;
}

/// Opens a pull request from a fork where the check has this `forks`. Returns its number and its
/// commit.
async fn open_from_fork(forks: &str, seed: u64) -> (Env, Gateway, u64, String) {
    let env = Env::new(seed);
    let keys = format!("forks = \"{forks}\"");
    let gateway =
        Gateway::start_with(&env, |settings| settings.checks = check("build", &keys)).await;
    let (id, commit) = env.shell.ado(|ado| {
        let fork = ado.create_fork(&env.repository, &env.project, "web-of-jo");
        let commit = ado.push(&fork, "topic", "Work from outside");
        let new = NewPullRequest::new(&env.repository, "topic", "main").from_fork(&fork);
        (ado.open_pull_request(&new), commit)
    });
    (env, gateway, id, commit)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_that_runs_cannot_end_its_run_and_its_status_is_on_the_target_repository() {
    let (env, gateway, id, commit) = open_from_fork("run", 303).await;
    // Nobody has approved its code, which can read the token of the run and report with it.
    let run = env.until_started("build", &commit).await;
    env.report(&run, "succeeded");
    env.until_idle(&gateway.api).await;
    let state = gateway.api.items("/v1/runs").await[0]["state"].clone();
    assert_ne!(state, "succeeded");
    let report = format!("/v1/runs/{run}/reports");
    let reporter = Api::new(&gateway.url, REPORTER);
    let answer = reporter.post(&report, Some(&json!({ "state": "succeeded" }))).await;
    assert_eq!(answer.1["applied"], true, "{answer:?}");
    env.until_status(id, &commit, "build", "succeeded").await;
    env.until_commit_status(&commit, "build", "succeeded").await;
    let trigger = env.shell.ci(|ci| ci.started().next().map(|start| start.trigger.clone()));
    let trigger = trigger.unwrap();
    assert_eq!(trigger["pull_request"]["is_fork"], true);
    assert_eq!(trigger["repository"]["name"], "web");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_from_a_fork_waits_for_approval_or_is_ignored() {
    for (seed, forks, expected) in
        [(304, "approve", "waits for approval"), (305, "ignore", "ignore")]
    {
        let (env, gateway, id, _) = open_from_fork(forks, seed).await;
        env.until_idle(&gateway.api).await;
        assert_eq!(env.starts(), 0);
        let states: Vec<_> =
            env.statuses(id, "build").iter().map(|status| status.state.to_string()).collect();
        let shown: &[&str] = if forks == "approve" { &["pending"] } else { &[] };
        assert_eq!(states, shown);
        let deliveries = gateway.api.items("/v1/deliveries").await;
        let mut reasons = deliveries.iter().map(|delivery| delivery["reason"].as_str().unwrap());
        assert!(reasons.any(|reason| reason.contains(expected)), "{deliveries:?}");
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_check_with_labels_starts_when_the_pull_request_gets_one() {
    let env = Env::new(306);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.checks = check("slow-tests", r#"labels = ["full"]"#);
    })
    .await;
    let (id, commit) = env.open("topic");
    let without = payloads::pull_request(&env, id, "topic", &commit);
    env.deliver_again(&gateway.url, "updated", without.to_string()).await;
    env.until_idle(&gateway.api).await;
    let delivery = &gateway.api.items("/v1/deliveries").await[0];
    let reason = delivery["reason"].as_str().unwrap();
    assert!(reason.contains("none of the labels [full]"), "{reason}");
    let mut with = payloads::pull_request(&env, id, "topic", &commit);
    with["resource"]["labels"] = json!([{ "name": "Full", "active": true }]);
    env.deliver_again(&gateway.url, "updated", with.to_string()).await;
    env.until_status(id, &commit, "slow-tests", "succeeded").await;
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn branch_names_and_patterns_may_use_any_script() {
    let env = Env::new(307);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = check(
            "build",
            r#"on = ["push"]
branches = ["функция/*", "główna/źródło*", "main"]"#,
        );
    })
    .await;
    let commits = [env.push("функция/поиск"), env.push("główna/źródło✓")];
    for commit in &commits {
        env.until_commit_status(commit, "build", "succeeded").await;
    }
    let runs = gateway.api.items("/v1/runs").await;
    let mut refs: Vec<_> = runs.iter().map(|run| run["ref"].as_str().unwrap()).collect();
    refs.sort_unstable();
    assert_eq!(refs, ["refs/heads/główna/źródło✓", "refs/heads/функция/поиск"]);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_check_applies_to_its_repository_after_a_rename() {
    let env = Env::new(308);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.checks = check("build", r#"on = ["push"]"#).replace("Fabrikam/*", "Fabrikam/web");
    })
    .await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let before = env.push("main");
    let push = payloads::push(&env, "main", &old, &before, 1);
    env.deliver_again(&gateway.url, "push", push.to_string()).await;
    env.until_commit_status(&before, "build", "succeeded").await;
    let after = env.push("main");
    let mut push = payloads::push(&env, "main", &before, &after, 2);
    push["resource"]["repository"]["name"] = json!("shop");
    env.deliver_again(&gateway.url, "push", push.to_string()).await;
    env.until_commit_status(&after, "build", "succeeded").await;
    assert_eq!(gateway.api.items("/v1/runs").await[0]["repository"], "shop");
    env.check_invariants();
    gateway.stop().await;
}
