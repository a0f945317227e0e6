//! Signing in, redeeming, refreshing.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Fixture, SECRET, USER, VERIFIER, query_of, refusal};
use crate::access_token::Subject;
use crate::entra::{Consent, Forgery};
use crate::http::Request;

const DAY_MS: i64 = 24 * 3_600_000;

#[test]
fn a_sign_in_redirects_with_code_and_state() {
    let mut fixture = Fixture::new();
    let answer = fixture.sign_in(&[]);
    assert_eq!(answer.status, 302);
    assert_eq!(query_of(&answer, "state").unwrap(), "a state");
    assert!(query_of(&answer, "code").is_some() && query_of(&answer, "session_state").is_some());
}

#[test]
fn an_unregistered_redirect_uri_gets_a_page_and_no_redirect() {
    let mut fixture = Fixture::new();
    for change in [
        ("redirect_uri", Some("https://gateway.example.com/complete/service_user/")),
        ("redirect_uri", None),
        ("client_id", Some("nobody")),
    ] {
        let answer = fixture.sign_in(&[change]);
        assert_eq!((answer.status, answer.header("location")), (400, None));
    }
}

#[test]
fn an_invalid_sign_in_request_redirects_with_an_error() {
    let mut fixture = Fixture::new();
    for (change, error) in [
        (("response_type", Some("id_token")), "unsupported_response_type"),
        (("code_challenge", None), "invalid_request"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("state", None), "invalid_request"),
        (("scope", Some("openid")), "invalid_scope"),
        (("scope", Some("openid vso.code")), "invalid_scope"),
        (("scope", Some("499b84ac-1321-427f-aa17-267ca6975798/vso.nothing")), "invalid_scope"),
    ] {
        let answer = fixture.sign_in(&[change]);
        assert_eq!(query_of(&answer, "error").as_deref(), Some(error), "{change:?}");
    }
    fixture.world.set_consent(USER, Consent::Declined);
    let answer = fixture.sign_in(&[]);
    assert_eq!(query_of(&answer, "error").unwrap(), "access_denied");
    assert!(query_of(&answer, "error_description").unwrap().starts_with("AADSTS65004"));
}

#[test]
fn a_login_hint_chooses_among_the_people_who_are_signed_in() {
    let mut fixture = Fixture::new();
    fixture.world.add_user("Other", "other@fabrikam.example");
    let hint = [("login_hint", Some("other@fabrikam.example"))];
    for expected in [USER, "other@fabrikam.example"] {
        let answer = fixture.sign_in(&hint);
        let code = query_of(&answer, "code").unwrap();
        fixture.redeem(&code, VERIFIER);
        let issued = fixture.world.take_issued();
        let Subject::User { principal_name, .. } = &issued[0].subject else { panic!("no user") };
        assert_eq!(principal_name, expected);
        fixture.world.sign_in("other@fabrikam.example");
        fixture.world.sign_in(USER);
    }
    fixture.world.sign_out();
    assert_eq!(fixture.sign_in(&[]).status, 200);
    let answer = fixture.sign_in(&[("prompt", Some("none"))]);
    assert_eq!(query_of(&answer, "error").unwrap(), "login_required");
}

#[test]
fn a_person_who_is_asked_chooses_among_the_accounts_that_are_signed_in() {
    let mut fixture = Fixture::new();
    let other = "other@fabrikam.example";
    fixture.world.add_user("Other", other);
    fixture.world.sign_in(other);
    let asked = [("prompt", Some("select_account")), ("login_hint", Some(USER))];
    let request = fixture.sign_in_request(&asked).with_header("accept", "text/html,*/*");
    let page = fixture.ask(&request);
    assert_eq!((page.status, page.header("location")), (200, None));
    let text = String::from_utf8(page.body).unwrap();
    for name in [USER, other] {
        assert!(text.contains(&format!(">{name}</a>")), "{text}");
    }
    let chosen = text.split("href=\"").find(|link| link.contains(other)).unwrap();
    let chosen = chosen.split('"').next().unwrap().replace("&amp;", "&");
    assert!(!chosen.contains("prompt"), "{chosen}");
    let answer = fixture.ask(&Request::new("GET", &chosen).with_header("accept", "text/html"));
    let code = query_of(&answer, "code").unwrap();
    fixture.redeem(&code, VERIFIER);
    let issued = fixture.world.take_issued();
    let Subject::User { principal_name, .. } = &issued[0].subject else { panic!("no user") };
    assert_eq!(principal_name, other);
    assert_eq!(fixture.sign_in(&asked).status, 302, "a program does not choose");
}

#[test]
fn a_code_is_redeemed_once_and_only_with_its_verifier() {
    let mut fixture = Fixture::new();
    let code = fixture.code();
    let wrong = fixture.redeem(&code, "another verifier");
    assert_eq!(refusal(&wrong), (400, "invalid_grant".to_owned(), 501_481));
    let body = fixture.redeem(&code, VERIFIER).body_json();
    assert_eq!(body["token_type"], "Bearer");
    assert!((3_600..=5_400).contains(&body["expires_in"].as_u64().unwrap()));
    let again = fixture.redeem(&code, VERIFIER);
    assert_eq!(refusal(&again), (400, "invalid_grant".to_owned(), 54005));
    let late = fixture.code();
    fixture.now_ms += 600_001;
    assert_eq!(refusal(&fixture.redeem(&late, VERIFIER)).2, 70008);
    assert_eq!(fixture.world.granted("authorization_code"), 1);
    assert_eq!(fixture.world.asked("authorization_code"), 4);
}

