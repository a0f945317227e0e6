//! Subscriptions on bad days: an Azure DevOps that answers nonsense in the middle, people who
//! delete what is being changed, two replicas at once. Never a duplicate, never an orphan.

use std::time::Duration;

use azdo_gateway::worker::Tick;
use fakes::ado::SubscriptionStatus;
use fakes::faults::{
    Action, Rule, page_200, server_error_500, sign_in_page_203, too_many_requests,
};
use reqwest::{Method, StatusCode};

use crate::harness::{Inside, Settings, Town, parts};

const HOOKS: &str = "/_apis/hooks/";
const KEPT: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"";

fn kept(settings: &mut Settings) {
    settings.organization = KEPT.to_owned();
}

/// Whatever happened: one enabled hook for each type of event.
async fn until_whole(town: &Town) {
    town.until("there are four hooks of four kinds, all enabled", |ado, _| {
        let mut types: Vec<_> = ado
            .subscriptions()
            .filter(|one| one.status == SubscriptionStatus::Enabled)
            .map(|one| one.event_type.clone())
            .collect();
        types.sort();
        types.dedup();
        types.len() == 4 && ado.subscriptions().count() == 4
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_in_the_middle_makes_nothing_twice() {
    let faults = [
        ("a page", page_200()),
        ("the sign-in page", sign_in_page_203()),
        ("an error", server_error_500()),
        ("a limit", too_many_requests(1)),
        ("nothing, before", Action::DropBefore),
        ("nothing, after", Action::DropAfter),
        ("half of it", Action::TruncateBody),
    ];
    for (number, (name, action)) in faults.into_iter().enumerate() {
        for method in ["POST", "DELETE"] {
            println!("{name} for the second {method}");
            let town = Town::new(4100 + u64::try_from(number).unwrap());
            let rule = Rule::new(method, "/_apis/hooks/subscriptions", action.clone()).nth(2);
            let many = 2;
            for _ in 0..many {
                // Left behind by an earlier life of the gateway.
                town.subscribe("http://127.0.0.1:1").await;
            }
            town.shell.ado(|ado| ado.faults.add(rule));
            let gateway = Inside::without_hooks(&town, kept).await;
            town.until("ours are there once", |ado, _| {
                let prefix = format!("{}/", gateway.url);
                let is_ours = |url: &String| url.starts_with(&prefix);
                ado.subscriptions().filter(|one| is_ours(&one.consumer_inputs["url"])).count() == 4
            })
            .await;
            let foreign = town.shell.ado(|ado| ado.subscriptions().count()) - 4;
            assert_eq!(foreign, 3 * many, "the others are not ours");
            gateway.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_that_fails_makes_nothing() {
    let town = Town::new(4120);
    let gateway = Inside::without_hooks(&town, kept).await;
    until_whole(&town).await;
    // From here on one of the four questions is never answered.
    let rule = Rule::new("POST", "/_apis/hooks/subscriptionsquery", server_error_500()).percent(60);
    town.shell.ado(|ado| ado.faults.add(rule));
    let told = |ready: &serde_json::Value| ready.to_string().contains("could not be looked after");
    gateway.api.until("/readyz", told).await;
    assert_eq!(town.shell.ado(|ado| ado.subscriptions().count()), 4);
    town.shell.ado(|ado| ado.faults.clear());
    gateway.api.until("/readyz", |ready| !told(ready)).await;
    until_whole(&town).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_deleted_by_hand_while_a_rotation_runs_is_made_anew() {
    let town = Town::new(4121);
    let gateway = Inside::without_hooks(&town, kept).await;
    until_whole(&town).await;
    let rule = Rule::new("PUT", HOOKS, Action::Hold { before: true }).next(1);
    town.shell.ado(|ado| ado.faults.add(rule));
    let rotate = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/rotate", None);
    assert_eq!(rotate.await.0, StatusCode::ACCEPTED);
    let held = town.shell.wait_for_held(Duration::from_secs(20), 1).await;
    assert!(held.is_some(), "a hook is being changed");
    let all: Vec<String> =
        town.shell.ado(|ado| ado.subscriptions().map(|one| one.id.clone()).collect());
    for id in &all {
        town.shell.ado(|ado| ado.remove_subscription(id));
    }
    town.shell.release();
    until_whole(&town).await;
    let (id, commit) = town.open("topic");
    town.until_shown(id, &commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_at_once_one_makes_the_hooks() {
    let town = Town::new(4122);
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    let mut settings = town.settings("127.0.0.1:1");
    kept(&mut settings);
    let config = settings.config();
    let others: Vec<_> = (0..4)
        .map(|number| parts::subscriptions(&config, gateway.app.store(), &number.to_string()))
        .collect();
    let ticks = futures_util::future::join_all(others.iter().map(Tick::tick)).await;
    assert!(ticks.into_iter().all(|tick| tick.is_ok()));
    until_whole(&town).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_secrets_are_never_sent_back() {
    let town = Town::new(4123);
    let gateway = Inside::without_hooks(&town, kept).await;
    until_whole(&town).await;
    town.shell.ado(|ado| {
        let all: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in all {
            ado.change_subscription(&id, |one| {
                one.publisher_inputs.insert("branch".into(), "elsewhere".into());
            });
        }
    });
    town.until("every filter is gone again", |ado, _| {
        ado.subscriptions().all(|one| one.filter("branch").is_none())
    })
    .await;
    let masked = town.shell.ado(|ado| {
        ado.subscriptions().any(|one| one.consumer_inputs["basicAuthPassword"].contains('*'))
    });
    assert!(!masked);
    let pushed = town.push("main");
    town.until_started("unit-tests", &pushed).await;
    gateway.stop().await;
}
