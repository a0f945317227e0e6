//! Azure Pipelines builds the trial merge of a pull request, which may not be there yet or not at
//! all.

use fakes::ado::NewPullRequest;
use serde_json::Value;

use super::kinds::AZURE_PIPELINES;
use super::world::{World, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_with_conflicts_starts_nothing_and_says_so() {
    let world = World::new(&AZURE_PIPELINES);
    let gateway = world.gateway().await;
    let (id, commit) = world.env.shell.ado(|ado| {
        let commit = ado.push(&world.env.repository, "topic", "Work");
        let new = NewPullRequest::new(&world.env.repository, "topic", "main").conflicting();
        (ado.open_pull_request(&new), commit)
    });
    world.env.until_status(id, &commit, "build", "error").await;
    let reason = run(&gateway.api).await["reason"].clone();
    assert!(reason.as_str().is_some_and(|reason| reason.contains("has conflicts")), "{reason}");
    assert_eq!((world.builds().len(), world.requests(AZURE_PIPELINES.start)), (0, 0));
    // Somebody resolves them.
    world.env.shell.ado(|ado| ado.set_conflicts(id, false));
    let resolved = world.env.push("topic");
    world.until_builds(1).await;
    world.env.until_status(id, &resolved, "build", "pending").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_the_trial_merge_of_its_commit() {
    let world = World::new(&AZURE_PIPELINES);
    let gateway = world.gateway().await;
    let (id, _) = world.env.open("topic");
    let older = world.until_builds(1).await;
    let merge = world.env.shell.ado(|ado| ado.pull_request(id).merge_commit.clone());
    assert_eq!(Some(older.commit), merge);
    // From here on the merge is made when the test says so: until then the ref shows the older.
    world.env.shell.ado(|ado| ado.options.merge_delay_ms = 3_600_000);
    let commit = world.env.push("topic");
    let waits = |runs: &Value| {
        let reason = runs["items"][0]["reason"].as_str().unwrap_or_default();
        runs["items"][0]["commit"] == commit && reason.contains("is not made yet")
    };
    gateway.api.until("/v1/runs", waits).await;
    assert_eq!(world.builds().len(), 1, "nothing is built but what was asked for");
    world.env.shell.ado(|ado| ado.finish_merges());
    let newer = world.until_builds(2).await;
    let merge = world.env.shell.ado(|ado| ado.pull_request(id).merge_commit.clone());
    assert_eq!((Some(newer.commit), newer.git_ref), (merge, format!("refs/pull/{id}/merge")));
    gateway.stop().await;
}
