//! Branches and tags: created, pushed, deleted, one by one and many at once.

use crate::harness::{Inside, Settings, Town, check};

fn every_branch(settings: &mut Settings) {
    settings.checks = check("build", r#"on = ["push"]"#);
}

fn tags(settings: &mut Settings) {
    settings.checks = check("release", r#"on = ["tag"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_branch_is_built_at_its_head() {
    let town = Town::new(201);
    let gateway = Inside::start_with(&town, every_branch).await;
    let head = town.shell.ado(|ado| {
        let head = ado.head(&town.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&town.repository, "topic", &head);
        head
    });
    town.until_commit_shown(&head, "build", "succeeded").await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs[0]["ref"], "refs/heads/topic");
    assert_eq!(runs[0]["commit"], head.as_str());
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_a_branch_cancels_what_runs_on_it() {
    let town = Town::new(202);
    town.silence_ci();
    let gateway = Inside::start_with(&town, every_branch).await;
    let commit = town.push("topic");
    town.until_started("build", &commit).await;
    town.shell.ado(|ado| ado.delete_branch(&town.repository, "topic"));
    town.until_commit_shown(&commit, "build", "error").await;
    town.settled(&gateway.api).await;
    let newest = town.commit_statuses(&commit, "build").pop().unwrap();
    let words = newest.description.unwrap();
    assert_eq!(words, "Cancelled: refs/heads/topic was deleted");
    assert_eq!(gateway.api.items("/v1/deliveries").await[0]["event"], "branch_deleted");
    assert_eq!(town.starts(), 1);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_push_of_three_branches_starts_three_runs() {
    let town = Town::new(203);
    let gateway = Inside::start_with(&town, every_branch).await;
    let branches = [("a", "One"), ("b", "Two"), ("c", "Three")];
    let commits = town.shell.ado(|ado| ado.push_many(&town.repository, &branches));
    for commit in &commits {
        town.until_commit_shown(commit, "build", "succeeded").await;
    }
    let deliveries = gateway.api.items("/v1/deliveries").await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["runs"].as_array().unwrap().len(), 3);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_several_commits_builds_the_last() {
    let town = Town::new(204);
    let gateway = Inside::start_with(&town, every_branch).await;
    let steps = ["One", "Two", "Three"];
    let head = town.shell.ado(|ado| ado.push_commits(&town.repository, "main", &steps));
    town.until_commit_shown(&head, "build", "succeeded").await;
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 1);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_starts_the_checks_on_tags_only() {
    let town = Town::new(205);
    let gateway = Inside::start_with(&town, tags).await;
    let commit = town.push("main");
    town.decided(&gateway.api).await;
    town.shell.ado(|ado| ado.create_tag(&town.repository, "v1.0", &commit));
    town.until_commit_shown(&commit, "release", "succeeded").await;
    town.shell.ado(|ado| ado.delete_tag(&town.repository, "v1.0"));
    town.settled(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["ref"], "refs/tags/v1.0");
    let told = gateway.api.items("/v1/deliveries").await;
    let events: Vec<_> = told.iter().map(|told| told["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["tag_deleted", "tag_created", "branch_pushed"]);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_push_is_built_even_where_the_next_came_soon() {
    let town = Town::new(206);
    let gateway = Inside::start_with(&town, every_branch).await;
    let commits = [town.push("main"), town.push("main"), town.push("main")];
    for commit in &commits {
        town.until_commit_shown(commit, "build", "succeeded").await;
    }
    assert_eq!(town.starts(), 3);
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_tag_is_built() {
    let town = Town::new(207);
    let gateway = Inside::start_with(&town, tags).await;
    let commit = town.push("main");
    let object = town.shell.ado(|ado| ado.create_annotated_tag(&town.repository, "v2.0", &commit));
    let run = town.until_started("release", &object).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!((&runs[0]["id"], &runs[0]["ref"]), (&run.into(), &"refs/tags/v2.0".into()));
    town.check_invariants();
    gateway.stop().await;
}
