//! Hooks that seem well and tell nothing: Azure DevOps drops what the owner of a subscription may
//! not read, and says so nowhere. Catch-up finds it, and the gateway says that they are silent.

use std::time::Duration;

use fakes::ado::{Permission, SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use reqwest::{Method, StatusCode};

use crate::harness::{Env, InProcess, WAIT_MAX};

/// Catch-up only when it is asked for, so that what it finds is old enough to have been told.
const KEPT: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1h\"";
/// Longer than hooks take to tell anything.
const LONG: Duration = Duration::from_secs(180);

/// From now on the subscriptions belong to this identity.
fn owned_by(env: &Env, identity: &str) {
    env.shell.ado(|ado| {
        let all: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in all {
            ado.change_subscription(&id, |one| identity.clone_into(&mut one.modified_by));
        }
    });
}

async fn look(gateway: &InProcess) {
    let asked = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/catch-up", None).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
}

fn tells_of_silence(ready: &serde_json::Value) -> bool {
    ready["status"] == "ready"
        && ready["problems"]["fabrikam"].as_str().is_some_and(|it| it.contains("are silent"))
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_enabled_and_silent_are_noticed_until_they_speak() {
    let env = Env::new(4401);
    let gateway =
        InProcess::without_hooks(&env, |settings| settings.organization = KEPT.into()).await;
    env.until_hooks(&gateway.url, 4).await;
    let (known, first) = env.open("known");
    env.until_status(known, &first, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    let stranger = env.shell.ado(|ado| {
        let stranger = ado.create_identity("Gone", "gone@fabrikam.example");
        ado.deny(&stranger, Permission::GenericRead, None);
        stranger
    });
    owned_by(&env, &stranger);
    let (id, commit) = env.open("topic");
    let pushed = env.push("known");
    env.shell.advance(LONG).await;
    env.until_idle(&gateway.api).await;
    assert_eq!(env.starts(), 1, "nobody told of it");
    assert!(!tells_of_silence(&gateway.api.get("/readyz").await), "nobody knows of it");
    look(&gateway).await;
    let ready = gateway.api.until("/readyz", tells_of_silence).await;
    println!("{}", ready["problems"]["fabrikam"]);
    assert!(ready.to_string().contains("hooks of project Fabrikam are silent"), "{ready}");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_status(known, &pushed, "unit-tests", "succeeded").await;
    env.until_hooks(&gateway.url, 4).await;
    owned_by(&env, &env.identity);
    let pushed = env.push("topic");
    env.until_status(id, &pushed, "unit-tests", "succeeded").await;
    gateway.api.until("/readyz", |ready| !tells_of_silence(ready)).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_tell_are_not_called_silent() {
    let env = Env::new(4402);
    let gateway =
        InProcess::without_hooks(&env, |settings| settings.organization = KEPT.into()).await;
    env.until_hooks(&gateway.url, 4).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    env.shell.advance(LONG).await;
    let lists = |ado: &World| ado.journal.count("GET", "/git/pullrequests?");
    let before = env.shell.ado(|ado| lists(ado));
    look(&gateway).await;
    env.until("it looked", |ado, _| lists(ado) > before).await;
    env.until_idle(&gateway.api).await;
    turn(&env).await;
    assert!(!tells_of_silence(&gateway.api.get("/readyz").await));
    assert_eq!(env.starts(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_new_are_not_blamed_for_what_was_before() {
    let env = Env::new(4403);
    let gateway =
        InProcess::without_hooks(&env, |settings| settings.organization = KEPT.into()).await;
    env.until_hooks(&gateway.url, 4).await;
    let (known, first) = env.open("known");
    env.until_status(known, &first, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    // One look is held up, so that the next begins when all is healed and has delivered.
    let hold = Rule::new("GET", "/refs", Action::Hold { before: true }).next(1);
    env.shell.ado(|ado| ado.faults.add(hold));
    look(&gateway).await;
    assert!(env.shell.wait_for_held(WAIT_MAX, 1).await.is_some(), "it looks");
    let stopped: Vec<String> = env.hooks_of(&gateway.url).into_iter().map(|one| one.id).collect();
    env.shell.ado(|ado| {
        for id in &stopped {
            ado.change_subscription(id, |one| one.status = SubscriptionStatus::OnProbation);
        }
    });
    let (id, commit) = env.open("topic");
    env.shell.advance(LONG).await;
    env.until("the old ones are gone, since the new ones deliver", |ado, _| {
        ado.subscriptions().all(|one| !stopped.contains(&one.id))
    })
    .await;
    env.until_hooks(&gateway.url, 4).await;
    env.shell.release();
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    turn(&env).await;
    let ready = gateway.api.get("/readyz").await;
    assert!(!tells_of_silence(&ready), "{ready}");
    gateway.stop().await;
}

/// Waits until the hooks have been looked after once more, from begin to end.
async fn turn(env: &Env) {
    let turns = |ado: &World| ado.journal.count("POST", "/subscriptionsquery");
    let before = env.shell.ado(|ado| turns(ado));
    env.until("the hooks are looked after", |ado, _| turns(ado) > before + 8).await;
}
