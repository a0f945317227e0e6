//! Azure DevOps tells that a build has ended: the run is asked about at once, and only the answer
//! to that counts.

use azdo_gateway::domain::subscription::{HookName, HookScope, Topic};
use fakes::ado::{Permission, SubscriptionStatus};
use fakes::systems::State;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, ORGANIZATION, Settings, check, payloads};

/// Another project than that of the fake Azure DevOps.
const OTHER_PROJECT: &str = "3e5d9a74-0c1b-4f62-a8d7-94b6e2f1c053";
/// So long that a test would not wait for it.
const POLL_INTERVAL: &str = "1h";

/// Hooks are managed, and a check runs in a pipeline of this project.
fn in_pipeline(settings: &mut Settings, project: &str, pipeline: u64) {
    settings.organization = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"".to_owned();
    settings.checks = check("build", "on = [\"pull_request\"]\ncommands = false");
    settings.ci = Some(format!(
        "kind = \"azure_pipelines\"\norganization = \"fabrikam\"\nproject = \"{project}\"\n\
         pipeline = {pipeline}\npoll_interval = \"{POLL_INTERVAL}\""
    ));
}

/// A gateway with a linked service user and its hooks, and the number of the pipeline.
async fn started(env: &Env) -> (Gateway, u64) {
    let pipeline = env.shell.ado(|ado| ado.create_pipeline(&env.repository, "build"));
    let gateway = Gateway::without_hooks(env, |settings| {
        in_pipeline(settings, "Fabrikam", pipeline);
        settings.credential = env.service_user("");
    })
    .await;
    env.link(&gateway.url).await;
    env.until_hooks(&gateway.url, 3).await;
    (gateway, pipeline)
}

/// Opens a pull request, and waits until its build has been started. Returns the number of the pull
/// request, the commit, and the number of the build.
async fn building(env: &Env, gateway: &Gateway, pipeline: u64) -> (u64, String, u64) {
    let (id, commit) = env.open("topic");
    let is_dispatched = |runs: &Value| runs["items"][0]["state"] == "dispatched";
    gateway.api.until("/v1/runs", is_dispatched).await;
    let number = env.shell.ado(|ado| ado.builds_of(pipeline).all()[0].number);
    (id, commit, number)
}

