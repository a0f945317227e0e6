//! Runners and gateways that end, in good order or not, while a command runs.

use serde_json::Value;

use crate::harness::{Binary, Env, Gateway};

use super::process::{Files, Runner, for_runners};
use super::start;

/// A command that says that it runs and waits for a file.
const WAITS: &str =
    "echo $$ >$FILES/command; while [ ! -e $FILES/go ]; do sleep 0.02; done; echo went";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_survives_a_gateway_that_is_killed_in_the_middle() {
    let (env, files) = (Env::new(5201), Files::new());
    let mut gateway =
        Binary::start_with(&env, |settings| for_runners(settings, &[("waits", WAITS)])).await;
    let _runner = Runner::start(&gateway.url, "here", files.path(), &[]);
    let (id, commit) = env.open("topic");
    files.line("command").await;
    gateway.kill();
    // It ends while there is no gateway.
    files.write("go");
    files.until_gone("command").await;
    gateway.restart().await;
    env.until_status(id, &commit, "waits", "succeeded").await;
    env.until_description(id, &commit, "waits", "went").await;
    assert_eq!(gateway.api.items("/v1/runs").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_runner_finishes_what_a_killed_one_has_begun() {
    let (env, files) = (Env::new(5202), Files::new());
    // Only the first command waits.
    let run = "[ ! -e $FILES/one ] || exec echo finished; echo $$ >$FILES/one; exec sleep 600";
    let (gateway, mut first) = start(&env, &files, &[("moves", run)]).await;
    let (id, commit) = env.open("topic");
    files.line("one").await;
    let _second = Runner::start(&gateway.url, "there", files.path(), &[]);
    first.kill();
    files.until_gone("one").await;
    env.until_status(id, &commit, "moves", "succeeded").await;
    env.until_description(id, &commit, "moves", "finished").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_a_command_finish_and_takes_no_other() {
    let (env, files) = (Env::new(5203), Files::new());
    let (gateway, mut runner) = start(&env, &files, &[("waits", WAITS)]).await;
    let (id, commit) = env.open("topic");
    files.line("command").await;
    runner.terminate();
    files.write("go");
    assert!(runner.ended().await.success(), "{}", runner.log());
    env.until_status(id, &commit, "waits", "succeeded").await;
    let (other, head) = env.open("other");
    env.until_status(other, &head, "waits", "pending").await;
    env.until_decided(&gateway.api).await;
    let runs = gateway.api.items("/v1/runs").await;
    let waits = |run: &&Value| run["state"] == "planned" || run["state"] == "dispatched";
    assert_eq!(runs.iter().filter(waits).count(), 1, "nobody takes it: {runs:?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_gives_the_run_back() {
    let (env, files) = (Env::new(5204), Files::new());
    let (gateway, mut runner) = start(&env, &files, &[("waits", WAITS)]).await;
    let (id, commit) = env.open("topic");
    files.line("command").await;
    runner.terminate();
    super::until("the first signal is noticed", || runner.log().contains("no more runs")).await;
    runner.terminate();
    assert!(runner.ended().await.success(), "{}", runner.log());
    files.until_gone("command").await;
    files.write("go");
    let _other = Runner::start(&gateway.url, "there", files.path(), &[]);
    env.until_status(id, &commit, "waits", "succeeded").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_with_a_wrong_token_or_without_one_ends() {
    let env = Env::new(5205);
    let gateway =
        Gateway::start_with(&env, |settings| for_runners(settings, &[("any", "true")])).await;
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let run = |token: &str, url: &[&str]| {
        let output = std::process::Command::new(crate::harness::binary_path())
            .args(["runner", "--labels", "linux", "--dir"])
            .arg(folder.path())
            .args(url)
            .args(["--", "true"])
            .env_clear()
            .env("AZDO_GATEWAY_TOKEN", token)
            .output()
            .expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let url = ["--url", gateway.url.as_str()];
    let (code, said) = run("wrong", &url);
    assert!(code == Some(1) && said.contains("help: set AZDO_GATEWAY_TOKEN"), "{code:?} {said}");
    let (code, said) = run(crate::harness::VIEWER, &url);
    assert!(code == Some(1) && said.contains("role = \"runner\""), "{code:?} {said}");
    let (code, said) = run("", &url);
    assert!(code == Some(2) && said.contains("AZDO_GATEWAY_TOKEN"), "{code:?} {said}");
    let (code, said) = run("any", &[]);
    assert!(code == Some(2) && said.contains("--url"), "{code:?} {said}");
    let (code, said) = run("any", &["--url", "http://gateway.example.com"]);
    assert!(code == Some(2) && said.contains("was not sent"), "{code:?} {said}");
    gateway.stop().await;
}
