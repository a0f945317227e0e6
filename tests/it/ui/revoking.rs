//! Ending sessions of people as an operator: at every replica, of one person or of all.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::entra::{JO, entered, gateway};
use super::{COOKIE, signed_in};
use crate::harness::{
    Api, Browser, Env, Gateway, OPERATOR, POLL_INTERVAL, REPORTER, VIEWER, WAIT_MAX,
};

/// Waits until each replica, which answer in turns, has refused the session.
async fn until_refused(browser: &Browser, gateway: &Gateway) {
    let refused = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        let mut in_a_row = 0;
        while in_a_row < 2 * gateway.each().len() {
            interval.tick().await;
            let asked = browser.open(&format!("{}/ui/runs", gateway.url), None).await;
            let is_refused = asked.status == StatusCode::UNAUTHORIZED;
            in_a_row = if is_refused { in_a_row + 1 } else { 0 };
        }
    };
    tokio::time::timeout(WAIT_MAX, refused).await.expect("the session is refused");
}

async fn status(browser: &Browser, gateway: &Gateway) -> StatusCode {
    browser.open(&format!("{}/ui/runs", gateway.url), None).await.status
}

async fn revoke(gateway: &Gateway, query: &str) -> StatusCode {
    gateway.api.call(Method::DELETE, &format!("/v1/sessions{query}"), None).await.0
}

#[tokio::test(flavor = "multi_thread")]
pub(super) async fn revoked_sessions_end_at_every_replica() {
    let env = Env::new(4301);
    let gateway = Gateway::start(&env).await;
    let (eyes, ops) = (signed_in(&gateway, VIEWER).await, signed_in(&gateway, OPERATOR).await);
    assert_eq!(revoke(&gateway, "?actor=EYES").await, StatusCode::NO_CONTENT);
    until_refused(&eyes, &gateway).await;
    assert_eq!(status(&ops, &gateway).await, StatusCode::OK, "another person");
    let again = signed_in(&gateway, VIEWER).await;
    assert_eq!(status(&again, &gateway).await, StatusCode::OK, "a session that began later");
    assert_eq!(revoke(&gateway, "").await, StatusCode::NO_CONTENT);
    for browser in [&ops, &again] {
        until_refused(browser, &gateway).await;
    }
    let later = signed_in(&gateway, OPERATOR).await;
    assert_eq!(status(&later, &gateway).await, StatusCode::OK);
    let entries = gateway.api.items("/v1/audit?action=revoke_sessions").await;
    let details: Vec<_> = entries.iter().map(|entry| &entry["detail"]).collect();
    assert_eq!(details, [&json!("of everybody"), &json!("of EYES")]);
    assert_eq!((&entries[0]["actor"], &entries[0]["via"]), (&json!("ops"), &json!("api_token")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_entra_are_revoked_by_the_name_of_the_account() {
    let env = Env::new(4302);
    let gateway = gateway(&env, &format!("viewers = [\"{JO}\"]")).await;
    let jo = entered(&gateway).await;
    assert_eq!(revoke(&gateway, "?actor=somebody@fabrikam.example").await, StatusCode::NO_CONTENT);
    assert_eq!(status(&jo, &gateway).await, StatusCode::OK);
    assert_eq!(revoke(&gateway, &format!("?actor={JO}")).await, StatusCode::NO_CONTENT);
    assert_eq!(status(&jo, &gateway).await, StatusCode::UNAUTHORIZED);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_operators_revoke_sessions() {
    let env = Env::new(4303);
    let gateway = Gateway::start(&env).await;
    let browser = signed_in(&gateway, OPERATOR).await;
    for (token, expected) in [
        (VIEWER, StatusCode::FORBIDDEN),
        (REPORTER, StatusCode::FORBIDDEN),
        ("", StatusCode::UNAUTHORIZED),
    ] {
        let api = Api::new(&gateway.url, token);
        let (status, _) = api.call(Method::DELETE, "/v1/sessions", None).await;
        assert_eq!(status, expected, "{token}");
    }
    let long = format!("?actor={}", "x".repeat(255));
    for query in ["?actor=", &long, "?name=eyes"] {
        assert_eq!(revoke(&gateway, query).await, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(status(&browser, &gateway).await, StatusCode::OK);
    let other = Browser::new();
    other.set_cookie(COOKIE, &browser.cookies()[0]);
    let url = format!("{}/v1/sessions", gateway.url);
    assert_eq!(other.submit(&url, &[], "same-origin").await.status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_of_the_demo_signs_nobody_in_elsewhere() {
    let env = Env::new(4304);
    let gateway = Gateway::start(&env).await;
    for query in ["", "?ticket=", "?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let browser = Browser::new();
        let shown = browser.open(&format!("{}/login/once{query}", gateway.url), None).await;
        assert_eq!(shown.status, StatusCode::FORBIDDEN, "{query}");
        super::check_page(&shown, "/login/once");
        assert!(browser.cookies().is_empty());
    }
    gateway.stop().await;
}
