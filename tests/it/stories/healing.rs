//! Subscriptions under faults: answers of Azure DevOps that are lost or make no sense, people who
//! delete a hook while it is changed, several replicas at once. No duplicate and no orphan is left.

use std::time::Duration;

use azdo_gateway::domain::reconciler::Asked;
use azdo_gateway::worker::{Progress, Tick};
use fakes::ado::SubscriptionStatus;
use fakes::ado::hooks::Subscription;
use fakes::faults::{
    Action, Rule, page_200, server_error_500, sign_in_page_203, too_many_requests,
};
use reqwest::{Method, StatusCode};

use crate::harness::{Env, Gateway, InProcess, Settings, parts};

const HOOKS: &str = "/_apis/hooks/";
const MANAGED: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"";

fn managed(settings: &mut Settings) {
    settings.organization = MANAGED.to_owned();
}

/// Waits until there is one enabled hook for each type of event.
async fn until_whole(env: &Env) {
    env.until("there are four hooks of four kinds, all enabled", |ado, _| {
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

/// What Azure DevOps may do instead of answering.
fn faults() -> [(&'static str, Action); 7] {
    [
        ("a page", page_200()),
        ("the sign-in page", sign_in_page_203()),
        ("an error", server_error_500()),
        ("a limit", too_many_requests(1)),
        ("nothing, before", Action::DropBefore),
        ("nothing, after", Action::DropAfter),
        ("half of it", Action::TruncateBody),
    ]
}

/// A fault that strikes once.
struct Once(usize);

impl Once {
    /// The request number `nth` with this method and path part.
    fn strike(env: &Env, method: &str, path_part: &str, nth: u32, action: Action) -> Self {
        let rule = Rule::new(method, path_part, action).nth(nth);
        env.shell.ado(|ado| {
            ado.faults.add(rule);
            Self(ado.journal.faulted())
        })
    }

    fn has_struck(&self, ado: &fakes::ado::World) -> bool {
        ado.journal.faulted() > self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_without_an_answer_creates_nothing_twice() {
    for (number, (name, action)) in faults().into_iter().enumerate() {
        println!("{name} for the second creation");
        let env = Env::new(4100 + u64::try_from(number).unwrap());
        let foreign = env.subscribe_to("http://127.0.0.1:1", "git.push", "1.0").await;
        // The path matches four queries that come before the creations.
        let once = Once::strike(&env, "POST", "/_apis/hooks/subscriptions", 6, action);
        let gateway = Gateway::without_hooks(&env, managed).await;
        env.until("it struck, and owned_hooks are there once", |ado, _| {
            once.has_struck(ado) && owned_hooks(ado, &gateway.url).len() == 4
        })
        .await;
        until_settled(&gateway).await;
        env.shell.ado(|ado| {
            assert_eq!(owned_hooks(ado, &gateway.url).len(), 4);
            assert!(ado.subscription(&foreign).is_some(), "it is not owned_hooks");
        });
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removal_without_an_answer_leaves_nothing_behind() {
    for (number, (name, action)) in faults().into_iter().enumerate() {
        println!("{name} for the second removal");
        let env = Env::new(4110 + u64::try_from(number).unwrap());
        let gateway = Gateway::without_hooks(&env, managed).await;
        until_whole(&env).await;
        let once = Once::strike(&env, "DELETE", "/_apis/hooks/subscriptions/", 2, action);
        // Made by hand with the address of the gateway: they deliver what its own hooks deliver.
        env.subscribe(&gateway.url).await;
        env.until("it struck, and only owned_hooks are left", |ado, _| {
            once.has_struck(ado) && ado.subscriptions().count() == 4
        })
        .await;
        until_whole(&env).await;
        gateway.stop().await;
    }
}

/// The hooks that deliver to this gateway.
fn owned_hooks<'w>(ado: &'w fakes::ado::World, gateway: &str) -> Vec<&'w Subscription> {
    let prefix = format!("{gateway}/");
    ado.subscriptions().filter(|one| one.consumer_inputs["url"].starts_with(&prefix)).collect()
}

/// Waits until a pass has found nothing left to do.
async fn until_settled(gateway: &Gateway) {
    let is_done = |outcomes: &serde_json::Value| {
        let mut outcomes = outcomes["items"].as_array().expect("a list has items").iter();
        let owned_hooks = outcomes
            .find(|outcome| outcome["reconciler"] == "subscriptions")
            .expect("they are kept");
        owned_hooks["goes_on"] == false
            && owned_hooks["changes"] == 0
            && owned_hooks["problem"].is_null()
    };
    gateway.api.until("/v1/organizations/fabrikam/reconcile", is_done).await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_pass_that_cannot_read_everything_creates_nothing() {
    let env = Env::new(4120);
    let gateway = Gateway::without_hooks(&env, managed).await;
    until_whole(&env).await;
    // From here on most queries fail, so that no pass gets all four answers.
    let rule = Rule::new("POST", "/_apis/hooks/subscriptionsquery", server_error_500()).percent(60);
    env.shell.ado(|ado| ado.faults.add(rule));
    let has_problem =
        |ready: &serde_json::Value| ready.to_string().contains("could not be reconciled");
    gateway.api.until("/readyz", has_problem).await;
    assert_eq!(env.shell.ado(|ado| ado.subscriptions().count()), 4);
    env.shell.ado(|ado| ado.faults.clear());
    gateway.api.until("/readyz", |ready| !has_problem(ready)).await;
    until_whole(&env).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_hook_deleted_by_hand_during_a_rotation_is_created_again() {
    let env = Env::new(4121);
    let gateway = Gateway::without_hooks(&env, managed).await;
    until_whole(&env).await;
    let rule = Rule::new("PUT", HOOKS, Action::Hold { before: true }).next(1);
    env.shell.ado(|ado| ado.faults.add(rule));
    let rotate = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/rotate", None);
    assert_eq!(rotate.await.0, StatusCode::ACCEPTED);
    let held = env.shell.wait_for_held(Duration::from_secs(20), 1).await;
    assert!(held.is_some(), "a hook is being changed");
    let all: Vec<String> =
        env.shell.ado(|ado| ado.subscriptions().map(|one| one.id.clone()).collect());
    for id in &all {
        env.shell.ado(|ado| ado.remove_subscription(id));
    }
    env.shell.release();
    until_whole(&env).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_replicas_at_once_one_creates_the_hooks() {
    let env = Env::new(4122);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let mut settings = env.settings("127.0.0.1:1");
    managed(&mut settings);
    let config = settings.config();
    let others: Vec<_> = (0..4)
        .map(|number| parts::reconcilers(&config, gateway.app.store(), &number.to_string()))
        .collect();
    let passes = others.iter().map(async |other| {
        other.subscriptions.ask(Asked::Pass).await.unwrap();
        other.subscriptions.tick().await
    });
    let ticks = futures_util::future::join_all(passes).await;
    assert!(ticks.into_iter().all(|tick| tick.is_ok()));
    until_whole(&env).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_schedule_and_the_last_outcome() {
    let env = Env::new(4124);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let mut settings = env.settings("127.0.0.1:1");
    settings.organization = "hooks = true\nreconcile = \"1h\"\ncatch_up = \"off\"".to_owned();
    let config = settings.config();
    let [one, other] =
        ["1", "2"].map(|process| parts::reconcilers(&config, gateway.app.store(), process));
    for changes in [4, 0] {
        one.subscriptions.ask(Asked::Pass).await.unwrap();
        assert_eq!(one.subscriptions.tick().await.unwrap(), Progress::Worked);
        let outcome = other.subscriptions.last().await.unwrap().expect("a pass has ended");
        assert_eq!((outcome.changes, outcome.problem), (changes, None));
    }
    assert_eq!(other.subscriptions.tick().await.unwrap(), Progress::Idle, "it is not due");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn masked_secrets_are_never_sent_back() {
    let env = Env::new(4123);
    let gateway = Gateway::without_hooks(&env, managed).await;
    until_whole(&env).await;
    env.shell.ado(|ado| {
        let all: Vec<String> = ado.subscriptions().map(|one| one.id.clone()).collect();
        for id in all {
            ado.change_subscription(&id, |one| {
                one.publisher_inputs.insert("branch".into(), "elsewhere".into());
            });
        }
    });
    env.until("every filter is gone again", |ado, _| {
        ado.subscriptions().all(|one| one.filter("branch").is_none())
    })
    .await;
    let masked = env.shell.ado(|ado| {
        ado.subscriptions().any(|one| one.consumer_inputs["basicAuthPassword"].contains('*'))
    });
    assert!(!masked);
    let pushed = env.push("main");
    env.until_started("unit-tests", &pushed).await;
    gateway.stop().await;
}
