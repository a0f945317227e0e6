//! The pages in a real browser: `tests/browser` drives the Chromium of Debian against the binary
//! and the fakes.

use std::process::{Command, Stdio};

use crate::harness::{Binary, Env, OPERATOR, VIEWER};

/// Prints what each test of `tests/browser` came to.
#[tokio::test(flavor = "multi_thread")]
async fn pages_work_in_a_real_browser() {
    if std::env::var_os("AZDO_GATEWAY_WITHOUT_BROWSER").is_some() {
        return;
    }
    let env = Env::new(4400);
    let gateway = Binary::start(&env).await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/main.mjs");
    let mut tests = Command::new("node");
    tests.arg(script).stdin(Stdio::null());
    tests.env("GATEWAY", &gateway.url).env("FAKES", env.shell.url());
    tests.env("OPERATOR", OPERATOR).env("VIEWER", VIEWER);
    let output = tokio::task::spawn_blocking(move || tests.output()).await.expect("it ends");
    let output = output.expect("Node is there (`tests/browser/install`)");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaint}");
    println!("{said}");
}
