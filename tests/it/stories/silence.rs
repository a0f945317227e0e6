//! Hooks that are enabled and deliver nothing: Azure DevOps drops events that the owner of a
//! subscription may not read, without an error. Catch-up finds the events, and the hooks are shown
//! as silent.

use std::time::Duration;

use fakes::ado::{Permission, SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use reqwest::{Method, StatusCode};

use crate::harness::{Env, InProcess, Settings, WAIT_MAX};

/// Catch-up runs only when it is asked for, so that hooks had the time to deliver what it finds.
const MANAGED: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1h\"";
/// Longer than hooks take to deliver an event.
const LONG: Duration = Duration::from_secs(180);

/// A gateway that has made its four hooks.
async fn managed(env: &Env) -> InProcess {
    let change = |settings: &mut Settings| settings.organization = MANAGED.into();
    let gateway = InProcess::without_hooks(env, change).await;
    env.until_hooks(&gateway.url, 4).await;
    gateway
}

/// Makes this identity the owner of the subscriptions.
fn owned_by(env: &Env, identity: &str) {
    env.shell.ado(|ado| {
        let all: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in all {
            ado.change_subscription(&id, |one| identity.clone_into(&mut one.modified_by));
        }
    });
}

async fn scan(gateway: &InProcess) {
    let asked = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/catch-up", None).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
}

fn shows_silence(ready: &serde_json::Value) -> bool {
    ready["status"] == "ready"
        && ready["problems"]["fabrikam"].as_str().is_some_and(|it| it.contains("are silent"))
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_hooks_are_a_problem_until_they_deliver() {
    let env = Env::new(4401);
    let gateway = managed(&env).await;
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
    assert_eq!(env.starts(), 1, "no hook delivered it");
    assert!(!shows_silence(&gateway.api.get("/readyz").await), "no scan has found it yet");
    scan(&gateway).await;
    let ready = gateway.api.until("/readyz", shows_silence).await;
    println!("{}", ready["problems"]["fabrikam"]);
    assert!(ready.to_string().contains("hooks of project Fabrikam are silent"), "{ready}");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_status(known, &pushed, "unit-tests", "succeeded").await;
    env.until_hooks(&gateway.url, 4).await;
    owned_by(&env, &env.identity);
    let pushed = env.push("topic");
    env.until_status(id, &pushed, "unit-tests", "succeeded").await;
    gateway.api.until("/readyz", |ready| !shows_silence(ready)).await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_deliver_are_not_called_silent() {
    let env = Env::new(4402);
    let gateway = managed(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    env.shell.advance(LONG).await;
    let lists = |ado: &World| ado.journal.count("GET", "/git/pullrequests?");
    let before = env.shell.ado(|ado| lists(ado));
    scan(&gateway).await;
    env.until("it looked", |ado, _| lists(ado) > before).await;
    env.until_idle(&gateway.api).await;
    reconciled(&env).await;
    assert!(!shows_silence(&gateway.api.get("/readyz").await));
    assert_eq!(env.starts(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_hooks_are_not_called_silent_for_earlier_events() {
    let env = Env::new(4403);
    let gateway = managed(&env).await;
    let (known, first) = env.open("known");
    env.until_status(known, &first, "unit-tests", "succeeded").await;
    env.until_idle(&gateway.api).await;
    // One scan is delayed until all hooks are healed and have delivered.
    let hold = Rule::new("GET", "/refs", Action::Hold { before: true }).next(1);
    env.shell.ado(|ado| ado.faults.add(hold));
    scan(&gateway).await;
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
    reconciled(&env).await;
    let ready = gateway.api.get("/readyz").await;
    assert!(!shows_silence(&ready), "{ready}");
    gateway.stop().await;
}

/// Waits for one more complete pass over the subscriptions.
async fn reconciled(env: &Env) {
    let queries = |ado: &World| ado.journal.count("POST", "/subscriptionsquery");
    let before = env.shell.ado(|ado| queries(ado));
    env.until("a pass is complete", |ado, _| queries(ado) > before + 8).await;
}
