//! Hooks that seem well and tell nothing: Azure DevOps drops what the owner of a subscription may
//! not read, and says so nowhere. Catch-up finds it, and the gateway says that they are silent.

use std::time::Duration;

use fakes::ado::{Permission, SubscriptionStatus, World};
use fakes::faults::{Action, Rule};
use reqwest::{Method, StatusCode};

use crate::harness::{Inside, PATIENCE, Town};

/// Catch-up only when it is asked for, so that what it finds is old enough to have been told.
const KEPT: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"1h\"";
/// Longer than hooks take to tell anything.
const LONG: Duration = Duration::from_secs(180);

/// From now on the subscriptions belong to this identity.
fn owned_by(town: &Town, identity: &str) {
    town.shell.ado(|ado| {
        let all: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in all {
            ado.change_subscription(&id, |one| identity.clone_into(&mut one.modified_by));
        }
    });
}

async fn look(gateway: &Inside) {
    let asked = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/catch-up", None).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
}

fn tells_of_silence(ready: &serde_json::Value) -> bool {
    ready["status"] == "ready"
        && ready["troubles"]["fabrikam"].as_str().is_some_and(|it| it.contains("are silent"))
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_enabled_and_silent_are_noticed_until_they_speak() {
    let town = Town::new(4401);
    let gateway =
        Inside::without_hooks(&town, |settings| settings.organization = KEPT.into()).await;
    town.until_hooks(&gateway.url, 4).await;
    let (known, first) = town.open("known");
    town.until_shown(known, &first, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    let stranger = town.shell.ado(|ado| {
        let stranger = ado.create_identity("Gone", "gone@fabrikam.example");
        ado.deny(&stranger, Permission::GenericRead, None);
        stranger
    });
    owned_by(&town, &stranger);
    let (id, commit) = town.open("topic");
    let pushed = town.push("known");
    town.shell.pass(LONG).await;
    town.settled(&gateway.api).await;
    assert_eq!(town.starts(), 1, "nobody told of it");
    assert!(!tells_of_silence(&gateway.api.get("/readyz").await), "nobody knows of it");
    look(&gateway).await;
    let ready = gateway.api.until("/readyz", tells_of_silence).await;
    println!("{}", ready["troubles"]["fabrikam"]);
    assert!(ready.to_string().contains("hooks of project Fabrikam are silent"), "{ready}");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.until_shown(known, &pushed, "unit-tests", "succeeded").await;
    town.until_hooks(&gateway.url, 4).await;
    owned_by(&town, &town.identity);
    let pushed = town.push("topic");
    town.until_shown(id, &pushed, "unit-tests", "succeeded").await;
    gateway.api.until("/readyz", |ready| !tells_of_silence(ready)).await;
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_tell_are_not_called_silent() {
    let town = Town::new(4402);
    let gateway =
        Inside::without_hooks(&town, |settings| settings.organization = KEPT.into()).await;
    town.until_hooks(&gateway.url, 4).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    town.shell.pass(LONG).await;
    let lists = |ado: &World| ado.journal.count("GET", "/git/pullrequests?");
    let before = town.shell.ado(|ado| lists(ado));
    look(&gateway).await;
    town.until("it looked", |ado, _| lists(ado) > before).await;
    town.settled(&gateway.api).await;
    turn(&town).await;
    assert!(!tells_of_silence(&gateway.api.get("/readyz").await));
    assert_eq!(town.starts(), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_that_are_new_are_not_blamed_for_what_was_before() {
    let town = Town::new(4403);
    let gateway =
        Inside::without_hooks(&town, |settings| settings.organization = KEPT.into()).await;
    town.until_hooks(&gateway.url, 4).await;
    let (known, first) = town.open("known");
    town.until_shown(known, &first, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    // One look is held up, so that the next begins when all is healed and has delivered.
    let hold = Rule::new("GET", "/refs", Action::Hold { before: true }).next(1);
    town.shell.ado(|ado| ado.faults.add(hold));
    look(&gateway).await;
    assert!(town.shell.wait_for_held(PATIENCE, 1).await.is_some(), "it looks");
    let stopped: Vec<String> = town.hooks_of(&gateway.url).into_iter().map(|one| one.id).collect();
    town.shell.ado(|ado| {
        for id in &stopped {
            ado.change_subscription(id, |one| one.status = SubscriptionStatus::OnProbation);
        }
    });
    let (id, commit) = town.open("topic");
    town.shell.pass(LONG).await;
    town.until("the old ones are gone, since the new ones deliver", |ado, _| {
        ado.subscriptions().all(|one| !stopped.contains(&one.id))
    })
    .await;
    town.until_hooks(&gateway.url, 4).await;
    town.shell.release();
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    town.settled(&gateway.api).await;
    turn(&town).await;
    let ready = gateway.api.get("/readyz").await;
    assert!(!tells_of_silence(&ready), "{ready}");
    gateway.stop().await;
}

/// Waits until the hooks have been looked after once more, from begin to end.
async fn turn(town: &Town) {
    let turns = |ado: &World| ado.journal.count("POST", "/subscriptionsquery");
    let before = town.shell.ado(|ado| turns(ado));
    town.until("the hooks are looked after", |ado, _| turns(ado) > before + 8).await;
}
