//! The configuration is read again by a running gateway: applied whole, or refused whole.

use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::call::{ask, run};
use crate::harness::{
    Api, Binary, Database, Env, POLL_INTERVAL, Settings, VIEWER, WAIT_MAX, check,
};

/// A secret of a CI that is not the one that it knows.
const WRONG: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

async fn until_logged(gateway: &Binary, words: &str) {
    let logged = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        while !gateway.log().contains(words) {
            interval.tick().await;
        }
    };
    let waited = tokio::time::timeout(WAIT_MAX, logged).await;
    waited.unwrap_or_else(|_| panic!("{words:?} is not in\n{}", gateway.log()));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_configuration_counts_at_once_while_deliveries_are_accepted() {
    let env = Env::new(4701);
    let mut gateway = Binary::without_hooks(&env, |settings| {
        settings.credential = env.service_user("");
        settings.organization = "catch_up = \"off\"\nreconcile = \"1d\"".to_owned();
    })
    .await;
    env.link(&gateway.url).await;
    env.until_hooks(&gateway.url, 4).await;
    let (id, commit) = env.open("before");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let is_over = AtomicBool::new(false);
    let delivering = async {
        let mut count = 0;
        while !is_over.load(Ordering::Relaxed) {
            // Anything but 202 fails here.
            env.deliver_again(&gateway.url, "by-hand", format!("{{\"n\":{count}}}")).await;
            count += 1;
        }
        count
    };
    let settings = &mut gateway.settings.clone();
    let reloading = async {
        settings.checks += &check("lint", "");
        let out = tokio::task::block_in_place(|| ask(settings, &["reload"])).done();
        assert!(out.contains("check.lint.name: \"lint\" is new"), "{out}");
        until_logged(&gateway, "the new configuration is in force").await;
        let (id, commit) = env.open("after");
        for name in ["unit-tests", "lint"] {
            env.until_status(id, &commit, name, "succeeded").await;
        }
        settings.checks = check("lint", "");
        settings.write();
        gateway.hang_up();
        until_logged(&gateway, "check.unit-tests.name: \\\"unit-tests\\\" is gone").await;
        let (id, commit) = env.open("at last");
        env.until_status(id, &commit, "lint", "succeeded").await;
        assert!(env.statuses(id, "unit-tests").is_empty());
        is_over.store(true, Ordering::Relaxed);
    };
    let (delivered, ()) = tokio::join!(delivering, reloading);
    assert!(delivered > 0);
    env.until_idle(&gateway.api).await;
    let entries = gateway.api.items("/v1/audit?action=reload").await;
    assert_eq!((&entries[0]["actor"], &entries[0]["outcome"]), (&json!("ops"), &json!("done")));
    assert_eq!(env.shell.ado(|ado| ado.lost().len()), 0);
    env.check_invariants();
    gateway.terminate();
    assert!(gateway.wait().success(), "{}", gateway.log());
    assert_eq!(env.shell.ado(|ado| ado.active_pats().count()), 0, "a token outlived its process");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_is_read_again() {
    let env = Env::new(4702);
    let file = tempfile::NamedTempFile::new().expect("there is a temporary folder");
    std::fs::write(file.path(), WRONG).expect("it is writable");
    let gateway = Binary::start_with(&env, |settings| {
        settings.signing = format!("{{ file = \"{}\" }}", file.path().display());
    })
    .await;
    let (id, commit) = env.open("refused");
    env.until_status(id, &commit, "unit-tests", "error").await;
    std::fs::write(file.path(), &gateway.settings.ci_secret).expect("it is writable");
    let out = ask(&gateway.settings, &["reload"]).done();
    let changed = format!("file {}: its content has changed\n", file.path().display());
    assert_eq!(out, changed);
    let (id, commit) = env.open("taken");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    let unchanged = ask(&gateway.settings, &["reload", "--json"]).json();
    assert_eq!(unchanged, json!({ "changes": [] }));
    for secret in [WRONG, &gateway.settings.ci_secret] {
        assert!(!gateway.log().contains(secret) && !out.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_refused_whole() {
    let env = Env::new(4703);
    let gateway = Binary::start(&env).await;
    let mut settings = gateway.settings.clone();
    // Line 7, beside a change that is right.
    settings.checks = check("lint", "");
    settings.server = "body_limit = \"none\"".to_owned();
    let path = format!("{}:6:", settings.write().display());
    ask(&settings, &["reload"]).refused(2, &[&path, "body_limit", "help: "]);
    gateway.hang_up();
    until_logged(&gateway, "refused, and nothing is changed").await;
    // The gateway refuses by itself, too, whoever asks.
    let (status, answer) = gateway.api.post("/v1/reload", None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(answer["detail"].as_str().unwrap().contains(&path), "{answer}");
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert!(env.statuses(id, "lint").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_refused_by_name() {
    let env = Env::new(4704);
    let gateway = Binary::start(&env).await;
    let mut settings = gateway.settings.clone();
    settings.database = "elsewhere.db".into();
    settings.checks = check("lint", "");
    ask(&settings, &["reload"]).refused(1, &["storage.url needs a restart", "nothing is applied"]);
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "unit-tests", "succeeded").await;
    assert!(env.statuses(id, "lint").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_reload_and_only_a_running_gateway() {
    let env = Env::new(4705);
    let mut gateway = Binary::start(&env).await;
    let viewer = Api::new(&gateway.url, VIEWER);
    let (status, _) = viewer.call(Method::POST, "/v1/reload", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    gateway.kill();
    ask(&gateway.settings, &["reload"]).refused(1, &["no gateway runs"]);
    run(&gateway.settings.variables(), &["reload", "--config", "none.toml"], b"")
        .refused(2, &["cannot be read"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_with_different_configurations_say_so_until_both_have_the_same() {
    let env = Env::new(4706);
    let database = Database::create();
    let shared = |name: &str, settings: &mut Settings| {
        settings.on_postgres(&database.url(), database.password());
        settings.name = name.to_owned();
        // What both are reached at.
        settings.public_url = Some("http://127.0.0.1:1".to_owned());
    };
    let one = Binary::without_hooks(&env, |settings| shared("one", settings)).await;
    let two = Binary::without_hooks(&env, |settings| {
        shared("two", settings);
        settings.checks = check("lint", "");
    })
    .await;
    let problem = |answer: &Value| answer["problems"]["fabrikam"].as_str().map(str::to_owned);
    let differs = |answer: &Value| {
        problem(answer).is_some_and(|words| words.contains("has another configuration"))
    };
    for replica in [&one, &two] {
        replica.api.until("/readyz", differs).await;
    }
    let same = Settings { checks: one.settings.checks.clone(), ..two.settings.clone() };
    let out = ask(&same, &["reload"]).done();
    assert!(out.contains("check.lint.name: \"lint\" is gone"), "{out}");
    for replica in [&one, &two] {
        replica.api.until("/readyz", |answer| !differs(answer)).await;
    }
}
