//! The main job: a pull request and a push become runs, their reports become statuses.

use crate::harness::{Inside, Town, check_invariants};

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_gets_its_check() {
    let town = Town::new(1);
    let gateway = Inside::start(&town).await;
    let (id, commit) = town.open("feature/search");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.shell.ado(|ado| town.shell.ci(|ci| check_invariants(ado, ci)));
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1);
    assert_eq!(runs[0]["state"], "succeeded");
    gateway.stop().await;
}
