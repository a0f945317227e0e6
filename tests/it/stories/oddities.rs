//! Deliveries that are not what they should be: taken, kept, and never the reason for a refusal.

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Env, InProcess, payloads};

async fn only_delivery(gateway: &InProcess) -> Value {
    let mut all = gateway.api.items("/v1/deliveries").await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_is_kept_in_quarantine() {
    let bodies: [(&[u8], &str); 5] = [
        (b"", "empty"),
        (b"   \r\n", "empty"),
        (b"{\"eventType\": ", "not JSON"),
        (b"<html>hello</html>", "not JSON"),
        (b"[1, 2]", "not an object"),
    ];
    let env = Env::new(701);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    for (body, why) in bodies {
        assert_eq!(env.deliver(&gateway.url, "git-push", body).await, StatusCode::ACCEPTED);
        let told = &gateway.api.items("/v1/deliveries").await[0];
        assert_eq!(told["outcome"], "quarantined");
        assert!(told["reason"].as_str().unwrap().contains(why), "{told}");
    }
    // What came is there to be looked at.
    let html = gateway.api.items("/v1/deliveries").await[1]["id"].clone();
    let shown = gateway.api.get(&format!("/v1/deliveries/{html}")).await;
    assert_eq!(shown["body"], "<html>hello</html>");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_without_an_event_type_is_kept_in_quarantine() {
    let env = Env::new(702);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    let answer = env.deliver(&gateway.url, "git-push", r#"{"resource": {}}"#).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    env.until_decided(&gateway.api).await;
    let told = only_delivery(&gateway).await;
    assert_eq!(told["outcome"], "quarantined");
    assert!(told["reason"].as_str().unwrap().contains("eventType"), "{told}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_version_that_empties_the_resource_is_told() {
    let env = Env::new(703);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
    env.subscribe_to(&gateway.url, "git.push", "2.0").await;
    env.push("main");
    env.until_decided(&gateway.api).await;
    let told = only_delivery(&gateway).await;
    assert_eq!((&told["outcome"], &told["event_type"]), (&"ignored".into(), &"git.push".into()));
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("resourceVersion = 1.0"), "{reason}");
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_does_not_hide_a_push() {
    let env = Env::new(704);
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
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
async fn the_test_button_starts_nothing() {
    let env = Env::new(705);
    let gateway = InProcess::start_with(&env, |settings| {
        settings.checks = settings.checks.replace("Fabrikam/*", "*/*");
    })
    .await;
    let events = ["git.push", "git.pullrequest.created", "git.pullrequest.updated"];
    for event in events {
        env.test_hook(&gateway.url, event).await;
    }
    env.until_idle(&gateway.api).await;
    let told = gateway.api.items("/v1/deliveries").await;
    assert_eq!(told.len(), events.len());
    assert!(told.iter().all(|one| one["event"] == "test" && one["outcome"] == "ignored"));
    assert_eq!(env.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_bytes_come_with_the_right_secret_get_202() {
    let env = Env::new(706);
    env.disable_ci_reports();
    let gateway = InProcess::without_hooks(&env, |_| {}).await;
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
            let (at, to) = (random(body.len().max(1)), random(256) as u8);
            if let Some(byte) = body.get_mut(at) {
                *byte = to;
            }
        }
        body.truncate(body.len() - random(body.len() / 8 + 1));
        let answer = env.deliver(&gateway.url, "git-push", body.clone()).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(answer, StatusCode::ACCEPTED, "round {round}: {shown}");
    }
    env.until_decided(&gateway.api).await;
    let ready = gateway.api.get("/readyz").await;
    assert_eq!(ready["status"], "ready");
    let metrics = reqwest::Client::new().get(format!("{}/metrics", gateway.url)).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(!metrics.contains("azdo_gateway_panics_total{"), "{metrics}");
    gateway.stop().await;
}
