//! Three rotations while people work: no delivery is refused or lost, each push runs once, and an
//! old secret is accepted until it is retired.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use azdo_gateway::domain::subscription::HookName;
use fakes::ado::hooks::Subscription;
use fakes::ado::{Answer, World};
use reqwest::{Method, StatusCode};

use crate::harness::{Env, InProcess, ORGANIZATION, Settings, payloads};

fn kept(settings: &mut Settings) {
    settings.organization = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"".to_owned();
}

const ROTATIONS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn rotations_under_load_refuse_nothing_and_lose_nothing() {
    let env = Env::new(4301);
    env.shell.ado(|ado| {
        ado.options.delivery_jitter_ms = 60;
        ado.options.duplicate_percent = 20;
    });
    let gateway = InProcess::without_hooks(&env, kept).await;
    let first = env.until_hooks(&gateway.url, 4).await;
    let (is_over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    let rotations = async {
        let mut passwords = passwords(&first);
        for _ in 0..ROTATIONS {
            // Some rounds of work happen before, between and after them.
            let worked = rounds.load(Ordering::SeqCst);
            env.until("people work", |_, _| rounds.load(Ordering::SeqCst) > worked + 1).await;
            rotate(&env, &gateway, &mut passwords).await;
        }
        let worked = rounds.load(Ordering::SeqCst);
        env.until("people work", |_, _| rounds.load(Ordering::SeqCst) > worked + 1).await;
        is_over.store(true, Ordering::SeqCst);
        passwords
    };
    let (pushed, passwords) = tokio::join!(work(&env, &is_over, &rounds), rotations);
    env.until_idle(&gateway.api).await;
    println!("{} pushes during {ROTATIONS} rotations", pushed.len());
    assert_eq!(passwords.len(), 4 * (1 + ROTATIONS), "each password is a new one");
    ran_once(&env, &pushed);
    let last = env.until_hooks(&gateway.url, 4).await;
    assert_eq!(ids(&last), ids(&first), "none is replaced");
    env.shell.ado(|ado| {
        assert!(ado.lost().is_empty(), "{:?}", ado.lost());
        assert_eq!(answered(ado, 401), 0, "a delivery was refused");
        assert!(answered(ado, 202) > pushed.len(), "hooks delivered it");
    });
    env.check_invariants();
    an_old_secret_ends(&env, &gateway, &first).await;
    gateway.stop().await;
}

/// Asks for new secrets and waits until Azure DevOps has them all; adds them to those seen.
async fn rotate(env: &Env, gateway: &InProcess, seen: &mut BTreeSet<String>) {
    let asked = gateway.api.call(Method::POST, "/v1/organizations/fabrikam/rotate", None).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
    env.until("every hook has a new secret", |ado, _| {
        ado.subscriptions().all(|one| !seen.contains(&one.consumer_inputs["basicAuthPassword"]))
    })
    .await;
    seen.extend(passwords(&env.hooks_of(&gateway.url)));
}

/// People open, push and comment, round after round; every commit that has to run.
async fn work(env: &Env, is_over: &AtomicBool, rounds: &AtomicUsize) -> Vec<String> {
    let mut pushed = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
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
        // Wakes the part of the test that waits for this count.
        env.shell.ado(|_| ());
    }
    pushed
}

/// Each of these commits was started exactly once, and nothing else was.
fn ran_once(env: &Env, pushed: &[String]) {
    let mut ran: Vec<String> =
        env.shell.ci(|ci| ci.started().map(|start| start.commit.clone()).collect());
    let mut expected = pushed.to_vec();
    ran.sort();
    expected.sort();
    assert_eq!(ran, expected);
}

/// The first secret of the pushes hook is accepted until it is retired; the newest stays.
async fn an_old_secret_ends(env: &Env, gateway: &InProcess, first: &[Subscription]) {
    let payload = || payloads::other("git.push").to_string();
    let of_pushes = |all: &[Subscription]| {
        let one = all.iter().find(|one| one.event_type == "git.push").expect("it is there");
        one.consumer_inputs["url"].rsplit('/').next().expect("it has parts").to_owned()
    };
    let (old, new) = (of_pushes(first), of_pushes(&env.hooks_of(&gateway.url)));
    assert_ne!(old, new);
    for hook in [&old, &new] {
        assert_eq!(env.deliver(&gateway.url, hook, payload()).await, StatusCode::ACCEPTED);
    }
    let HookName { hook_scope, generation, .. } =
        HookName::parse(&new).expect("it is a name of ours");
    let store = gateway.app.store();
    store.retire_hooks(ORGANIZATION, hook_scope, generation).await.expect("the store works");
    // Reading the plan also reads which secrets are retired.
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

/// How many attempts of Azure DevOps were answered like this.
fn answered(ado: &World, status: u16) -> usize {
    let attempts = ado.all_notifications().flat_map(|one| &one.attempts);
    attempts.filter(|attempt| attempt.answer == Answer::Status(status)).count()
}
