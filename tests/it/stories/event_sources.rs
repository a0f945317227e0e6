//! The sources of events: an Azure DevOps Server, overlapping subscriptions, and deliveries that
//! are repeated, late or out of order.

use crate::harness::{Env, Gateway};

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_azure_devops_server_start_runs() {
    let env = Env::at(401, "/tfs/Collection");
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    let clone_url = env
        .shell
        .ci(|ci| ci.started().map(|start| start.trigger["repository"]["clone_url"].clone()).next());
    let clone_url = clone_url.unwrap();
    let expected = format!("{}/tfs/Collection/Fabrikam/_git/web", env.shell.url());
    assert_eq!(clone_url, expected.as_str());
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_delivered_by_several_subscriptions_starts_one_run() {
    let env = Env::new(402);
    let gateway = Gateway::start(&env).await;
    env.subscribe(&gateway.url).await;
    env.subscribe(&gateway.url).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let all = gateway.api.items("/v1/deliveries?limit=500").await;
    // A push and a new pull request, each delivered by three subscriptions.
    assert_eq!(all.len(), 6);
    let duplicates = gateway.api.items("/v1/deliveries?outcome=duplicate").await;
    assert_eq!(duplicates.len(), 4);
    assert!(duplicates[0]["reason"].as_str().unwrap().contains("through another subscription"));
    assert_eq!(env.starts(), 1);
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_delivery_that_azure_devops_repeats_starts_one_run() {
    let env = Env::new(403);
    env.shell.ado(|ado| ado.options.duplicate_percent = 50);
    let gateway = Gateway::start(&env).await;
    let opened = [env.open("one"), env.open("two"), env.open("three")];
    for (id, commit) in &opened {
        env.until_status(*id, commit, "unit-tests", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 3);
    assert_eq!(gateway.api.items("/v1/deliveries").await.len(), 6);
    let attempts: usize =
        env.shell.ado(|ado| ado.all_notifications().map(|one| one.attempts.len()).sum());
    assert!(attempts > 6, "with this seed no delivery is repeated");
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn deliveries_that_are_late_and_out_of_order_start_each_check_once() {
    let env = Env::new(404);
    env.shell.ado(|ado| ado.options.delivery_jitter_ms = 150);
    let gateway = Gateway::start(&env).await;
    let (id, _) = env.open("topic");
    env.push("topic");
    let last = env.push("topic");
    env.until_status(id, &last, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    env.check_invariants();
    gateway.stop().await;
}
