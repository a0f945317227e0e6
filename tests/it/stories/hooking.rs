//! Subscriptions that the gateway manages: created, healed, changed, rotated and removed. Those of
//! others are never changed.

use std::collections::BTreeSet;

use azdo_gateway::domain::time::Timestamp;
use fakes::ado::SubscriptionStatus;
use fakes::ado::hooks::Subscription;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, Settings, check};

const MANAGED: &str = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"";

fn managed(settings: &mut Settings) {
    settings.organization = MANAGED.to_owned();
}

/// The hooks that deliver to this gateway.
fn owned_hooks(env: &Env, gateway: &Gateway) -> Vec<Subscription> {
    let prefix = format!("{}/hooks/azure-devops/fabrikam/", gateway.url);
    env.shell.ado(|ado| {
        let is_ours = |one: &&Subscription| one.consumer_inputs["url"].starts_with(&prefix);
        ado.subscriptions().filter(is_ours).cloned().collect()
    })
}

fn types(found: &[Subscription]) -> BTreeSet<&str> {
    found.iter().map(|one| one.event_type.as_str()).collect()
}

async fn until_ours(env: &Env, gateway: &Gateway, count: usize) -> Vec<Subscription> {
    let prefix = format!("{}/hooks/azure-devops/fabrikam/", gateway.url);
    env.until(&format!("there are {count} hooks of owned_hooks, all enabled"), |ado, _| {
        let all = ado.subscriptions().filter(|one| one.consumer_inputs["url"].starts_with(&prefix));
        let all: Vec<_> = all.collect();
        all.len() == count && all.iter().all(|one| one.status == SubscriptionStatus::Enabled)
    })
    .await;
    owned_hooks(env, gateway)
}

async fn plan(gateway: &Gateway) -> Value {
    gateway.api.get("/v1/organizations/fabrikam/plan").await
}

