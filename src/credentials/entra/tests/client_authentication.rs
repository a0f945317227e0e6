//! The start of a sign-in, and how the app authenticates itself.

use std::collections::BTreeMap;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, Validation};
use sha2::{Digest, Sha256};

use super::*;

/// Only the key of the certificate is read, so the rest can be missing.
fn certificate(key: &TestKey) -> Vec<u8> {
    let modulus = URL_SAFE_NO_PAD.decode(&key.public.0).expect("it is base64url");
    [&[0x30, 0x82, 0x03][..], &modulus, &[0x02, 0x03, 1, 0, 1][..]].concat()
}

#[test]
fn the_authorize_url_has_state_nonce_and_challenge_but_no_secret() {
    let url = Url::parse("https://login.microsoftonline.com").expect("it is an address");
    let app = App { authority: authority(&url), client_id: CLIENT.into() };
    let entra = Entra::new(http(), app, ClientAuthentication::Secrets(vec![]), Clock::new(|| NOW));
    let login = Login::begin().expect("there is randomness");
    let back = Url::parse("https://gateway.example/connect/callback?a=b").expect("an address");
    let url = entra.authorize_url(&login, &back, Who::Asked(Some("build@fabrikam.example")));
    assert_eq!(url.path(), format!("/{TENANT}/oauth2/v2.0/authorize"));
    let query: BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(login.verifier.expose()));
    for (name, value) in [
        ("client_id", CLIENT),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", back.as_str()),
        ("scope", PAT_SCOPES),
        ("state", login.state.expose()),
        ("nonce", login.nonce.expose()),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("prompt", "select_account"),
        ("login_hint", "build@fabrikam.example"),
    ] {
        assert_eq!(query[name], value, "{name}");
    }
    assert_eq!(query.len(), 11);
    assert!(!url.as_str().contains(login.verifier.expose()), "the verifier is not sent");
    assert!(!url.as_str().contains(login.browser.expose()), "the cookie is not sent");
    assert!(PAT_SCOPES.split(' ').all(|scope| !scope.is_empty()), "{PAT_SCOPES:?}");
    let plain = entra.authorize_url(&login, &back, Who::Asked(None));
    assert!(!plain.as_str().contains("login_hint"));
}

#[test]
fn two_sign_ins_have_different_values() {
    let (one, two) = (Login::begin().expect("random"), Login::begin().expect("random"));
    let values = [&one.state, &one.nonce, &one.verifier, &one.browser, &two.state, &two.verifier];
    let values: std::collections::BTreeSet<_> = values.iter().map(|one| one.expose()).collect();
    assert_eq!(values.len(), 6);
    assert!(values.iter().all(|value| value.len() == 43), "RFC 7636 demands 43 to 128");
    assert!(!format!("{one:?}").contains(one.verifier.expose()));
}

#[actix_web::test]
async fn a_certificate_signs_a_new_short_lived_assertion_for_each_request() {
    let fake = Fake::start();
    fake.on_token([granted()]);
    let der = certificate(&VALID_KEY);
    let both = format!("{}{}", VALID_KEY.pem, pem("CERTIFICATE", &der));
    let certificate = Certificate::from_pem(&secret(&both), &both).expect("they belong together");
    let entra = fake.entra(ClientAuthentication::Certificate(certificate));
    entra.client_credentials().await.expect("it is granted");
    entra.client_credentials().await.expect("it is granted");
    let forms: Vec<_> = fake.seen().into_iter().map(|seen| seen.form).collect();
    assert_ne!(forms[0]["client_assertion"], forms[1]["client_assertion"]);
    assert!(forms[0]["client_assertion_type"].ends_with(":jwt-bearer"));
    assert!(!forms[0].contains_key("client_secret"));
    let token = &forms[0]["client_assertion"];
    let header = jsonwebtoken::decode_header(token).expect("it is a JWT");
    assert_eq!(header.x5t_s256, Some(URL_SAFE_NO_PAD.encode(Sha256::digest(&der))));
    let endpoint = format!("{}{TENANT}/oauth2/v2.0/token", fake.url);
    let mut rules = Validation::new(Algorithm::PS256);
    rules.set_audience(&[&endpoint]);
    rules.set_issuer(&[CLIENT]);
    rules.validate_exp = false;
    let (n, e) = &VALID_KEY.public;
    let key = DecodingKey::from_rsa_components(n, e).expect("it is RSA");
    let claims = jsonwebtoken::decode::<Value>(token, &key, &rules).expect("it verifies").claims;
    assert_eq!(claims["sub"], CLIENT);
    assert_eq!(claims["nbf"], NOW.ms() / 1_000);
    assert_eq!(claims["exp"], NOW.ms() / 1_000 + 300);
    assert!(claims["jti"].as_str().is_some_and(|id| id.len() == 36));
    assert!(!format!("{entra:?}").contains("BEGIN"));
}

#[test]
fn an_unusable_certificate_is_rejected_when_it_is_read() {
    let good = pem("CERTIFICATE", &certificate(&VALID_KEY));
    let from = |key: &str, certificate: &str| {
        Certificate::from_pem(&secret(key), certificate).map(|_| ()).expect_err("it is unusable")
    };
    assert_eq!(from(&FORGED_KEY.pem, &good), CertificateError::Mismatch);
    assert_eq!(from(&good, &good), CertificateError::NoKey);
    assert_eq!(from(&VALID_KEY.pem, &VALID_KEY.pem), CertificateError::NoCertificate);
    assert_eq!(from(&pem("ENCRYPTED PRIVATE KEY", b"x"), &good), CertificateError::EncryptedKey);
    assert_eq!(from(&pem("PRIVATE KEY", b"x"), &good), CertificateError::BadKey);
    let bad = good.replace("MII", "###");
    let bad = if bad == good { good.replace("-\n", "-\n###") } else { bad };
    assert_eq!(from(&VALID_KEY.pem, &bad), CertificateError::BadCertificate);
}

#[actix_web::test]
async fn the_token_file_is_read_for_every_request() {
    let fake = Fake::start();
    fake.on_token([granted()]);
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let entra = fake.entra(ClientAuthentication::Federated { token_file: file.path().to_owned() });
    for text in ["first.jwt.x\n", "second.jwt.x"] {
        std::fs::write(file.path(), text).expect("it is writable");
        entra.refresh(&secret("refresh-0")).await.expect("it is granted");
    }
    let seen = fake.seen();
    let sent: Vec<&str> = seen.iter().map(|seen| seen.form["client_assertion"].as_str()).collect();
    assert_eq!(sent, ["first.jwt.x", "second.jwt.x"]);
    file.close().expect("it can go");
    let error = entra.client_credentials().await.expect_err("there is no file");
    let Error::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.remedy, Remedy::Configuration);
    assert!(refusal.advice.contains("cannot be read"), "{}", refusal.advice);
    let none = fake.entra(ClientAuthentication::Secrets(vec![])).client_credentials().await;
    assert!(matches!(none, Err(Error::Refused(_))), "{none:?}");
    assert_eq!(fake.seen().len(), 2);
}
