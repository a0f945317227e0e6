//! Applications: secrets, certificates, federated tokens, managed identities.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, PublicKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Fixture, RESOURCE, SECRET, refusal};
use crate::access_token::Subject;
use crate::http::{Request, Response};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Fixture {
    fn by_secret(&mut self, secret: &str) -> Response {
        let (client_id, scope) = (self.client_id.clone(), format!("{RESOURCE}/.default"));
        self.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("client_secret", secret),
            ("scope", &scope),
        ])
    }

    fn by_assertion(&mut self, assertion: &str) -> Response {
        let (client_id, scope) = (self.client_id.clone(), format!("{RESOURCE}/.default"));
        self.token(&[
            ("grant_type", "client_credentials"),
            ("client_id", &client_id),
            ("client_assertion_type", ASSERTION_TYPE),
            ("client_assertion", assertion),
            ("scope", &scope),
        ])
    }

    fn claims(&self) -> Value {
        let now_s = self.now_ms / 1_000;
        json!({
            "aud": format!("http://localhost:7/{}/oauth2/v2.0/token", self.world.tenant()),
            "iss": self.client_id,
            "sub": self.client_id,
            "jti": "once",
            "nbf": now_s,
            "exp": now_s + 300,
        })
    }
}

#[test]
fn an_application_authenticates_with_a_secret() {
    let mut fixture = Fixture::new();
    let body = fixture.by_secret(SECRET).body_json();
    assert!(body["access_token"].is_string() && body.get("refresh_token").is_none());
    let issued = fixture.world.take_issued();
    assert!(matches!(issued[0].subject, Subject::Application { .. }));
    let wrong = fixture.by_secret("wrong");
    assert_eq!(refusal(&wrong), (401, "invalid_client".to_owned(), 7_000_215));
    let client_id = fixture.client_id.clone();
    fixture.world.expire_secret(&client_id, SECRET);
    assert_eq!(refusal(&fixture.by_secret(SECRET)).2, 7_000_222);
    let nothing = fixture.token(&[("grant_type", "client_credentials"), ("client_id", &client_id)]);
    assert_eq!(refusal(&nothing).2, 7_000_218);
    let stranger = fixture.token(&[("grant_type", "refresh_token"), ("client_id", "nobody")]);
    assert_eq!(refusal(&stranger), (400, "unauthorized_client".to_owned(), 700_016));
}

#[test]
fn an_application_authenticates_with_a_secret_in_the_header() {
    let mut fixture = Fixture::new();
    let credentials = STANDARD.encode(format!("{}:client%20secret", fixture.client_id));
    let target = format!("/{}/oauth2/v2.0/token", fixture.world.tenant());
    let body = format!("grant_type=client_credentials&scope={RESOURCE}%2F.default");
    let request = Request { body: body.into_bytes(), ..Request::new("POST", &target) }
        .with_header("authorization", &format!("Basic {credentials}"))
        .with_header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(fixture.ask(&request).status, 200);
    let unannounced = Request { headers: Vec::new(), ..request };
    assert_eq!(refusal(&fixture.ask(&unannounced)).2, 900_144);
}

#[test]
fn an_application_authenticates_with_a_certificate() {
    let mut fixture = Fixture::new();
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let certificate = certificate(key.public_key());
    let client_id = fixture.client_id.clone();
    assert!(fixture.world.add_certificate(&client_id, &certificate));
    assert!(!fixture.world.add_certificate(&client_id, b"no certificate"));
    let good = fixture.claims();
    for algorithm in ["PS256", "RS256"] {
        let assertion = signed(&key, algorithm, &certificate, &good);
        assert_eq!(fixture.by_assertion(&assertion).status, 200, "{algorithm}");
    }
    let now_s = fixture.now_ms / 1_000;
    for (claim, value) in [
        ("aud", json!("https://login.example.com/token")),
        ("iss", json!("somebody")),
        ("sub", json!("somebody")),
        ("jti", Value::Null),
        ("exp", json!(now_s - 1)),
        ("exp", json!(now_s + 3_600)),
        ("nbf", json!(now_s + 3_600)),
    ] {
        let mut claims = good.clone();
        claims[claim] = value;
        let assertion = signed(&key, "PS256", &certificate, &claims);
        let answer = fixture.by_assertion(&assertion);
        assert_eq!(refusal(&answer), (401, "invalid_client".to_owned(), 700_027), "{claim}");
    }
    let other = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let assertion = signed(&other, "PS256", &certificate, &good);
    assert_eq!(refusal(&fixture.by_assertion(&assertion)).2, 700_027);
}

#[test]
fn a_registered_federated_token_is_accepted() {
    let mut fixture = Fixture::new();
    assert_eq!(refusal(&fixture.by_assertion("from the cluster")).2, 700_213);
    let client_id = fixture.client_id.clone();
    fixture.world.add_federated_token(&client_id, "from the cluster");
    assert_eq!(fixture.by_assertion("from the cluster").status, 200);
}

#[test]
fn a_machine_gets_tokens_for_its_managed_identity() {
    let mut fixture = Fixture::new();
    let path = "/metadata/identity/oauth2/token";
    let target = format!("{path}?api-version=2018-02-01&resource={RESOURCE}");
    let marked = |target: &str| Request::new("GET", target).with_header("Metadata", "true");
    assert_eq!(fixture.ask(&marked(&target)).status, 400);
    let (client_id, object_id) = fixture.world.add_managed_identity();
    assert_eq!(fixture.ask(&Request::new("GET", &target)).status, 400);
    let body = fixture.ask(&marked(&target)).body_json();
    assert_eq!(body["client_id"], client_id);
    assert!(body["expires_in"].is_string());
    let issued = fixture.world.take_issued();
    assert_eq!(issued[0].subject, Subject::Application { object_id });
    fixture.world.add_managed_identity();
    assert_eq!(fixture.ask(&marked(&target)).status, 400);
    assert_eq!(fixture.ask(&marked(&format!("{target}&client_id={client_id}"))).status, 200);
    assert_eq!(fixture.world.granted("managed_identity"), 2);
}

fn signed(key: &RsaKeyPair, algorithm: &str, certificate: &[u8], claims: &Value) -> String {
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(certificate));
    let header = json!({"alg": algorithm, "typ": "JWT", "x5t#S256": thumbprint});
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encoded(&header), encoded(claims));
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    let bytes = message.as_bytes();
    if algorithm == "PS256" {
        key.sign(&RSA_PSS_SHA256, &random, bytes, &mut signature).unwrap();
    } else {
        key.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).unwrap();
    }
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The shape of an X.509 certificate around a key, without names and without a signature.
fn certificate(key: &PublicKey) -> Vec<u8> {
    let info = key.as_der().unwrap();
    let empty = element(0x30, &[]);
    let version = element(0xa0, &[0x02, 0x01, 0x02]);
    let serial = element(0x02, &[1]);
    let mut inside = [version, serial].concat();
    for _ in 0..4 {
        inside.extend(&empty);
    }
    inside.extend(info.as_ref());
    let body = [element(0x30, &inside), empty, element(0x03, &[0])].concat();
    element(0x30, &body)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}