/// Of all deliveries about builds, the newest first: outcome and reason.
async fn about_builds(gateway: &Gateway) -> Vec<(String, String)> {
    let deliveries = gateway.api.items("/v1/deliveries").await.into_iter();
    let about_builds = deliveries.filter(|one| one["event_type"] == "build.complete");
    let word = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    about_builds.map(|one| (word(&one, "outcome"), word(&one, "reason"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_end_of_a_build_is_noticed_long_before_it_would_be_polled() {
    let env = Env::new(7101);
    let (gateway, pipeline) = started(&env).await;
    let (id, commit, number) = building(&env, &gateway, pipeline).await;
    env.until_status(id, &commit, "build", "pending").await;
    env.shell.ado(|ado| ado.builds_of(pipeline).set_state(number, State::Succeeded));
    env.until_status(id, &commit, "build", "succeeded").await;
    env.until_decided(&gateway.api).await;
    let run = gateway.api.items("/v1/runs").await.remove(0);
    let told = about_builds(&gateway).await;
    let (outcome, reason) = told.first().expect("the end of the build was delivered");
    assert_eq!(outcome, "ignored", "it starts nothing");
    let words = format!("run {} of build was asked about at once", run["id"].as_str().unwrap());
    assert!(reason.contains(&words), "{reason}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_forged_end_of_a_build_changes_nothing() {
    let env = Env::new(7102);
    let (gateway, pipeline) = started(&env).await;
    let (_, _, number) = building(&env, &gateway, pipeline).await;
    let hook = |project_id: &str, topic| {
        let hook_scope = HookScope { project_id: project_id.to_owned(), topic };
        HookName { hook_scope, generation: 1, tag: "0a1b2c3d".to_owned() }.to_string()
    };
    let polls = || env.shell.ado(|ado| ado.journal.count("GET", "/build/builds"));
    let before = polls();
    let own = json!({ "id": env.project, "name": "Fabrikam" });
    let renamed = json!({ "id": OTHER_PROJECT, "name": "Fabrikam" });
    let other = json!({ "id": OTHER_PROJECT, "name": "Tools" });
    let builds = Topic::BuildsCompleted;
    for (project, topic, claimed, number, outcome, reason) in [
        (OTHER_PROJECT, builds, &own, number, "quarantined", "another project"),
        (OTHER_PROJECT, builds, &renamed, number, "quarantined", "is the name of project"),
        (env.project.as_str(), builds, &other, number, "quarantined", "another project"),
        (env.project.as_str(), Topic::Pushes, &own, number, "quarantined", "delivers pushes"),
        (OTHER_PROJECT, builds, &other, number, "ignored", "no check runs in pipelines of"),
        (env.project.as_str(), builds, &own, 4_711, "ignored", "no run that is waited for"),
    ] {
        let body = payloads::completed_build(number, claimed);
        env.deliver_again(&gateway.url, &hook(project, topic), body.to_string()).await;
        env.until_decided(&gateway.api).await;
        let told = about_builds(&gateway).await.remove(0);
        assert!(told.0 == outcome && told.1.contains(reason), "{told:?}");
    }
    assert_eq!(polls(), before, "nothing was asked");
    // Within its scope a forged event makes the run be asked about, and the answer counts.
    env.shell.ado(|ado| ado.builds_of(pipeline).set_state(number, State::Running));
    let body = payloads::completed_build(number, &own);
    env.deliver_again(&gateway.url, &hook(&env.project, builds), body.to_string()).await;
    gateway.api.until("/v1/runs", |runs| runs["items"][0]["state"] == "running").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_about_builds_heals_and_rotates_as_all_others_do() {
    let env = Env::new(7103);
    let (gateway, pipeline) = started(&env).await;
    let of_builds = || {
        let found = env.hooks_of(&gateway.url).into_iter();
        let mut found = found.filter(|one| one.event_type == "build.complete");
        found.next().expect("there is one")
    };
    let first = of_builds();
    assert_eq!(first.publisher_inputs["projectId"], env.project);
    assert_eq!(first.resource_version, "2.0");
    assert_eq!(first.filter("definitionName").or(first.filter("buildStatus")), None);
    env.shell.ado(|ado| {
        ado.set_subscription_status(&first.id, SubscriptionStatus::OnProbation);
    });
    env.until("it is replaced", |ado, _| ado.subscriptions().all(|one| one.id != first.id)).await;
    env.until_hooks(&gateway.url, 3).await;
    let healed = of_builds();
    let path = format!("/v1/organizations/{ORGANIZATION}/rotate");
    let (status, answer) = gateway.api.post(&path, None).await;
    assert!(status.is_success(), "{answer}");
    let password = healed.consumer_inputs["basicAuthPassword"].clone();
    env.until("it has a new secret", |ado, _| {
        let mut found = ado.subscriptions().filter(|one| one.event_type == "build.complete");
        found.all(|one| one.consumer_inputs["basicAuthPassword"] != password)
    })
    .await;
    let (id, commit, number) = building(&env, &gateway, pipeline).await;
    env.shell.ado(|ado| ado.builds_of(pipeline).set_state(number, State::Failed));
    env.until_status(id, &commit, "build", "failed").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_delivery_about_a_build_changes_nothing() {
    let env = Env::new(7104);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    env.test_hook(&gateway.url, "build.complete").await;
    env.until_decided(&gateway.api).await;
    let told = about_builds(&gateway).await.remove(0);
    assert!(told.0 == "ignored" && told.1.contains("a test delivery"), "{told:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_of_pipelines_that_is_not_seen_is_a_problem_and_stops_no_other_hook() {
    let env = Env::new(7105);
    let pipeline = env.shell.ado(|ado| {
        let tools = ado.create_project(ORGANIZATION, "Tools");
        let repository = ado.create_repository(&tools, "farm");
        ado.deny_in_project(&env.identity, Permission::ReadProject, &tools);
        ado.deny(&env.identity, Permission::GenericRead, Some(&repository));
        ado.create_pipeline(&repository, "build")
    });
    let change = |settings: &mut Settings| in_pipeline(settings, "Tools", pipeline);
    let gateway = Gateway::without_hooks(&env, change).await;
    env.until_hooks(&gateway.url, 2).await;
    let words = "cannot see project Tools, in which builds of build are";
    let is_told = |ready: &Value| {
        ready["problems"][ORGANIZATION].as_str().is_some_and(|problem| problem.contains(words))
    };
    gateway.api.until("/readyz", is_told).await;
    gateway.stop().await;
}
