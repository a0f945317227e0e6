//! ID tokens with real signatures: the valid one is accepted, and every forged one is rejected.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Header;

use super::*;

const NONCE: &str = "the-nonce";

/// The path of the discovery document.
fn discovery() -> String {
    format!("/{TENANT}/v2.0/.well-known/openid-configuration")
}

fn keys_path() -> String {
    format!("/{TENANT}/discovery/v2.0/keys")
}

fn published(keys: &[(&str, &TestKey)]) -> Reply {
    let keys: Vec<Value> = keys.iter().map(|(id, key)| jwk(id, key)).collect();
    Reply::json(200, &json!({ "keys": keys }))
}

fn jwk(id: &str, key: &TestKey) -> Value {
    let (n, e) = &key.public;
    json!({ "kty": "RSA", "use": "sig", "kid": id, "n": n, "e": e, "x5c": ["ignored"] })
}

fn issuer(fake: &Fake) -> String {
    format!("{}{TENANT}/v2.0", fake.url)
}

fn ready() -> (Fake, Entra) {
    let fake = Fake::start();
    let uri = format!("{}{TENANT}/discovery/v2.0/keys", fake.url);
    let document = json!({ "issuer": issuer(&fake), "jwks_uri": uri });
    fake.on(&discovery(), [Reply::json(200, &document)]);
    fake.on(&keys_path(), [published(&[("ours", &VALID_KEY)])]);
    let entra = fake.entra(ClientAuthentication::Secrets(vec![secret("s")]));
    (fake, entra)
}

fn claims(fake: &Fake) -> Value {
    let now = NOW.ms() / 1_000;
    json!({ "iss": issuer(fake), "aud": CLIENT, "exp": now + 3_600, "nbf": now - 5, "iat": now,
        "nonce": NONCE, "tid": TENANT, "oid": "object-1", "sub": "pairwise",
        "preferred_username": "build@fabrikam.example", "name": "Build" })
}

fn with(fake: &Fake, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims(fake);
    claims[name] = value.into();
    claims
}

fn signed(claims: &Value, key: &TestKey, id: &str) -> Secret {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(id.to_owned());
    Secret::new(jsonwebtoken::encode(&header, claims, &key.signing).expect("it signs"))
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[actix_web::test]
async fn a_valid_token_names_the_account() {
    let (fake, entra) = ready();
    let mut claims = with(&fake, "tid", TENANT.to_uppercase());
    claims["auth_time"] = (NOW.ms() / 1_000 - 60).into();
    let token = signed(&claims, &VALID_KEY, "ours");
    let account = entra.verify_id_token(&token, NONCE).await.expect("it is good");
    assert_eq!(account.object_id, "object-1");
    assert_eq!(account.user_name, "build@fabrikam.example");
    assert_eq!((account.name.as_deref(), account.email), (Some("Build"), None));
    assert_eq!(account.signed_in_at, Some(NOW.minus(std::time::Duration::from_secs(60))));
    entra.clone().verify_id_token(&token, NONCE).await.expect("it is still good");
    assert_eq!(fake.seen().len(), 2, "clones share the keys");
}

#[actix_web::test]
async fn a_forged_token_is_rejected_with_the_reason() {
    let (fake, entra) = ready();
    let now = NOW.ms() / 1_000;
    let cases = [
        ("signature is not valid", signed(&claims(&fake), &FORGED_KEY, "ours")),
        ("another sign-in", signed(&with(&fake, "nonce", "other"), &VALID_KEY, "ours")),
        ("another application", signed(&with(&fake, "aud", "other"), &VALID_KEY, "ours")),
        (
            "lacks a claim",
            signed(&with(&fake, "aud", json!([CLIENT, "other"])), &VALID_KEY, "ours"),
        ),
        ("another tenant", signed(&with(&fake, "tid", "other"), &VALID_KEY, "ours")),
        ("another issuer", signed(&with(&fake, "iss", "https://evil.example"), &VALID_KEY, "ours")),
        ("has expired", signed(&with(&fake, "exp", now - 61), &VALID_KEY, "ours")),
        ("not valid yet", signed(&with(&fake, "nbf", now + 61), &VALID_KEY, "ours")),
        ("lacks a claim", signed(&with(&fake, "oid", Value::Null), &VALID_KEY, "ours")),
        ("does not publish the key", signed(&claims(&fake), &VALID_KEY, "unknown")),
        ("cannot be read", secret("not a token")),
    ];
    for (reason, token) in cases {
        let error = entra.verify_id_token(&token, NONCE).await.expect_err(reason);
        assert!(matches!(error, Error::InvalidIdToken { .. }), "{reason}: {error:?}");
        assert!(error.to_string().contains(reason), "{reason}: {error}");
    }
    for (name, seconds) in [("exp", now - 60), ("nbf", now + 60)] {
        let token = signed(&with(&fake, name, seconds), &VALID_KEY, "ours");
        entra.verify_id_token(&token, NONCE).await.expect("clocks may differ by a minute");
    }
}

#[actix_web::test]
async fn only_rs256_is_accepted() {
    let (fake, entra) = ready();
    let claims = claims(&fake);
    let none = format!("{}.{}.", part(&json!({ "alg": "none", "kid": "ours" })), part(&claims));
    // Signed with the public key as HMAC key: a verifier that trusts `alg` would accept it.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("ours".into());
    let public = URL_SAFE_NO_PAD.decode(&VALID_KEY.public.0).expect("it is base64url");
    let symmetric = EncodingKey::from_secret(&public);
    let symmetric = jsonwebtoken::encode(&header, &claims, &symmetric).expect("it signs");
    let mut other = Header::new(Algorithm::PS256);
    other.kid = Some("ours".into());
    let other = jsonwebtoken::encode(&other, &claims, &VALID_KEY.signing).expect("it signs");
    let nameless =
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &VALID_KEY.signing);
    for token in [none, symmetric, other, nameless.expect("it signs")] {
        let error = entra.verify_id_token(&secret(&token), NONCE).await.expect_err("forged");
        assert!(matches!(error, Error::InvalidIdToken { .. }), "{error:?}");
    }
    assert_eq!(fake.seen().len(), 0, "no keys are fetched for it");
}

