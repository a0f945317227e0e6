//! The access token of the linked user: renewed once, stored across restarts, and a problem with
//! advice when it cannot be renewed.

use azdo_gateway::ado::Scope;
use azdo_gateway::credentials::{Identities, Purpose};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Env, Gateway, SERVICE_USER, Settings, parts};

/// Queues a status of this context for a new commit, and returns the commit.
async fn queue_status(env: &Env, gateway: &Gateway, context: &str) -> String {
    let commit = env.push("main");
    let status = json!({
        "organization": "fabrikam", "project": env.project, "repository": env.repository,
        "commit": commit, "context": { "name": context }, "state": "succeeded",
    });
    let (answered, _) = gateway.api.post("/v1/statuses", Some(&status)).await;
    assert_eq!(answered, StatusCode::ACCEPTED);
    commit
}

/// How many times Entra was asked to renew a token.
fn renewals(env: &Env) -> usize {
    env.shell.entra(|entra| entra.asked("refresh_token"))
}

/// Waits until the problem of the organization contains these words, and returns its text.
async fn problem(gateway: &Gateway, words: &str) -> String {
    let says = |body: &Value| {
        body["problems"]["fabrikam"].as_str().is_some_and(|reason| reason.contains(words))
    };
    let ready = gateway.api.until("/readyz", says).await;
    ready["problems"]["fabrikam"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn concurrent_calls_renew_the_token_once() {
    let env = Env::new(1701);
    let gateway = env.linked(|_| {}).await;
    assert_eq!(renewals(&env), 0);
    env.shell.ado(|ado| ado.end_bearers());
    let mut commits = Vec::new();
    for number in 0..30 {
        let context = format!("scan-{number}");
        commits.push((queue_status(&env, &gateway, &context).await, context));
    }
    for (commit, context) in commits {
        env.until_commit_status(&commit, &context, "succeeded").await;
    }
    assert_eq!(renewals(&env), 1);
    let renewed = gateway.api.items("/v1/audit?action=refresh").await;
    assert_eq!(renewed.len(), 1, "{renewed:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_on_one_store_renew_the_token_once() {
    let env = Env::new(1709);
    let gateway = env.linked_in_process().await;
    let mut settings = env.settings("127.0.0.1:1");
    settings.credential = env.service_user("mint_ahead = false");
    let config = settings.config();
    // As in other processes: only the store is common.
    let others: Vec<Identities> = (0..3)
        .map(|number| parts::identities(&config, gateway.app.store(), &number.to_string()))
        .collect();
    env.shell.ado(|ado| ado.end_bearers());
    let sources: Vec<_> = others.iter().flat_map(Identities::sources).collect();
    let asking = sources.iter().cycle().take(30).map(|source| async move {
        source.credential(Scope::CodeStatus, Purpose::new("test")).await.map(drop)
    });
    for issued in futures_util::future::join_all(asking).await {
        issued.expect("every caller gets a credential");
    }
    assert_eq!(renewals(&env), 1);
    env.until_all_revoked().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_short_lived_token_is_renewed_before_it_expires() {
    let env = Env::new(1702);
    env.shell.entra(|entra| entra.options.access_token_s = (2, 2));
    let gateway = env.linked(|_| {}).await;
    let twice = |list: &Value| list["items"].as_array().is_some_and(|items| items.len() >= 2);
    gateway.api.until("/v1/audit?action=refresh&outcome=done", twice).await;
    let commit = queue_status(&env, &gateway, "scan").await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_expire_at_once_do_not_cause_a_loop() {
    let env = Env::new(1715);
    let gateway = env.linked(|_| {}).await;
    env.shell.entra(|entra| entra.options.access_token_s = (0, 0));
    env.shell.ado(|ado| ado.end_bearers());
    queue_status(&env, &gateway, "scan").await;
    gateway.api.until("/readyz", |body| body["problems"]["fabrikam"].is_string()).await;
    assert!(renewals(&env) <= 10, "{} renewals", renewals(&env));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn after_a_restart_the_stored_access_token_is_used() {
    let env = Env::new(1703);
    let gateway = env.linked(|_| {}).await;
    gateway.stop().await;
    let gateway = env.unlinked(|_| {}).await;
    let commit = queue_status(&env, &gateway, "scan").await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    assert_eq!(renewals(&env), 0, "the access token was stored, too");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_key_can_be_rotated_without_linking_again() {
    let env = Env::new(1704);
    let gateway = env.linked(|_| {}).await;
    gateway.stop().await;
    let rotated = |settings: &mut Settings| {
        let new = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";
        settings.environment.insert("PREVIOUS".into(), crate::harness::ROOT_KEY.into());
        settings.environment.insert("ROOT_KEY".into(), new.into());
    };
    let gateway = env
        .unlinked(|settings| {
            rotated(settings);
            settings.secrets = "previous_root_key = { env = \"PREVIOUS\" }".into();
        })
        .await;
    let renewed = |list: &Value| list["items"] != json!([]);
    gateway.api.until("/v1/audit?action=refresh&outcome=done", renewed).await;
    gateway.stop().await;
    // The previous key is not configured any more.
    let gateway = env.unlinked(rotated).await;
    let commit = queue_status(&env, &gateway, "scan").await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_root_key_is_a_problem_that_linking_again_solves() {
    let env = Env::new(1705);
    let gateway = env.linked(|_| {}).await;
    gateway.stop().await;
    let gateway = env
        .unlinked(|settings| {
            let new = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU=";
            settings.environment.insert("ROOT_KEY".into(), new.into());
        })
        .await;
    let reason = problem(&gateway, "previous_root_key").await;
    assert!(reason.contains("link the service user again"), "{reason}");
    env.link(&gateway.url).await;
    gateway.api.until("/readyz", |body| body["problems"] == json!({})).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_entra_is_a_problem_with_advice() {
    // A code, its error, and words that only its advice contains.
    let rows = [
        (50173, "invalid_grant", "revoked"),
        (50076, "interaction_required", "multi-factor"),
        (65001, "invalid_grant", "adminconsent"),
        (7_000_222, "invalid_client", "client_secret"),
        (53003, "invalid_grant", "Conditional Access"),
        (50057, "invalid_grant", "disabled"),
    ];
    for (seed, (code, error, words)) in (1710..).zip(rows) {
        let env = Env::new(seed);
        let gateway = env.linked(|_| {}).await;
        env.shell.entra(|entra| entra.fail_token(code, error, 400, None));
        env.shell.ado(|ado| ado.end_bearers());
        let commit = queue_status(&env, &gateway, "scan").await;
        let reason = problem(&gateway, &format!("AADSTS{code}")).await;
        assert!(reason.contains(words), "{code}: {reason}");
        env.shell.entra(|entra| entra.clear_token_failure());
        env.link(&gateway.url).await;
        env.until_commit_status(&commit, "scan", "succeeded").await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transient_fault_of_entra_is_retried() {
    let env = Env::new(1706);
    let gateway = env.linked(|_| {}).await;
    env.shell.entra(|entra| entra.fail_token(90033, "temporarily_unavailable", 503, Some(1)));
    env.shell.ado(|ado| ado.end_bearers());
    let commit = queue_status(&env, &gateway, "scan").await;
    let failed = |list: &Value| list["items"].to_string().contains("AADSTS90033");
    gateway.api.until("/v1/audit?action=refresh&outcome=failed", failed).await;
    gateway.api.until("/readyz", |body| body["problems"] == json!({})).await;
    env.link(&gateway.url).await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_client_secrets_are_tried_during_a_rotation() {
    let env = Env::new(1707);
    let credential = env.service_user("");
    let two = credential.replace(
        r#"{ env = "CLIENT_SECRET" }"#,
        r#"[{ env = "OLD_SECRET" }, { env = "CLIENT_SECRET" }]"#,
    );
    let gateway = env
        .linked(|settings| {
            settings.credential = two;
            settings.environment.insert("OLD_SECRET".into(), "a secret that has ended".into());
        })
        .await;
    env.shell.ado(|ado| ado.end_bearers());
    let commit = queue_status(&env, &gateway, "scan").await;
    env.until_commit_status(&commit, "scan", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_expires_soon_raises_a_warning() {
    let env = Env::new(1708);
    let soon = azdo_gateway::clock::Clock::system().now();
    let soon = soon.plus(std::time::Duration::from_secs(20 * 86_400)).to_string();
    let day = soon.split('T').next().expect("it has a day").to_owned();
    let keys = format!("client_secret_expires = {day}");
    let gateway = env.linked(|settings| settings.credential = env.service_user(&keys)).await;
    let says = |body: &Value| {
        body["warnings"]["fabrikam"].as_str().is_some_and(|warning| warning.contains(&day))
    };
    let ready = gateway.api.until("/readyz", says).await;
    assert_eq!(ready["problems"], json!({}), "the credential of {SERVICE_USER} still works");
    gateway.stop().await;
}