/// `add pushes`, `remove …`: what a plan does, without ids.
fn steps(plan: &Value) -> Vec<String> {
    let items = plan["items"].as_array().expect("a plan has items").iter();
    let word = |item: &Value, field: &str| item[field].as_str().unwrap_or("-").to_owned();
    items.map(|item| format!("{} {}", word(item, "action"), word(item, "what"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn the_hooks_that_the_checks_need_are_created_and_deliver() {
    let env = Env::new(4001);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let found = until_ours(&env, &gateway, 4).await;
    let expected = BTreeSet::from([
        "git.push",
        "git.pullrequest.created",
        "git.pullrequest.updated",
        "ms.vss-code.git-pullrequest-comment-event",
    ]);
    assert_eq!(types(&found), expected);
    for one in &found {
        assert_eq!(one.publisher_inputs["projectId"], env.project, "one for the whole project");
        assert_eq!(one.filter("repository").or(one.filter("notificationType")), None);
        assert_eq!(one.consumer_inputs["resourceDetailsToSend"], "all");
        let password = &one.consumer_inputs["basicAuthPassword"];
        let others = one.consumer_inputs.iter().filter(|(name, _)| *name != "basicAuthPassword");
        assert!(others.clone().all(|(_, value)| !value.contains(password.as_str())));
    }
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert_eq!(steps(&plan(&gateway).await), Vec::<String>::new());
    let has = |listed: &Value, topic: &str| {
        let items = listed["items"].as_array().expect("a list has items");
        let mut of_topic = items.iter().filter(|item| item["topic"] == topic);
        of_topic.any(|item| item["state"] == "enabled" && !item["last_delivery_at"].is_null())
    };
    gateway.api.until("/v1/subscriptions", |listed| has(listed, "created")).await;
    assert_eq!(gateway.api.items("/v1/subscriptions").await.len(), 4);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_without_pushes_and_commands_needs_two_hooks() {
    let env = Env::new(4002);
    let gateway = Gateway::without_hooks(&env, |settings| {
        managed(settings);
        settings.checks = check("lint", "commands = false");
    })
    .await;
    let found = until_ours(&env, &gateway, 2).await;
    assert_eq!(
        types(&found),
        BTreeSet::from(["git.pullrequest.created", "git.pullrequest.updated"])
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_hook_is_removed_after_a_new_one_was_created() {
    for (seed, status) in [
        (4011, SubscriptionStatus::OnProbation),
        (4012, SubscriptionStatus::DisabledBySystem),
        (4013, SubscriptionStatus::DisabledByInactiveIdentity),
    ] {
        let env = Env::new(seed);
        let gateway = Gateway::without_hooks(&env, managed).await;
        let before = until_ours(&env, &gateway, 4).await;
        let stopped = before.iter().find(|one| one.event_type == "git.push").unwrap().id.clone();
        env.shell.ado(|ado| ado.change_subscription(&stopped, |one| one.status = status));
        env.until("the stopped one is gone", |ado, _| ado.subscription(&stopped).is_none()).await;
        let after = until_ours(&env, &gateway, 4).await;
        let new = after.iter().find(|one| one.event_type == "git.push").expect("it is there");
        assert_ne!(new.consumer_inputs["url"], before[0].consumer_inputs["url"]);
        let push = env.push("main");
        env.until_started("unit-tests", &push).await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_a_person_switched_off_is_left_and_shown_as_a_problem() {
    let env = Env::new(4003);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let found = until_ours(&env, &gateway, 4).await;
    let off = found[0].id.clone();
    let by_user = SubscriptionStatus::DisabledByUser;
    env.shell.ado(|ado| ado.change_subscription(&off, |one| one.status = by_user));
    gateway
        .api
        .until("/readyz", |ready| ready.to_string().contains("a person switched it off"))
        .await;
    assert_eq!(owned_hooks(&env, &gateway).len(), 4, "none is created beside it");
    assert_eq!(env.shell.ado(|ado| ado.subscription(&off).unwrap().status), by_user);
    let plan = plan(&gateway).await;
    assert!(plan["items"][0]["action"] == "leave", "{plan}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_distinguishes_foreign_duplicate_drifted_and_disabled_hooks() {
    let env = Env::new(4004);
    let gateway = Gateway::without_hooks(&env, |settings| {
        settings.organization = "hooks = true\nreconcile = \"1d\"\ncatch_up = \"off\"".to_owned();
    })
    .await;
    let found = until_ours(&env, &gateway, 4).await;
    let foreign = env.subscribe_to("http://127.0.0.1:1", "git.push", "1.0").await;
    let of = |event_type: &str| {
        found.iter().find(|one| one.event_type == event_type).expect("it is there").clone()
    };
    let (push, created) = (of("git.push"), of("git.pullrequest.created"));
    let duplicate = copy(&env, &push).await;
    let comments = of("ms.vss-code.git-pullrequest-comment-event").id;
    let updated = of("git.pullrequest.updated").id;
    env.shell.ado(|ado| {
        ado.change_subscription(&created.id, |one| {
            one.publisher_inputs.insert("branch".into(), "main".into());
        });
        let off = SubscriptionStatus::DisabledBySystem;
        ado.change_subscription(&updated, |one| one.status = off);
        let by_user = SubscriptionStatus::DisabledByUser;
        ado.change_subscription(&comments, |one| one.status = by_user);
    });
    let shown = plan(&gateway).await;
    let mut found = steps(&shown);
    found.sort();
    assert_eq!(found, ["change created", "heal updated", "leave comments", "remove pushes"]);
    assert_eq!(shown["foreign"], 1);
    let (status, _) =
        gateway.api.call(Method::POST, "/v1/organizations/fabrikam/reconcile", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    env.until("all is as planned", |ado, _| {
        let unfiltered =
            ado.subscription(&created.id).is_some_and(|one| one.filter("branch").is_none());
        unfiltered && ado.subscription(&duplicate).is_none() && ado.subscription(&updated).is_none()
    })
    .await;
    assert!(env.shell.ado(|ado| ado.subscription(&foreign).is_some()), "it is somebody else's");
    gateway.stop().await;
}

/// Creates the same subscription a second time.
async fn copy(env: &Env, one: &Subscription) -> String {
    let body = json!({
        "publisherId": "tfs",
        "eventType": one.event_type,
        "resourceVersion": one.resource_version,
        "consumerId": "webHooks",
        "consumerActionId": "httpRequest",
        "publisherInputs": { "projectId": one.publisher_inputs["projectId"] },
        "consumerInputs": one.consumer_inputs,
    });
    let created = env.ado_request("POST", "_apis/hooks/subscriptions", &body).await;
    created["id"].as_str().expect("it has an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn removed_hooks_are_created_again_when_somebody_asks() {
    let env = Env::new(4005);
    let gateway = Gateway::without_hooks(&env, managed).await;
    until_ours(&env, &gateway, 4).await;
    let foreign = env.subscribe_to("http://127.0.0.1:1", "git.push", "1.0").await;
    let (status, _) =
        gateway.api.call(Method::DELETE, "/v1/organizations/fabrikam/hooks", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    until_ours(&env, &gateway, 0).await;
    assert_eq!(plan(&gateway).await["held"], true);
    assert!(env.shell.ado(|ado| ado.subscription(&foreign).is_some()));
    let ask = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/reconcile", None);
    assert_eq!(ask.await.0, StatusCode::ACCEPTED);
    until_ours(&env, &gateway, 4).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_rotation_changes_every_secret_and_refuses_nothing() {
    let env = Env::new(4006);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let before = until_ours(&env, &gateway, 4).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let rotate = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/rotate", None);
    assert_eq!(rotate.await.0, StatusCode::ACCEPTED);
    let old: BTreeSet<String> =
        before.iter().map(|one| one.consumer_inputs["basicAuthPassword"].clone()).collect();
    env.until("every hook has a new secret", |ado, _| {
        ado.subscriptions().all(|one| !old.contains(&one.consumer_inputs["basicAuthPassword"]))
    })
    .await;
    let after = until_ours(&env, &gateway, 4).await;
    let ids = |all: &[Subscription]| all.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&after), ids(&before), "none is replaced");
    let pushed = env.push("topic");
    env.until_status(id, &pushed, "unit-tests", "succeeded").await;
    env.until_delivered().await;
    let refused = env.shell.ado(|ado| ado.lost().len());
    assert_eq!(refused, 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn renamed_projects_and_repositories_keep_their_hooks_and_checks() {
    let env = Env::new(4007);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let before = until_ours(&env, &gateway, 4).await;
    env.shell.ado(|ado| {
        ado.rename_project(&env.project, "Tailspin");
        ado.rename_repository(&env.repository, "shop");
    });
    // What a pass does because of the new names is done after two of them.
    for _ in 0..2 {
        let asked = gateway.api.post("/v1/organizations/fabrikam/reconcile", None).await;
        let time = |value: &Value| Timestamp::parse(value.as_str().unwrap_or_default());
        let is_later =
            |outcomes: &Value| time(&outcomes["items"][0]["at"]) >= time(&asked.1["asked_at"]);
        gateway.api.until("/v1/organizations/fabrikam/reconcile", is_later).await;
    }
    let ids = |all: &[Subscription]| all.iter().map(|one| one.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&owned_hooks(&env, &gateway)), ids(&before));
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    // The hooks of a deleted project disappear, and none is created for it.
    env.shell.ado(|ado| ado.delete_project(&env.project));
    until_ours(&env, &gateway, 0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_hook_is_tested_in_the_pass_that_creates_it() {
    let env = Env::new(4031);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let before = until_ours(&env, &gateway, 4).await;
    let stopped = before[0].id.clone();
    let status = SubscriptionStatus::DisabledBySystem;
    env.shell.ado(|ado| ado.change_subscription(&stopped, |one| one.status = status));
    env.until("the stopped one is gone", |ado, _| ado.subscription(&stopped).is_none()).await;
    let calls = env.shell.ado(|ado| {
        let hooks = ado.journal.entries().filter(|one| one.target.contains("/_apis/hooks/"));
        hooks.map(|one| (one.method.clone(), one.target.clone())).collect::<Vec<_>>()
    });
    let is_creation = |(method, target): &(String, String)| {
        method == "POST" && target.contains("/hooks/subscriptions?")
    };
    let last = calls.iter().rposition(is_creation).expect("a hook was created");
    assert!(calls[last + 1].1.contains("/hooks/testnotifications"), "{:?}", &calls[last..]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removing_the_hooks_ends_their_passwords() {
    let env = Env::new(4032);
    let gateway = Gateway::without_hooks(&env, managed).await;
    let hooks = until_ours(&env, &gateway, 4).await;
    let name = |one: &Subscription| {
        one.consumer_inputs["url"].rsplit('/').next().expect("a URL has parts").to_owned()
    };
    for one in &hooks {
        let answer = env.deliver(&gateway.url, &name(one), "{}").await;
        assert_eq!(answer, StatusCode::ACCEPTED);
    }
    let path = "/v1/organizations/fabrikam/hooks";
    let (status, accepted) = gateway.api.call(Method::DELETE, path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    for one in &hooks {
        let answer = env.deliver(&gateway.url, &name(one), "{}").await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED, "{}", name(one));
    }
    let asked_at = accepted["asked_at"].as_str();
    let is_done = |outcomes: &Value| {
        let mut items = outcomes["items"].as_array().expect("a list has items").iter();
        items.any(|one| one["reconciler"] == "subscriptions" && one["at"].as_str() > asked_at)
    };
    gateway.api.until("/v1/organizations/fabrikam/reconcile", is_done).await;
    // Hooks that are created again have passwords of their own.
    let path = "/v1/organizations/fabrikam/reconcile";
    let (status, _) = gateway.api.call(Method::POST, path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    for one in &until_ours(&env, &gateway, 4).await {
        assert!(!hooks.iter().any(|old| name(old) == name(one)), "{}", name(one));
    }
    gateway.stop().await;
}
