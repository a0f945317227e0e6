//! Identities that mint nothing: apps, machines and tokens made by hand. Each lends what it has to
//! every call, is named in the audit log, and is asked for a token once.
//!
//! They are the way out for organizations in which nobody may be linked. It must never matter to a
//! pull request which of them the gateway is.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::bearers::add_service_principal;
use fakes::journal::Credential;
use serde_json::{Value, json};

use crate::harness::{CLIENT_SECRET, Env, InProcess, STATIC_PAT, Settings};

/// What the platform gives to the process, and the app trusts.
const FEDERATED: &str = "a-token-of-the-platform-that-the-app-trusts";

/// An app that is a member of the organization; its client id and its identity there.
fn app(env: &Env) -> (String, String) {
    env.shell.entra(|entra| {
        let client_id = entra.add_app();
        let member = env.shell.ado(|ado| add_service_principal(ado, entra, "Gate", &client_id));
        (client_id, member)
    })
}

fn credential(env: &Env, kind: &str, client_id: &str, keys: &str) -> String {
    let (tenant, authority) = (env.shell.entra(|entra| entra.tenant().to_owned()), env.shell.url());
    format!(
        "kind = \"{kind}\"\ntenant_id = \"{tenant}\"\nclient_id = \"{client_id}\"\n\
         authority_url = \"{authority}\"\n{keys}"
    )
}

fn with_secret(env: &Env, client_id: &str) -> String {
    credential(env, "service_principal", client_id, "client_secret = { env = \"CLIENT_SECRET\" }")
}

