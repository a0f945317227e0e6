//! Deliveries that are not what they should be: taken, kept, and never the reason for a refusal.

use reqwest::StatusCode;
use serde_json::Value;

use crate::harness::{Inside, Town, letters};

async fn only_delivery(gateway: &Inside) -> Value {
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
    let town = Town::new(701);
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    for (body, why) in bodies {
        assert_eq!(town.deliver(&gateway.url, "git-push", body).await, StatusCode::ACCEPTED);
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
    let town = Town::new(702);
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    let answer = town.deliver(&gateway.url, "git-push", r#"{"resource": {}}"#).await;
    assert_eq!(answer, StatusCode::ACCEPTED);
    town.decided(&gateway.api).await;
    let told = only_delivery(&gateway).await;
    assert_eq!(told["outcome"], "quarantined");
    assert!(told["reason"].as_str().unwrap().contains("eventType"), "{told}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_version_that_empties_the_resource_is_told() {
    let town = Town::new(703);
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    town.subscribe_to(&gateway.url, "git.push", "2.0").await;
    town.push("main");
    town.decided(&gateway.api).await;
    let told = only_delivery(&gateway).await;
    assert_eq!((&told["outcome"], &told["event_type"]), (&"ignored".into(), &"git.push".into()));
    let reason = told["reason"].as_str().unwrap();
    assert!(reason.contains("resourceVersion = 1.0"), "{reason}");
    assert_eq!(town.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_order_mark_does_not_hide_a_push() {
    let town = Town::new(704);
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    let old = town.shell.ado(|ado| ado.head(&town.repository, "main").unwrap().to_owned());
    let commit = town.push("main");
    let letter = letters::push(&town, "main", &old, &commit, 1).to_string();
    let body = [b"\xEF\xBB\xBF", letter.as_bytes()].concat();
    assert_eq!(town.deliver(&gateway.url, "git-push", body).await, StatusCode::ACCEPTED);
    town.until_commit_shown(&commit, "unit-tests", "succeeded").await;
    town.check_invariants();
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_button_starts_nothing() {
    let town = Town::new(705);
    let gateway = Inside::start_with(&town, |settings| {
        settings.checks = settings.checks.replace("Fabrikam/*", "*/*");
    })
    .await;
    let events = ["git.push", "git.pullrequest.created", "git.pullrequest.updated"];
    for event in events {
        town.test_hook(&gateway.url, event).await;
    }
    town.settled(&gateway.api).await;
    let told = gateway.api.items("/v1/deliveries").await;
    assert_eq!(told.len(), events.len());
    assert!(told.iter().all(|one| one["event"] == "test" && one["outcome"] == "ignored"));
    assert_eq!(town.starts(), 0);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_bytes_come_with_the_right_secret_get_202() {
    let town = Town::new(706);
    town.silence_ci();
    let gateway = Inside::without_hooks(&town, |_| {}).await;
    let commit = town.push("topic");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    };
    for round in 0..200_u64 {
        let letter = match round % 3 {
            0 => letters::pull_request(&town, round, "topic", &commit),
            1 => letters::push(&town, "main", &"0".repeat(40), &commit, round),
            _ => letters::other("git.repo.renamed"),
        };
        let mut body = letter.to_string().into_bytes();
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
        let answer = town.deliver(&gateway.url, "git-push", body.clone()).await;
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(answer, StatusCode::ACCEPTED, "round {round}: {shown}");
    }
    town.decided(&gateway.api).await;
    let ready = gateway.api.get("/readyz").await;
    assert_eq!(ready["status"], "ready");
    let metrics = reqwest::Client::new().get(format!("{}/metrics", gateway.url)).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    assert!(!metrics.contains("azdo_gateway_panics_total{"), "{metrics}");
    gateway.stop().await;
}