#[actix_web::test]
async fn rotated_keys_are_fetched_at_most_once_a_minute() {
    let (fake, entra) = ready();
    entra.verify_id_token(&signed(&claims(&fake), &VALID_KEY, "ours"), NONCE).await.expect("good");
    fake.on(&keys_path(), [published(&[("new", &FORGED_KEY)])]);
    let fetches = || fake.seen().iter().filter(|seen| seen.path == keys_path()).count();
    let token = signed(&claims(&fake), &FORGED_KEY, "new");
    for _ in 0..3 {
        fake.pass(19);
        entra.verify_id_token(&token, NONCE).await.expect_err("the keys were fetched a moment ago");
    }
    assert_eq!(fetches(), 1);
    fake.pass(3);
    entra.verify_id_token(&token, NONCE).await.expect("a minute has passed");
    assert_eq!(fetches(), 2);
    let old = signed(&claims(&fake), &VALID_KEY, "ours");
    entra.verify_id_token(&old, NONCE).await.expect_err("Entra has withdrawn it");
    let tomorrow = with(&fake, "exp", NOW.ms() / 1_000 + 200_000);
    fake.pass(86_400);
    entra.verify_id_token(&signed(&tomorrow, &FORGED_KEY, "new"), NONCE).await.expect("good");
    assert_eq!(fetches(), 3, "keys are fetched again after a day");
}

#[actix_web::test]
async fn keys_are_fetched_from_the_authority_only() {
    let (fake, entra) = ready();
    let token = signed(&claims(&fake), &VALID_KEY, "ours");
    let elsewhere =
        json!({ "issuer": issuer(&fake), "jwks_uri": "http://127.0.0.2/discovery/v2.0/keys" });
    fake.on(&discovery(), [Reply::json(200, &elsewhere)]);
    let error = entra.verify_id_token(&token, NONCE).await.expect_err("it is another host");
    assert!(matches!(error, Error::UnexpectedResponse { .. }), "{error:?}");
    fake.on(&discovery(), [Reply::page(503, "").with("retry-after", "7")]);
    let error = entra.verify_id_token(&token, NONCE).await.expect_err("it is busy");
    assert!(matches!(error, Error::Transient { retry_after: Some(_), .. }), "{error:?}");
    // Without a discovery document the documented paths are used.
    fake.on(&discovery(), [Reply::page(404, "")]);
    entra.verify_id_token(&token, NONCE).await.expect("the keys are in their place");
}

#[actix_web::test]
async fn keys_of_other_issuers_do_not_sign_for_this_tenant() {
    let (fake, entra) = ready();
    let mut personal = jwk("personal", &FORGED_KEY);
    personal["issuer"] = format!("{}9188040d-6c67-4c5b-b112-36a304b66dad/v2.0", fake.url).into();
    let mut common = jwk("common", &VALID_KEY);
    common["issuer"] = format!("{}{{tenantid}}/v2.0", fake.url).into();
    fake.on(&keys_path(), [Reply::json(200, &json!({ "keys": [personal, common] }))]);
    let token = signed(&claims(&fake), &VALID_KEY, "common");
    entra.verify_id_token(&token, NONCE).await.expect("it is ours");
    let token = signed(&claims(&fake), &FORGED_KEY, "personal");
    entra.verify_id_token(&token, NONCE).await.expect_err("it is for personal accounts");
}
