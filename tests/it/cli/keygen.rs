//! `keygen`: secrets that the configuration accepts, and hooks that the server accepts.

use base64::Engine as _;
use reqwest::StatusCode;

use super::call::{ReferenceConfig, ask, run};
use crate::harness::{Binary, Env, payloads};

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
    let any = ["keygen", "--hook", "FABRIKAM/by-hand", "--any-project", "--json"];
    let hook = ask(&gateway.settings, &any).json();
    let text = |name: &str| hook[name].as_str().expect("it is a text").to_owned();
    let deliver = async |password: String| {
        let request = reqwest::Client::new().post(text("url")).body("{}");
        request.basic_auth(text("user"), Some(password)).send().await.expect("it answers").status()
    };
    assert_eq!(deliver(text("password")).await, StatusCode::ACCEPTED);
    assert_eq!(deliver("another".to_owned()).await, StatusCode::UNAUTHORIZED);
    let any = ["keygen", "--hook", "fabrikam/by-hand", "--any-project"];
    let table = ask(&gateway.settings, &any).done();
    for value in ["url", "user", "password"].map(text) {
        assert!(table.contains(&value), "{value} is not in {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_for_one_project_reports_pushes_of_that_project_only() {
    let env = Env::new(2);
    let gateway = Binary::without_hooks(&env, |settings| {
        settings.checks = settings.checks.replace("Fabrikam/*", "*/*");
    })
    .await;
    let old = env.shell.ado(|ado| ado.head(&env.repository, "main").unwrap().to_owned());
    let commit = env.push("main");
    for (project, outcome) in
        [("Tools", "quarantined"), ("fabrikam", "started"), (&env.project, "duplicate")]
    {
        let arguments = ["keygen", "--hook", "fabrikam/by-hand", "--project", project, "--json"];
        let hook = ask(&gateway.settings, &arguments).json();
        let text = |name: &str| hook[name].as_str().expect("it is a text").to_owned();
        let body = payloads::push(&env, "main", &old, &commit, 1).to_string();
        let request = reqwest::Client::new().post(text("url")).body(body);
        let request = request.basic_auth(text("user"), Some(text("password")));
        let answer = request.send().await.expect("it answers");
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{project}");
        env.until_decided(&gateway.api).await;
        let delivery = gateway.api.items("/v1/deliveries").await.remove(0);
        assert_eq!(delivery["outcome"], outcome, "{delivery}");
    }
    assert_eq!(env.starts(), 1);
}

#[test]
fn refuses_a_hook_without_a_project_and_says_what_its_password_could_do() {
    let config = ReferenceConfig::new();
    let explained = ["--project", "every project of my-devops-org", "--any-project"];
    config.run(&["keygen", "--hook", "my-devops-org/push"]).refused(2, &explained);
    let both = ["keygen", "--hook", "my-devops-org/push", "--project", "A", "--any-project"];
    config.run(&both).refused(2, &["cannot be used with"]);
    config.run(&["keygen", "--project", "A"]).refused(2, &["--hook"]);
    let owned = "my-devops-org/pushes-6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c-1-0a1b2c3d";
    config.run(&["keygen", "--hook", owned]).done();
    config.run(&["keygen", "--hook", owned, "--project", "A"]).refused(2, &["names its project"]);
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
