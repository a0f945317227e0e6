//! Rotation of the hooks' secrets under load: no delivery is refused or lost, each push runs once,
//! and an old secret is accepted until it is retired.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use azdo_gateway::domain::subscription::HookName;
use fakes::ado::hooks::Subscription;
use fakes::ado::{Answer, World};
use reqwest::{Method, StatusCode};

use crate::harness::{Api, Env, Gateway, InProcess, ORGANIZATION, Settings, WAIT_MAX, payloads};

fn managed_hooks(settings: &mut Settings) {
    settings.organization = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"".to_owned();
}

const ROTATIONS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn rotating_hook_secrets_under_load_refuses_no_delivery_and_loses_none() {
    let env = Env::new(4301);
    env.shell.ado(|ado| {
        ado.options.delivery_jitter_ms = 60;
        ado.options.duplicate_percent = 20;
    });
    let gateway = Gateway::without_hooks(&env, managed_hooks).await;
    let first = env.until_hooks(&gateway.url, 4).await;
    let (is_finished, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rotations = async {
        let mut passwords = passwords(&first);
        for _ in 0..ROTATIONS {
            until_two_more_rounds(&env, &rounds).await;
            rotate(&env, &gateway.api, &gateway.url, &mut passwords).await;
        }
        until_two_more_rounds(&env, &rounds).await;
        is_finished.store(true, Ordering::SeqCst);
        passwords
    };
    let (pushed, passwords) = tokio::join!(work(&env, &is_finished, &rounds), rotations);
    env.until_idle(&gateway.api).await;
    println!("{} pushes during {ROTATIONS} rotations", pushed.len());
    assert_eq!(passwords.len(), 4 * (1 + ROTATIONS), "a password was used again");
    check_each_ran_once(&env, &pushed);
    let last = env.until_hooks(&gateway.url, 4).await;
    assert_eq!(ids(&last), ids(&first), "a subscription was created again");
    env.shell.ado(|ado| {
        assert!(ado.lost().is_empty(), "{:?}", ado.lost());
        assert_eq!(answered(ado, 401), 0, "a delivery was refused");
        assert!(answered(ado, 202) > pushed.len(), "the pushes were not delivered by hooks");
    });
    env.check_invariants();
    gateway.stop().await;
}

/// Waits until people have started and ended a round of work.
async fn until_two_more_rounds(env: &Env, rounds: &AtomicUsize) {
    let before = rounds.load(Ordering::SeqCst);
    env.until("people work", |_, _| rounds.load(Ordering::SeqCst) > before + 1).await;
}

/// Rotates the secrets of all hooks and waits until Azure DevOps has the new ones. Adds them to
/// those seen before.
async fn rotate(env: &Env, api: &Api, url: &str, seen: &mut BTreeSet<String>) {
    let path = "/v1/organizations/fabrikam/rotate";
    let (status, _) = api.post(path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    env.until("every hook has a new secret", |ado, _| {
        ado.subscriptions().all(|one| !seen.contains(&one.consumer_inputs["basicAuthPassword"]))
    })
    .await;
    seen.extend(passwords(&env.hooks_of(url)));
}

/// People open, push and comment, round after round. Returns every commit that has to run.
async fn work(env: &Env, is_finished: &AtomicBool, rounds: &AtomicUsize) -> Vec<String> {
    let mut pushed = Vec::new();
    while !is_finished.load(Ordering::SeqCst) {
        let round = rounds.load(Ordering::SeqCst);
        let branch = format!("topic-{round}");
        let (id, opened) = env.open(&branch);
        let main = env.push("main");
        env.until_started("unit-tests", &opened).await;
        let moved = env.push(&branch);
        env.shell.ado(|ado| ado.comment(id, "And now?"));
        let again = env.push("main");
        env.until_started("unit-tests", &moved).await;
        pushed.extend([opened, main, moved, again]);
        rounds.fetch_add(1, Ordering::SeqCst);
        // A change of the fake makes `until_two_more_rounds` check the count again.
        env.shell.ado(|_| ());
    }
    pushed
}

/// Checks that each of these commits was started exactly once, and no other commit.
fn check_each_ran_once(env: &Env, pushed: &[String]) {
    let mut started: Vec<String> =
        env.shell.ci(|ci| ci.started().map(|start| start.commit.clone()).collect());
    let mut expected = pushed.to_vec();
    started.sort();
    expected.sort();
    assert_eq!(started, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_is_accepted_until_it_is_retired() {
    let env = Env::new(4303);
    let gateway = InProcess::without_hooks(&env, managed_hooks).await;
    let first = env.until_hooks(&gateway.url, 4).await;
    rotate(&env, &gateway.api, &gateway.url, &mut passwords(&first)).await;
    check_retirement(&env, &gateway, &first).await;
    gateway.stop().await;
}

/// Checks that the first secret of the hook for pushes is accepted until it is retired, and the
/// newest secret also afterwards.
async fn check_retirement(env: &Env, gateway: &InProcess, first: &[Subscription]) {
    let payload = || payloads::other("git.push").to_string();
    let push_hook = |all: &[Subscription]| {
        let hook = all.iter().find(|one| one.event_type == "git.push").expect("there is one");
        hook.consumer_inputs["url"].rsplit('/').next().expect("a URL has parts").to_owned()
    };
    let (old, new) = (push_hook(first), push_hook(&env.hooks_of(&gateway.url)));
    assert_ne!(old, new);
    for hook in [&old, &new] {
        assert_eq!(env.deliver(&gateway.url, hook, payload()).await, StatusCode::ACCEPTED);
    }
    let HookName { hook_scope, generation, .. } =
        HookName::parse(&new).expect("the gateway made this name");
    let store = gateway.app.store();
    store.retire_hooks(ORGANIZATION, hook_scope, generation).await.expect("the store works");
    // Making the plan reads which hooks are retired.
    gateway.api.get("/v1/organizations/fabrikam/plan").await;
    assert_eq!(env.deliver(&gateway.url, &old, payload()).await, StatusCode::UNAUTHORIZED);
    assert_eq!(env.deliver(&gateway.url, &new, payload()).await, StatusCode::ACCEPTED);
}

fn passwords(hooks: &[Subscription]) -> BTreeSet<String> {
    hooks.iter().map(|one| one.consumer_inputs["basicAuthPassword"].clone()).collect()
}

fn ids(hooks: &[Subscription]) -> BTreeSet<&str> {
    hooks.iter().map(|one| one.id.as_str()).collect()
}

/// How many attempts to deliver were answered with this status.
fn answered(ado: &World, status: u16) -> usize {
    let attempts = ado.all_notifications().flat_map(|one| &one.attempts);
    attempts.filter(|attempt| attempt.answer == Answer::Status(status)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_at_once_ends_the_old_secrets_before_azure_devops_has_the_new_ones() {
    let env = Env::new(4302);
    let gateway = InProcess::without_hooks(&env, managed_hooks).await;
    let first = env.until_hooks(&gateway.url, 4).await;
    let name = |one: &Subscription| {
        one.consumer_inputs["url"].rsplit('/').next().expect("a URL has parts").to_owned()
    };
    let payload = || payloads::other("git.push").to_string();
    let path = "/v1/organizations/fabrikam/rotate?now=true";
    let (status, _) = gateway.api.call(Method::POST, path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    for one in &first {
        let answer = env.deliver(&gateway.url, &name(one), payload()).await;
        assert_eq!(answer, StatusCode::UNAUTHORIZED);
    }
    env.until("every hook has a new secret", |ado, _| {
        let old = passwords(&first);
        ado.subscriptions().all(|one| !old.contains(&one.consumer_inputs["basicAuthPassword"]))
    })
    .await;
    for one in &env.until_hooks(&gateway.url, 4).await {
        let answer = env.deliver(&gateway.url, &name(one), payload()).await;
        assert_eq!(answer, StatusCode::ACCEPTED);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn every_replica_refuses_a_secret_that_one_has_retired() {
    let env = Env::new(4304);
    let gateway = Gateway::without_hooks(&env, managed_hooks).await;
    let first = env.until_hooks(&gateway.url, 4).await;
    let (status, _) = gateway.api.post("/v1/organizations/fabrikam/rotate?now=true", None).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let payload = || payloads::other("git.push").to_string();
    for one in &first {
        let name = one.consumer_inputs["url"].rsplit('/').next().expect("a URL has parts");
        let refusing = async {
            let mut times = 0;
            // More often in turn than there are replicas.
            while times < 6 {
                times += 1;
                if env.deliver(&gateway.url, name, payload()).await != StatusCode::UNAUTHORIZED {
                    times = 0;
                }
            }
        };
        tokio::time::timeout(WAIT_MAX, refusing).await.expect("all replicas refuse it");
    }
    env.until("every hook has a new secret", |ado, _| {
        let old = passwords(&first);
        ado.subscriptions().all(|one| !old.contains(&one.consumer_inputs["basicAuthPassword"]))
    })
    .await;
    let commit = env.push("main");
    env.until_started("unit-tests", &commit).await;
    gateway.stop().await;
}
