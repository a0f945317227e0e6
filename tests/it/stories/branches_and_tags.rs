//! Branches and tags that are created, pushed and deleted, one by one and many at once.

use crate::harness::{Env, Gateway, Settings, check};

fn check_on_pushes(settings: &mut Settings) {
    settings.checks = check("build", r#"on = ["push"]"#);
}

fn check_on_tags(settings: &mut Settings) {
    settings.checks = check("release", r#"on = ["tag"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn creating_a_branch_starts_a_run_at_its_head() {
    let env = Env::new(201);
    let gateway = Gateway::start_with(&env, check_on_pushes).await;
    let head = env.shell.ado(|ado| {
        let head = ado.head(&env.repository, "main").map(str::to_owned).unwrap();
        ado.create_branch(&env.repository, "topic", &head);
        head
    });
    env.until_commit_status(&head, "build", "succeeded").await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs[0]["ref"], "refs/heads/topic");
    assert_eq!(runs[0]["commit"], head.as_str());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn deleting_a_branch_cancels_its_run() {
    let env = Env::new(202);
    env.disable_ci_reports();
    let gateway = Gateway::start_with(&env, check_on_pushes).await;
    let commit = env.push("topic");
    env.until_started("build", &commit).await;
    env.shell.ado(|ado| ado.delete_branch(&env.repository, "topic"));
    env.until_commit_status(&commit, "build", "error").await;
    env.until_idle(&gateway.api).await;
    let newest = env.commit_statuses(&commit, "build").pop().unwrap();
    assert_eq!(newest.description.unwrap(), "Cancelled: refs/heads/topic was deleted");
    assert_eq!(gateway.api.items("/v1/deliveries").await[0]["event"], "branch_deleted");
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn one_push_of_three_branches_starts_three_runs() {
    let env = Env::new(203);
    let gateway = Gateway::start_with(&env, check_on_pushes).await;
    let branches = [("a", "One"), ("b", "Two"), ("c", "Three")];
    let commits = env.shell.ado(|ado| ado.push_many(&env.repository, &branches));
    for commit in &commits {
        env.until_commit_status(commit, "build", "succeeded").await;
    }
    let deliveries = gateway.api.items("/v1/deliveries").await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["runs"].as_array().unwrap().len(), 3);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_several_commits_starts_a_run_at_the_last() {
    let env = Env::new(204);
    let gateway = Gateway::start_with(&env, check_on_pushes).await;
    let steps = ["One", "Two", "Three"];
    let head = env.shell.ado(|ado| ado.push_commits(&env.repository, "main", &steps));
    env.until_commit_status(&head, "build", "succeeded").await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_starts_only_the_checks_on_tags() {
    let env = Env::new(205);
    let gateway = Gateway::start_with(&env, check_on_tags).await;
    let commit = env.push("main");
    env.until_decided(&gateway.api).await;
    env.shell.ado(|ado| ado.create_tag(&env.repository, "v1.0", &commit));
    env.until_commit_status(&commit, "release", "succeeded").await;
    env.shell.ado(|ado| ado.delete_tag(&env.repository, "v1.0"));
    env.until_idle(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["ref"], "refs/tags/v1.0");
    let deliveries = gateway.api.items("/v1/deliveries").await;
    let events: Vec<_> = deliveries.iter().map(|one| one["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["tag_deleted", "tag_created", "branch_pushed"]);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn each_of_several_quick_pushes_to_a_branch_starts_a_run() {
    let env = Env::new(206);
    let gateway = Gateway::start_with(&env, check_on_pushes).await;
    let commits = [env.push("main"), env.push("main"), env.push("main")];
    for commit in &commits {
        env.until_commit_status(commit, "build", "succeeded").await;
    }
    assert_eq!(env.starts(), 3);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annotated_tag_starts_a_run() {
    let env = Env::new(207);
    let gateway = Gateway::start_with(&env, check_on_tags).await;
    let commit = env.push("main");
    let object = env.shell.ado(|ado| ado.create_annotated_tag(&env.repository, "v2.0", &commit));
    let run = env.until_started("release", &object).await;
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!((&runs[0]["id"], &runs[0]["ref"]), (&run.into(), &"refs/tags/v2.0".into()));
    env.check_invariants();
    gateway.stop().await;
}
