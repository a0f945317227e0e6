//! The token endpoint over a real connection.

use std::time::Duration;

use super::*;
use crate::credentials::entra::error::Error;

fn two_secrets() -> ClientAuthentication {
    ClientAuthentication::Secrets(vec![secret("first~secret"), secret("second~secret")])
}

#[actix_web::test]
async fn a_code_is_exchanged_for_tokens() {
    let fake = Fake::start();
    fake.on_token([granted()]);
    let back = Url::parse("https://gateway.example/connect/callback").expect("it is an address");
    let entra = fake.entra(two_secrets());
    let tokens = entra.redeem_code("the-code", &secret("the-verifier"), &back).await;
    let tokens = tokens.expect("it is granted");
    assert_eq!(tokens.access_token.expose(), "access-1");
    assert_eq!(tokens.refresh_token.expect("it is given").expose(), "refresh-2");
    assert_eq!(tokens.id_token.expect("it is given").expose(), "id-3");
    assert_eq!(tokens.expires_at, NOW.plus(Duration::from_secs(3_599)));
    let form: Vec<(String, String)> = fake.seen().remove(0).form.into_iter().collect();
    let form: Vec<(&str, &str)> = form.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        form,
        [
            ("client_id", CLIENT),
            ("client_secret", "first~secret"),
            ("code", "the-code"),
            ("code_verifier", "the-verifier"),
            ("grant_type", "authorization_code"),
            ("redirect_uri", back.as_str()),
            ("scope", PAT_SCOPES),
        ]
    );
}

#[actix_web::test]
async fn the_second_secret_is_tried_during_a_rotation() {
    let fake = Fake::start();
    for code in [7_000_215, 7_000_222] {
        let refused = Reply::refusal(code, "invalid_client", "Invalid client secret provided.");
        fake.on_token([refused, granted()]);
        fake.entra(two_secrets()).client_credentials().await.expect("the second one is good");
    }
    let seen = fake.seen();
    let tried: Vec<&str> = seen.iter().map(|seen| seen.form["client_secret"].as_str()).collect();
    assert_eq!(tried, ["first~secret", "second~secret", "first~secret", "second~secret"]);
    assert_eq!(seen[0].form["scope"], format!("{AZURE_DEVOPS}/.default"));
    assert_eq!(seen[0].form["grant_type"], "client_credentials");
}

#[actix_web::test]
async fn a_refusal_contains_advice_and_no_secret() {
    let fake = Fake::start();
    let words = "AADSTS700082: The token refresh-0 of first~secret has expired.\r\nTrace ID: 1";
    fake.on_token([Reply::refusal(700_082, "invalid_grant", words)]);
    let result = fake.entra(two_secrets()).refresh(&secret("refresh-0")).await;
    let error = result.expect_err("it is refused");
    let text = error.to_string();
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!((refusal.code, refusal.remedy), (Some(700_082), Remedy::SignIn));
    assert_eq!(refusal.error, "invalid_grant");
    assert_eq!(refusal.description, "AADSTS700082: The token [secret] of [secret] has expired.");
    assert!(text.starts_with("Entra refuses (AADSTS700082): "), "{text}");
    assert!(text.contains("/connect/fabrikam"), "{text}");
    let seen = fake.seen();
    assert_eq!(seen.len(), 1, "the client secret was not refused");
    assert_eq!(seen[0].form["scope"], PAT_SCOPES);
}