#[test]
fn a_refresh_yields_a_new_token_and_keeps_the_old_one_valid() {
    let mut fixture = Fixture::new();
    let body = fixture.signed_in();
    let first = body["refresh_token"].as_str().unwrap().to_owned();
    let second = fixture.refresh(&first, SECRET).body_json();
    assert_ne!(second["refresh_token"], first);
    assert_eq!(fixture.refresh(&first, SECRET).status, 200);
    assert_eq!(fixture.world.live_refresh_tokens().len(), 3);
    fixture.now_ms += 89 * DAY_MS;
    assert_eq!(fixture.refresh(&first, SECRET).status, 200);
    fixture.now_ms += DAY_MS;
    let idle = fixture.refresh(&first, SECRET);
    assert_eq!(refusal(&idle), (400, "invalid_grant".to_owned(), 700_082));
    assert_eq!(fixture.world.revoke_refresh_tokens(USER), 4);
    let fresh = fixture.signed_in()["refresh_token"].as_str().unwrap().to_owned();
    fixture.world.revoke_refresh_tokens(USER);
    assert_eq!(refusal(&fixture.refresh(&fresh, SECRET)).2, 50173);
}

#[test]
fn refusals_that_a_test_orders_begin_and_end() {
    let mut fixture = Fixture::new();
    let token = fixture.signed_in()["refresh_token"].as_str().unwrap().to_owned();
    fixture.world.fail_token(90033, "temporarily_unavailable", 503, Some(2));
    for _ in 0..2 {
        let answer = fixture.refresh(&token, SECRET);
        assert_eq!(refusal(&answer), (503, "temporarily_unavailable".to_owned(), 90033));
    }
    assert_eq!(fixture.refresh(&token, SECRET).status, 200);
    fixture.world.set_account_error(USER, Some(50076));
    let answer = fixture.refresh(&token, SECRET);
    assert_eq!(refusal(&answer), (400, "interaction_required".to_owned(), 50076));
    fixture.world.set_account_error(USER, Some(50057));
    assert_eq!(refusal(&fixture.refresh(&token, SECRET)).2, 50057);
    fixture.world.set_account_error(USER, None);
    assert_eq!(fixture.refresh(&token, SECRET).status, 200);
    assert_eq!(fixture.world.asked("refresh_token"), 6);
}

#[test]
fn an_id_token_is_signed_by_the_published_key_unless_forged() {
    let mut fixture = Fixture::new();
    let honest = fixture.signed_in();
    let (header, claims, verified) = opened(&mut fixture, honest["id_token"].as_str().unwrap());
    assert!(verified);
    assert_eq!((&header["alg"], &claims["nonce"]), (&json!("RS256"), &json!("a nonce")));
    assert_eq!(claims["aud"], fixture.client_id);
    assert_eq!(claims["tid"], fixture.world.tenant());
    assert_eq!(claims["preferred_username"], USER);
    for forgery in Forgery::ALL {
        fixture.world.forge_next_id_token(forgery);
        let body = fixture.signed_in();
        let Some(token) = body["id_token"].as_str() else {
            assert_eq!(forgery, Forgery::Missing);
            continue;
        };
        let (header, forged, verified) = opened(&mut fixture, token);
        let unsigned = matches!(forgery, Forgery::AlgorithmNone);
        let tampered =
            matches!(forgery, Forgery::OtherKey | Forgery::UnknownKey | Forgery::Tampered);
        assert_eq!(verified, !unsigned && !tampered, "{forgery:?}");
        let differs = forged != claims || header["alg"] != "RS256" || !verified;
        assert!(differs, "{forgery:?}");
    }
    fixture.world.rotate_signing_key();
    let body = fixture.signed_in();
    assert!(opened(&mut fixture, body["id_token"].as_str().unwrap()).2);
}

#[test]
fn an_id_token_names_groups_and_app_roles_unless_there_are_too_many_groups() {
    let mut fixture = Fixture::new();
    let groups: Vec<String> = (0..201).map(|number| format!("group-{number}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut claims = |groups: &[&str], app_roles: &[&str]| {
        fixture.world.set_roles(USER, groups, app_roles);
        let body = fixture.signed_in();
        opened(&mut fixture, body["id_token"].as_str().unwrap()).1
    };
    let none = claims(&[], &[]);
    assert_eq!((&none["groups"], &none["roles"]), (&Value::Null, &Value::Null));
    let few = claims(&groups[..200], &["Operator"]);
    assert_eq!(few["groups"].as_array().unwrap().len(), 200);
    assert_eq!(few["roles"], json!(["Operator"]));
    assert_eq!(few["_claim_names"], Value::Null);
    let many = claims(&groups, &[]);
    assert_eq!(many["groups"], Value::Null);
    assert_eq!(many["_claim_names"], json!({"groups": "src1"}));
}

/// Header, claims, and whether the published key verifies the signature as RS256.
fn opened(fixture: &mut Fixture, token: &str) -> (Value, Value, bool) {
    let path = format!("/{}/discovery/v2.0/keys", fixture.world.tenant());
    let key = fixture.ask(&Request::new("GET", &path)).body_json()["keys"][0].clone();
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let read = |part: &str| serde_json::from_slice::<Value>(&bytes(part)).unwrap();
    let message = format!("{}.{}", parts[0], parts[1]);
    let n = bytes(key["n"].as_str().unwrap());
    let e = bytes(key["e"].as_str().unwrap());
    let components = RsaPublicKeyComponents { n: &n, e: &e };
    let signature = bytes(parts[2]);
    let verified =
        components.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).is_ok();
    (read(parts[0]), read(parts[1]), verified)
}
