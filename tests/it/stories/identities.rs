//! Identities without minted PATs: apps, machines, and PATs made by hand. One token serves all
//! calls, and the audit log names the identity.
//!
//! They are for organizations in which no service user can be linked. Pull requests get the same
//! statuses with each of them.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fakes::bearers::add_service_principal;
use fakes::journal::Credential;
use serde_json::{Value, json};

use crate::harness::{CLIENT_SECRET, Env, Gateway, STATIC_PAT, Settings};

/// The token that the platform gives to the process, and that the app registration trusts.
const FEDERATED: &str = "a-token-of-the-platform-that-the-app-trusts";

/// Makes an app that is a member of the organization; returns its client id and its identity there.
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

/// Starts a gateway with this credential, opens pull requests, and checks that all went well.
async fn run_pull_requests(env: &Env, change: impl FnOnce(&mut Settings)) -> Gateway {
    let gateway = Gateway::start_with(env, change).await;
    for branch in ["one", "two", "three"] {
        let (id, commit) = env.open(branch);
        env.until_status(id, &commit, "unit-tests", "succeeded").await;
    }
    env.until_idle(&gateway.api).await;
    env.check_invariants();
    assert_eq!(env.shell.ado(|ado| ado.pats().len()), 0, "no PAT is minted");
    let ready = gateway.api.get("/readyz").await;
    assert_eq!(ready["problems"], json!({}));
    gateway
}

/// The number of posted statuses, each of which must carry this kind of credential.
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

