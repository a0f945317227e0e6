//! The pages in a real browser: `tests/browser` drives the Chromium of Debian against the binary
//! and the fakes.

use std::process::{Command, Stdio};

use crate::harness::{Binary, Env, OPERATOR, VIEWER};

/// Who signs in at the installation that is new. The operator works at Azure DevOps as well.
const PEOPLE: [(&str, &str); 3] = [
    ("Jo Doe", "jo@fabrikam.example"),
    ("Vi Poe", "vi@fabrikam.example"),
    ("Dee Roe", "dee@fabrikam.example"),
];

/// Prints what each test of `tests/browser` came to.
#[tokio::test(flavor = "multi_thread")]
async fn pages_work_in_a_real_browser() {
    if std::env::var_os("AZDO_GATEWAY_WITHOUT_BROWSER").is_some() {
        return;
    }
    let (env, new_env) = (Env::new(4400), Env::new(4399));
    let (gateway, new) = (Binary::start(&env).await, new_installation(&new_env).await);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/main.mjs");
    let mut tests = Command::new("node");
    tests.arg(script).stdin(Stdio::null());
    tests.env("GATEWAY", &gateway.url).env("FAKES", env.shell.url());
    tests.env("NEW_GATEWAY", &new.url).env("NEW_FAKES", new_env.shell.url());
    tests.env("OPERATOR", OPERATOR).env("VIEWER", VIEWER);
    let output = tokio::task::spawn_blocking(move || tests.output()).await.expect("it ends");
    let output = output.expect("Node is there (`tests/browser/install`)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    println!("{said}");
}

/// A gateway that nobody has set up, at which people sign in with Entra.
async fn new_installation(env: &Env) -> Binary {
    // Another site than the gateway, as it is for people: that decides which cookies are sent.
    let elsewhere = |keys: String| keys.replace("127.0.0.1", "localhost");
    let [(_, operator), (_, viewer), _] = PEOPLE;
    let roles = format!("operators = [\"{operator}\"]\nviewers = [\"{viewer}\"]");
    let new = Binary::without_hooks(env, |settings| {
        settings.organization = "hooks = true\nreconcile = \"1s\"\ncatch_up = \"off\"".to_owned();
        settings.credential = elsewhere(env.service_user(""));
        settings.sign_in = elsewhere(env.sign_in(&roles));
    })
    .await;
    env.register(&new.url);
    env.register_pages(&new.url);
    for (name, user) in PEOPLE {
        env.shell.entra(|entra| entra.add_user(name, user));
        env.shell.ado(|ado| match ado.identity_named(user) {
            Some(known) => known,
            None => ado.create_identity(name, user),
        });
    }
    new
}
