//! Killed after runs ended without a result: the thorough scan of catch-up that follows a start
//! does not start them again, although Azure DevOps dates pull request and push alike.

use fakes::ci::Behaviour;

use crate::harness::{Binary, Env};

/// Waits until a whole scan of catch-up has ended that began after this call.
async fn until_scanned(env: &Env, gateway: &Binary) {
    const LIST: &str = "/git/pullrequests?";
    let before = env.shell.ado(|ado| ado.journal.count("GET", LIST));
    env.until("another scan has begun", |ado, _| ado.journal.count("GET", LIST) > before + 1).await;
    env.until_idle(&gateway.api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_or_errored_is_not_started_again_after_a_kill() {
    let env = Env::new(11);
    let mut gateway = Binary::start_with(&env, |settings| {
        settings.organization = "hooks = false\ncatch_up = \"1s\"".into();
    })
    .await;
    until_scanned(&env, &gateway).await;
    env.shell.ci(|ci| ci.set_default(Behaviour::Error));
    let (errored, commit) = env.open("errored");
    env.until_status(errored, &commit, "unit-tests", "error").await;
    env.disable_ci_reports();
    let (cancelled, commit) = env.open("cancelled");
    let run = env.until_started("unit-tests", &commit).await;
    gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
    env.until_status(cancelled, &commit, "unit-tests", "error").await;
    for _ in 0..3 {
        gateway.kill();
        gateway.restart().await;
        until_scanned(&env, &gateway).await;
    }
    let runs = gateway.api.items("/v1/runs").await;
    let states: Vec<_> = runs.iter().map(|run| run["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["cancelled", "errored"]);
    env.check_invariants();
}