/// Checks that the audit log names `identity` for every use, and that one token served all calls.
async fn check_one_token(env: &Env, gateway: &Gateway, identity: &str, grant: &str) {
    let posts = posts(env, Credential::Bearer);
    assert!(posts >= 6, "{posts} statuses were posted");
    let calls = env.shell.entra(|entra| entra.token_calls().to_vec());
    assert_eq!(calls.len(), 1, "one request serves all calls: {calls:?}");
    assert_eq!((calls[0].grant.as_str(), calls[0].refused), (grant, None));
    let all_recorded =
        |list: &Value| list["items"].as_array().is_some_and(|uses| uses.len() > posts);
    let uses = gateway.api.until("/v1/audit?action=use&limit=500", all_recorded).await;
    for used in uses["items"].as_array().expect("a list has items") {
        let entry = [&used["identity"], &used["outcome"], &used["pat"]];
        assert_eq!(entry, [&json!(identity), &json!("done"), &Value::Null], "{used}");
    }
    let asked = gateway.api.items("/v1/audit?action=refresh").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!([&asked[0]["identity"], &asked[0]["outcome"]], [identity, "done"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_with_a_secret_uses_one_token() {
    let env = Env::new(2001);
    let (client_id, _) = app(&env);
    env.shell.entra(|entra| entra.add_secret(&client_id, CLIENT_SECRET));
    let gateway =
        run_pull_requests(&env, |settings| settings.credential = with_secret(&env, &client_id))
            .await;
    check_one_token(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_principal_with_a_certificate_uses_one_token() {
    let env = Env::new(2002);
    let (client_id, _) = app(&env);
    let key = KeyPair::generate(KeySize::Rsa2048).expect("there is randomness");
    let certificate = certificate(&key);
    assert!(env.shell.entra(|entra| entra.add_certificate(&client_id, &certificate)));
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).expect("it can be written");
    let both = pem("PRIVATE KEY", private.as_ref()) + &pem("CERTIFICATE", &certificate);
    let gateway = run_pull_requests(&env, |settings| {
        let path = settings.folder.join("app.pem");
        std::fs::write(&path, both).expect("the folder is writable");
        let keys = format!("client_certificate = {{ file = \"{}\" }}", path.display());
        settings.credential = credential(&env, "service_principal", &client_id, &keys);
    })
    .await;
    check_one_token(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_identity_uses_one_token() {
    let env = Env::new(2003);
    let (client_id, _) = app(&env);
    env.shell.entra(|entra| entra.add_federated_token(&client_id, FEDERATED));
    let gateway = run_pull_requests(&env, |settings| {
        let path = settings.folder.join("federated-token");
        std::fs::write(&path, FEDERATED).expect("the folder is writable");
        let keys = format!("token_file = \"{}\"", path.display());
        settings.credential = credential(&env, "workload_identity", &client_id, &keys);
    })
    .await;
    check_one_token(&env, &gateway, &client_id, "client_credentials").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_identity_is_the_machines_own_or_the_configured_one() {
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
        let gateway = run_pull_requests(&env, |settings| {
            let url = env.shell.url();
            settings.credential = format!("kind = \"managed_identity\"\nendpoint_url = \"{url}\"");
            if is_named {
                settings.credential += &format!("\nclient_id = \"{client_id}\"");
            }
        })
        .await;
        let identity = if is_named { &client_id } else { "the machine's identity" };
        check_one_token(&env, &gateway, identity, "managed_identity").await;
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pat_made_by_hand_serves_every_call_without_entra() {
    let env = Env::new(2006);
    let gateway = run_pull_requests(&env, |settings| settings.credential = STATIC_PAT.into()).await;
    let posts = posts(&env, Credential::Basic);
    assert!(posts >= 6, "{posts} statuses were posted");
    assert!(env.shell.entra(|entra| entra.token_calls().is_empty()));
    let all_recorded =
        |list: &Value| list["items"].as_array().is_some_and(|uses| uses.len() > posts);
    let uses = gateway.api.until("/v1/audit?action=use&limit=500", all_recorded).await;
    for used in uses["items"].as_array().expect("a list has items") {
        assert_eq!([&used["identity"], &used["pat"]], [&Value::Null, &Value::Null], "{used}");
        assert_eq!(used["outcome"], "done", "{used}");
    }
    gateway.stop().await;
}

/// Waits until the problem of the organization contains these words, and returns its text.
async fn problem(gateway: &Gateway, words: &str) -> String {
    let says = |body: &Value| {
        body["problems"]["fabrikam"].as_str().is_some_and(|reason| reason.contains(words))
    };
    let ready = gateway.api.until("/readyz", says).await;
    assert_eq!(ready["status"], "ready", "deliveries are accepted");
    ready["problems"]["fabrikam"].as_str().unwrap_or_default().to_owned()
}

/// Checks that a pull request is run although its status waits, and that the status says why.
async fn check_status_waits(env: &Env, gateway: &Gateway, words: &str) {
    let (id, commit) = env.open("topic");
    env.until_started("unit-tests", &commit).await;
    env.until_delivered().await;
    let waits = |statuses: &Value| {
        let items = statuses["items"].as_array().expect("a list has items");
        items.iter().any(|one| one["reason"].as_str().is_some_and(|why| why.contains(words)))
    };
    gateway.api.until("/v1/statuses?outcome=queued", waits).await;
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
    let gateway = Gateway::start_with(&env, |settings| {
        settings.credential = with_secret(&env, &client_id);
    })
    .await;
    // The problem shows before the first status needs a token.
    let reason = problem(&gateway, "AADSTS7000215").await;
    for words in ["the client secret is wrong", "the Value of the secret", "client_secret"] {
        assert!(reason.contains(words), "{words} is not in: {reason}");
    }
    assert!(!reason.contains(CLIENT_SECRET), "{reason}");
    check_status_waits(&env, &gateway, "AADSTS7000215").await;
    let refused = gateway.api.items("/v1/audit?action=refresh&outcome=refused").await;
    assert!(refused.iter().all(|entry| entry["identity"] == *client_id), "{refused:?}");
    assert!(!refused.is_empty());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_problem_says_to_add_an_app_that_is_no_member() {
    let env = Env::new(2008);
    let (client_id, member) = app(&env);
    env.shell.entra(|entra| entra.add_secret(&client_id, CLIENT_SECRET));
    env.shell.ado(|ado| ado.remove_member(&member));
    let gateway = Gateway::start_with(&env, |settings| {
        settings.credential = with_secret(&env, &client_id);
    })
    .await;
    check_status_waits(&env, &gateway, "Add the app").await;
    let reason = problem(&gateway, "TF400813").await;
    assert!(reason.contains("Organization settings > Users"), "{reason}");
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

/// An X.509 certificate that has a key, but no names and no signature: the fake Entra reads only
/// the key.
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
