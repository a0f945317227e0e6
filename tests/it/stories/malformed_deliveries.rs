//! Malformed deliveries: they are accepted and kept in quarantine, since refusing one would put the
//! subscription on probation.

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Env, Gateway, payloads};

async fn only_delivery(gateway: &Gateway) -> Value {
    let mut all = gateway.api.items("/v1/deliveries").await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn a_body_that_is_no_json_object_is_quarantined() {
    let bodies: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"   \r\n", "empty"),
        (b"{\"eventType\": ", "not JSON"),
        (b"<html>hello</html>", "not JSON"),
        (b"[1, 2]", "not an object"),
    ];
    let env = Env::new(701);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    for (body, expected) in bodies {
        env.deliver_again(&gateway.url, "git-push", body).await;
        let delivery = &gateway.api.items("/v1/deliveries").await[0];
        assert_eq!(delivery["outcome"], "quarantined");
        assert!(delivery["reason"].as_str().unwrap().contains(expected), "{delivery}");
    }
    // An operator can read the body.
    let html = gateway.api.items("/v1/deliveries").await[1]["id"].clone();
    let delivery = gateway.api.get(&format!("/v1/deliveries/{html}")).await;
    assert_eq!(delivery["body"], "<html>hello</html>");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_without_an_event_type_is_quarantined() {
    let env = Env::new(702);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let answer = env.deliver(&gateway.url, "git-push", r#"{"resource": {}}"#).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    env.until_decided(&gateway.api).await;
    let delivery = only_delivery(&gateway).await;
    assert_eq!(delivery["outcome"], "quarantined");
    assert!(delivery["reason"].as_str().unwrap().contains("eventType"), "{delivery}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_names_a_resource_version_with_which_the_resource_is_empty() {
    let env = Env::new(703);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    env.subscribe_to(&gateway.url, "git.push", "2.0").await;
    env.push("main");
    env.until_decided(&gateway.api).await;
    let delivery = only_delivery(&gateway).await;
    assert_eq!(delivery["outcome"], "ignored");
    assert_eq!(delivery["event_type"], "git.push");
    let reason = delivery["reason"].as_str().unwrap();
    assert!(reason.contains("resourceVersion = 1.0"), "{reason}");
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_with_a_byte_order_mark_starts_a_run() {
    let env = Env::new(704);
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = env.push("main");
    let payload = payloads::push(&env, "main", &old, &commit, 1).to_string();
    let body = [b"\xEF\xBB\xBF", payload.as_bytes()].concat();
    assert_eq!(env.deliver(&gateway.url, "git-push", body).await, StatusCode::ACCEPTED);
    env.until_commit_status(&commit, "unit-tests", "succeeded").await;
    env.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_notification_of_azure_devops_starts_nothing() {
    let env = Env::new(705);
    let gateway = Gateway::start_with(&env, |settings| {
        settings.checks = settings.checks.replace("Fabrikam/*", "*/*");
    })
    .await;
    let events = ["git.push", "git.pullrequest.created", "git.pullrequest.updated"];
    for event in events {
        env.test_hook(&gateway.url, event).await;
    }
    env.until_idle(&gateway.api).await;
    let deliveries = gateway.api.items("/v1/deliveries").await;
    assert_eq!(deliveries.len(), events.len());
    assert!(deliveries.iter().all(|one| one["event"] == "test" && one["outcome"] == "ignored"));
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_with_the_right_secret_are_answered_202() {
    let env = Env::new(706);
    env.disable_ci_reports();
    let gateway = Gateway::without_hooks(&env, |_| {}).await;
    let commit = env.push("topic");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for round in 0..200_u64 {
        let payload = match round % 3 {
            0 => payloads::pull_request(&env, round, "topic", &commit),
            1 => payloads::push(&env, "main", &"0".repeat(40), &commit, round),
            _ => payloads::other("git.repo.renamed"),
        };
        let mut body = payload.to_string().into_bytes();
        if round % 4 == 0 {
            body = (0..random(300)).map(|_| random(256) as u8).collect();
        }
        for _ in 0..random(6) {
            let (position, value) = (random(body.len().max(1)), random(256) as u8);
            if let Some(byte) = body.get_mut(position) {
                *byte = value;
            }
        }
        body.truncate(body.len() - random(body.len() / 8 + 1));
        let answer = env.deliver(&gateway.url, "git-push", body.clone()).await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(answer, StatusCode::ACCEPTED, "round {round}: {body}");
    }
    env.until_decided(&gateway.api).await;
    let ready = gateway.api.get("/readyz").await;
    assert_eq!(ready["status"], "ready");
    let metrics = gateway.api.text("/metrics").await;
    let mut panics = metrics.lines().filter(|line| line.starts_with("azdo_gateway_panics_total{"));
    assert!(panics.clone().count() > 1 && panics.all(|line| line.ends_with(" 0")), "{metrics}");
    gateway.stop().await;
}