/// A gateway with this credential, after a pull request's life; it must have gone well.
async fn lives(env: &Env, change: impl FnOnce(&mut Settings)) -> InProcess {
    let gateway = InProcess::start_with(env, change).await;
    for branch in ["one", "two", "three"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    env.check_invariants();
    assert_eq!(env.shell.ado(|ado| ado.pats().len()), 0, "nothing is minted");
    let ready = gateway.api.get("/readyz").await;
    assert_eq!(ready["problems"], json!({}));
    gateway
}

/// How many requests for posting statuses there were, each of which has to present this.
fn posts(env: &Env, presented: Credential) -> usize {
    env.shell.ado(|ado| {
        let is_post = |entry: &&fakes::journal::Entry| {
            entry.method == "POST" && entry.target.contains("/statuses")
        };
        let posts: Vec<_> = ado.journal.entries().filter(is_post).collect();
        assert!(posts.iter().all(|entry| entry.credential == presented), "{posts:?}");
        posts.len()
    })
}

/// Every use is written down as that of `identity`, and one token request served them all.
async fn asked_once(env: &Env, gateway: &InProcess, identity: &str, grant: &str) {
    let posts = posts(env, Credential::Bearer);
    assert!(posts >= 6, "{posts} statuses were posted");
    let calls = env.shell.entra(|entra| entra.token_calls().to_vec());
    assert_eq!(calls.len(), 1, "one request serves all calls: {calls:?}");
    assert_eq!((calls[0].grant.as_str(), calls[0].refused), (grant, None));
    let all_told = |list: &Value| list["items"].as_array().is_some_and(|uses| uses.len() > posts);
    let uses = gateway.api.until("/v1/audit?action=use&limit=500", all_told).await;
    for used in uses["items"].as_array().expect("a list has items") {
        let told = [&used["identity"], &used["outcome"], &used["pat"]];
        assert_eq!(told, [&json!(identity), &json!("done"), &Value::Null], "{used}");
    }
    let asked = gateway.api.items("/v1/audit?action=refresh").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!([&asked[0]["identity"], &asked[0]["outcome"]], [identity, "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_a_secret_lends_its_token() {
    let env = Env::new(2001);
    let (client_id, _) = app(&env);
    env.shell.entra(|entra| entra.add_secret(&client_id, CLIENT_SECRET));
    let gateway = lives(&env, |settings| settings.credential = with_secret(&env, &client_id)).await;
    asked_once(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_with_a_certificate_lends_its_token() {
    let env = Env::new(2002);
    let (client_id, _) = app(&env);
    let key = KeyPair::generate(KeySize::Rsa2048).expect("there is randomness");
    let certificate = certificate(&key);
    assert!(env.shell.entra(|entra| entra.add_certificate(&client_id, &certificate)));
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).expect("it can be written");
    let both = pem("PRIVATE KEY", private.as_ref()) + &pem("CERTIFICATE", &certificate);
    let gateway = lives(&env, |settings| {
        let path = settings.folder.join("app.pem");
        std::fs::write(&path, both).expect("the folder is writable");
        let keys = format!("client_certificate = {{ file = \"{}\" }}", path.display());
        settings.credential = credential(&env, "service_principal", &client_id, &keys);
    })
    .await;
    asked_once(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_lends_what_its_platform_vouches_for() {
    let env = Env::new(2003);
    let (client_id, _) = app(&env);
    env.shell.entra(|entra| entra.add_federated_token(&client_id, FEDERATED));
    let gateway = lives(&env, |settings| {
        let path = settings.folder.join("federated-token");
        std::fs::write(&path, FEDERATED).expect("the folder is writable");
        let keys = format!("token_file = \"{}\"", path.display());
        settings.credential = credential(&env, "workload_identity", &client_id, &keys);
    })
    .await;
    asked_once(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_lends_its_own_identity_or_the_one_that_is_named() {
    for (seed, is_named) in [(2004, false), (2005, true)] {
        let env = Env::new(seed);
        let (client_id, object_id) = env.shell.entra(|entra| {
            if is_named {
                entra.add_managed_identity();
            }
            entra.add_managed_identity()
        });
        let tenant = env.shell.entra(|entra| entra.tenant().to_owned());
        env.shell.ado(|ado| {
            ado.set_tenant(&tenant);
            ado.create_identity("Gate", &object_id)
        });
        let gateway = lives(&env, |settings| {
            let url = env.shell.url();
            settings.credential = format!("kind = \"managed_identity\"\nendpoint_url = \"{url}\"");
            if is_named {
                settings.credential += &format!("\nclient_id = \"{client_id}\"");
            }
        })
        .await;
        let identity = if is_named { &client_id } else { "the machine's identity" };
        asked_once(&env, &gateway, identity, "managed_identity").await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_made_by_hand_serves_every_call_and_asks_nobody() {
    let env = Env::new(2006);
    let gateway = lives(&env, |settings| settings.credential = STATIC_PAT.into()).await;
    let posts = posts(&env, Credential::Basic);
    assert!(posts >= 6, "{posts} statuses were posted");
    assert!(env.shell.entra(|entra| entra.token_calls().is_empty()));
    let all_told = |list: &Value| list["items"].as_array().is_some_and(|uses| uses.len() > posts);
    let uses = gateway.api.until("/v1/audit?action=use&limit=500", all_told).await;
    for used in uses["items"].as_array().expect("a list has items") {
        assert_eq!([&used["identity"], &used["pat"]], [&Value::Null, &Value::Null], "{used}");
        assert_eq!(used["outcome"], "done", "{used}");
    }
    gateway.stop().await;
}

/// Waits until the operator is told these words, and says what else.
async fn problem(gateway: &InProcess, words: &str) -> String {
    let says = |body: &Value| {
        body["problems"]["fabrikam"].as_str().is_some_and(|told| told.contains(words))
    };
    let ready = gateway.api.until("/readyz", says).await;
    assert_eq!(ready["status"], "ready", "deliveries are accepted");
    ready["problems"]["fabrikam"].as_str().unwrap_or_default().to_owned()
}

/// A pull request is taken in and started; its status waits, and says why.
async fn waits(env: &Env, gateway: &InProcess, words: &str) {
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.until_delivered().await;
    let told = |statuses: &Value| {
        let items = statuses["items"].as_array().expect("a list has items");
        items.iter().any(|one| one["reason"].as_str().is_some_and(|why| why.contains(words)))
    };
    gateway.api.until("/v1/statuses?outcome=queued", told).await;
    assert!(gateway.api.items("/v1/statuses?outcome=refused").await.is_empty());
    assert!(env.statuses(id, "unit-tests").is_empty());
    let taken = env.deliver(&gateway.url, "git-push", "{}").await;
    assert_eq!(taken, reqwest::StatusCode::ACCEPTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_named_and_statuses_wait() {
    let env = Env::new(2007);
    let (client_id, _) = app(&env);
    env.shell.entra(|entra| entra.add_secret(&client_id, "another secret than the gateway's"));
    let gateway = InProcess::start_with(&env, |settings| {
        settings.credential = with_secret(&env, &client_id);
    })
    .await;
    // It shows before the first status needs a token.
    let told = problem(&gateway, "AADSTS7000215").await;
    for words in ["the client secret is wrong", "the Value of the secret", "client_secret"] {
        assert!(told.contains(words), "{words} is not in: {told}");
    }
    assert!(!told.contains(CLIENT_SECRET), "{told}");
    waits(&env, &gateway, "AADSTS7000215").await;
    let refused = gateway.api.items("/v1/audit?action=refresh&outcome=refused").await;
    assert!(refused.iter().all(|entry| entry["identity"] == *client_id), "{refused:?}");
    assert!(!refused.is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_no_member_is_told_to_be_added() {
    let env = Env::new(2008);
    let (client_id, member) = app(&env);
    env.shell.entra(|entra| entra.add_secret(&client_id, CLIENT_SECRET));
    env.shell.ado(|ado| ado.remove_member(&member));
    let gateway = InProcess::start_with(&env, |settings| {
        settings.credential = with_secret(&env, &client_id);
    })
    .await;
    waits(&env, &gateway, "Add the app").await;
    let told = problem(&gateway, "TF400813").await;
    assert!(told.contains("Organization settings > Users"), "{told}");
    let refused = gateway.api.items("/v1/audit?action=use&outcome=refused").await;
    assert!(refused.iter().any(|entry| entry["identity"] == *client_id), "{refused:?}");
    gateway.stop().await;
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = (0..text.len()).step_by(64).filter_map(|at| text.get(at..)).collect();
    let lines: Vec<_> = lines.iter().map(|line| line.get(..64).unwrap_or(line)).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The shape of an X.509 certificate around a key, without names and without a signature: what
/// Entra wants of it is the key.
fn certificate(key: &KeyPair) -> Vec<u8> {
    let info = key.public_key();
    let info = AsDer::<PublicKeyX509Der<'_>>::as_der(info).expect("it can be written");
    let empty = element(0x30, &[]);
    let mut inside = [element(0xa0, &[0x02, 0x01, 0x02]), element(0x02, &[1])].concat();
    inside.extend(empty.repeat(4));
    inside.extend(info.as_ref());
    element(0x30, &[element(0x30, &inside), empty, element(0x03, &[0])].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
    [&[tag, 0x82], &length[..], content].concat()
}