#[actix_web::test]
async fn a_transient_fault_keeps_its_retry_after() {
    let fake = Fake::start();
    let busy = json!({ "error": "temporarily_unavailable", "error_codes": [90_033] });
    let retry_after = |error: Error| match error {
        Error::Transient { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    };
    for (reply, wait) in [
        (Reply::page(503, "<html>busy</html>").with("retry-after", "30"), Some(30)),
        (Reply::page(500, "<html>broken</html>"), None),
        (Reply::json(429, &json!({})).with("retry-after", "999999999"), Some(86_400)),
        (Reply::json(400, &busy), None),
        (Reply::refusal(50_196, "invalid_grant", "AADSTS50196: loop"), Some(300)),
        (Reply { status: 503, ..Reply::refusal(7_000_215, "invalid_client", "x") }, None),
    ] {
        fake.on_token([reply]);
        let result = fake.entra(two_secrets()).client_credentials().await;
        let wait = wait.map(Duration::from_secs);
        assert_eq!(retry_after(result.expect_err("it is busy")), wait);
    }
    assert_eq!(fake.seen().len(), 6, "no request is repeated");
}

#[actix_web::test]
async fn unexpected_responses_are_named_and_redirects_not_followed() {
    let fake = Fake::start();
    let long = format!("{{\"access_token\":\"{}\"}}", "x".repeat(300 * 1_024));
    let long = Reply { body: long, ..Reply::json(200, &json!({})) };
    let moved = Reply::page(302, "").with("location", "/elsewhere");
    let bare = json!({ "access_token": "a", "token_type": "pop", "expires_in": 1 });
    for (reply, reason) in [
        (Reply::page(200, "<html>sign in</html>"), "200 OK with no JSON"),
        (Reply::page(403, "<html>proxy</html>"), "403 Forbidden with no JSON"),
        (Reply::json(200, &json!({ "access_token": 7 })), "JSON of another shape"),
        (Reply::json(400, &json!({ "message": "?" })), "JSON of another shape"),
        (Reply::json(200, &bare), "no bearer token"),
        (moved, "a redirect"),
        (long, "longer than 262144 bytes"),
    ] {
        fake.on_token([reply]);
        let result = fake.entra(two_secrets()).client_credentials().await;
        let error = result.expect_err("it is no answer");
        assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(fake.seen().iter().all(|seen| seen.path.ends_with("/token")));
}

#[actix_web::test]
async fn a_refused_connection_is_transient() {
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback is there");
    let address = free.local_addr().expect("it is bound");
    drop(free);
    let url = format!("http://{address}").parse().expect("it is an address");
    let app = App { authority: authority(&url), client_id: CLIENT.into() };
    let entra = Entra::new(http(), app, two_secrets(), Clock::new(|| NOW));
    let error = entra.client_credentials().await.expect_err("nobody answers");
    assert_eq!(error, Error::transient("no connection"));
}

#[actix_web::test]
async fn the_metadata_service_issues_a_token_without_a_secret() {
    let fake = Fake::start();
    let path = "/metadata/identity/oauth2/token";
    let quoted = json!({ "access_token": "machine", "expires_in": "86399", "token_type": "Bearer",
        "resource": AZURE_DEVOPS, "expires_on": "1790086399" });
    fake.on(
        path,
        [
            Reply::json(200, &quoted),
            Reply::json(
                400,
                &json!({ "error": "invalid_request",
            "error_description": "Identity not found" }),
            ),
            Reply::page(410, ""),
        ],
    );
    let ask = async |client| managed_identity(&http(), &fake.url, client, &fake.clock()).await;
    let tokens = ask(Some("some-identity")).await.expect("it has one");
    assert_eq!(tokens.access_token.expose(), "machine");
    assert_eq!(tokens.expires_at, NOW.plus(Duration::from_secs(86_399)));
    let seen = fake.seen().remove(0);
    assert!(seen.metadata);
    assert_eq!(seen.query["api-version"], "2018-02-01");
    assert_eq!(seen.query["resource"], AZURE_DEVOPS);
    assert_eq!(seen.query["client_id"], "some-identity");
    let error = ask(None).await.expect_err("it has none");
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.remedy, Remedy::Configuration);
    assert_eq!(refusal.description, "Identity not found");
    let error = ask(None).await.expect_err("it is being updated");
    assert!(matches!(error, Error::Transient { .. }), "{error:?}");
}
