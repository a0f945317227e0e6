//! `keygen`: secrets that the configuration accepts, and hooks that the server accepts.

use base64::Engine as _;
use reqwest::StatusCode;

use super::call::{ReferenceConfig, ask, run};
use crate::harness::{Binary, Env};

#[test]
fn prints_a_new_root_key_without_a_configuration() {
    let nothing = std::collections::BTreeMap::new();
    let keys = [(); 2].map(|()| run(&nothing, &["keygen"], b"").done());
    assert_ne!(keys[0], keys[1]);
    let bytes = base64::engine::general_purpose::STANDARD.decode(keys[0].trim());
    assert_eq!(bytes.expect("it is base64").len(), 32);
    let mut config = ReferenceConfig::new();
    config.variables.insert("AZDO_GATEWAY_ROOT_KEY".to_owned(), keys[0].trim().to_owned());
    config.run(&["check-config"]).done();
}

#[test]
fn prints_a_webhook_secret_that_the_configuration_accepts() {
    let mut config = ReferenceConfig::new();
    let secret = config.run(&["keygen", "--webhook"]).done().trim().to_owned();
    assert!(secret.starts_with("whsec_"), "{secret}");
    config.variables.insert("BUILDER_SECRET".to_owned(), secret);
    config.run(&["check-config"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_the_password_of_a_hook_that_the_server_accepts() {
    let env = Env::new(1);
    let gateway = Binary::without_hooks(&env, |_| {}).await;
    let hook = ask(&gateway.settings, &["keygen", "--hook", "FABRIKAM/by-hand", "--json"]).json();
    let text = |name: &str| hook[name].as_str().expect("it is a text").to_owned();
    let deliver = async |password: String| {
        let request = reqwest::Client::new().post(text("url")).body("{}");
        request.basic_auth(text("user"), Some(password)).send().await.expect("it answers").status()
    };
    assert_eq!(deliver(text("password")).await, StatusCode::ACCEPTED);
    assert_eq!(deliver("another".to_owned()).await, StatusCode::UNAUTHORIZED);
    let table = ask(&gateway.settings, &["keygen", "--hook", "fabrikam/by-hand"]).done();
    for value in ["url", "user", "password"].map(text) {
        assert!(table.contains(&value), "{value} is not in {table}");
    }
}

#[test]
fn refuses_wrong_usage() {
    let config = ReferenceConfig::new();
    let usage = "ORGANIZATION/NAME";
    config.run(&["keygen", "--hook", "my-devops-org"]).refused(2, &[usage]);
    config.run(&["keygen", "--hook", "my-devops-org/"]).refused(2, &[usage]);
    config.run(&["keygen", "--hook", "my-devops-org/a/b"]).refused(2, &[usage]);
    config.run(&["keygen", "--hook", "other/push"]).refused(2, &["there is no organization other"]);
    config.run(&["keygen", "--webhook", "--hook", "a/b"]).refused(2, &["cannot be used with"]);
}
