//! `azdo-gateway runner` with a real gateway: what becomes of the commands that it executes.

mod process;
/// `azdo-gateway report`.
mod reports;
/// Ends of runners and of gateways, in the middle of a run.
mod restarts;

use serde_json::Value;

use crate::harness::{Env, Gateway, RUNNER};
use process::{Files, Runner, for_runners, until};

/// A gateway with these checks, and a runner for them.
async fn start(env: &Env, files: &Files, checks: &[(&str, &str)]) -> (Gateway, Runner) {
    let gateway = Gateway::start_with(env, |settings| for_runners(settings, checks)).await;
    let runner = Runner::start(&gateway.url, "here", files.path(), &["--parallel", "4"]);
    (gateway, runner)
}

/// The id of the only run.
async fn only_run(gateway: &Gateway) -> String {
    let runs = gateway.api.items("/v1/runs").await;
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0]["run"].as_str().or(runs[0]["id"].as_str()).expect("it has an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_command_becomes_the_status() {
    let checks = [
        ("good", "echo 412 passed"),
        ("bad", "echo '3 failed' >&2; exit 2"),
        ("unsure", "echo no network; exit 75"),
        ("crashed", "echo begun; kill -SEGV $$"),
        ("words", "echo mine >$AZDO_DESCRIPTION_FILE; echo http://ci/7 >$AZDO_URL_FILE; echo x"),
    ];
    let (env, files) = (Env::new(5101), Files::new());
    let (gateway, runner) = start(&env, &files, &checks).await;
    let (id, commit) = env.open("topic");
    for (check, state, words) in [
        ("good", "succeeded", "412 passed"),
        ("bad", "failed", "Exit code 2: 3 failed"),
        ("unsure", "error", "Exit code 75: no network"),
        ("crashed", "error", "Ended by SIGSEGV: begun"),
        ("words", "succeeded", "mine"),
    ] {
        env.until_status(id, &commit, check, state).await;
        env.until_description(id, &commit, check, words).await;
    }
    let link = env.statuses(id, "words").pop().and_then(|status| status.target_url);
    assert_eq!(link.as_deref(), Some("http://ci/7"));
    until("the folders are deleted", || runner.folders() == 0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_cannot_be_started_says_why() {
    let env = Env::new(5102);
    let change = |settings: &mut _| for_runners(settings, &[("any", "true")]);
    let gateway = Gateway::start_with(&env, change).await;
    let files = Files::new();
    let mut command = std::process::Command::new(crate::harness::binary_path());
    command.args(["runner", "--labels", "linux", "--name", "n", "--url", &gateway.url, "--dir"]);
    command.arg(files.path()).args(["--", "/no/such/program"]).env("AZDO_GATEWAY_TOKEN", RUNNER);
    let mut runner = command.spawn().expect("the binary starts");
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "any", "error").await;
    let words = env.statuses(id, "any").pop().and_then(|status| status.description);
    runner.kill().expect("it runs");
    runner.wait().expect("it is a child");
    let words = words.expect("it has words");
    assert!(words.contains("cannot be started: /no/such/program"), "{words}");
    gateway.stop().await;
}

/// Its environment, its file, its folder and its log.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_knows_its_run_and_no_secret_of_the_gateway() {
    let (env, files) = (Env::new(5103), Files::new());
    let run = "env; echo JSON; cat $AZDO_RUN_FILE; echo END; ls -A";
    let (gateway, runner) = start(&env, &files, &[("shows", run)]).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "shows", "succeeded").await;
    let output = runner.output(&only_run(&gateway).await);
    let output = String::from_utf8(output).expect("it is text");
    for line in [
        format!("AZDO_COMMIT={commit}"),
        format!("AZDO_PULL_REQUEST={id}"),
        "AZDO_CHECK=shows".to_owned(),
        "AZDO_ORGANIZATION=fabrikam".to_owned(),
        "AZDO_PROJECT=Fabrikam".to_owned(),
        "AZDO_REPOSITORY=web".to_owned(),
        "AZDO_REF=refs/heads/topic".to_owned(),
        "AZDO_BRANCH=topic".to_owned(),
        "AZDO_SOURCE_REF=refs/heads/topic".to_owned(),
        "AZDO_TARGET_REF=refs/heads/main".to_owned(),
        format!("INPUT_RUN={run}"),
    ] {
        assert!(output.lines().any(|one| one == line), "{line} is not in {output}");
    }
    for name in ["AZDO_RUN=", "AZDO_CLONE_URL=", "AZDO_RUN_FILE=", "AZDO_REPORT_URL=http"] {
        assert!(output.contains(&format!("\n{name}")), "{name} is not in {output}");
    }
    let (_, json) = output.split_once("\nJSON\n").expect("it is printed");
    let (json, listed) = json.split_once("\nEND\n").expect("it is printed");
    assert_eq!(listed, "", "the folder is empty");
    let file: Value = serde_json::from_str(json).expect("it is JSON");
    assert_eq!((&file["commit"], &file["check"]), (&commit.into(), &"shows".into()));
    assert_eq!(file["report"].as_object().map(|report| report.len()), Some(1), "{file}");
    let everything = format!("{output}{}", runner.log());
    for secret in [RUNNER, "AZDO_GATEWAY_", "\"token\""] {
        assert!(!everything.contains(secret), "{secret} is in {everything}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_neither_outlives_its_run_nor_holds_it_up() {
    let (env, files) = (Env::new(5104), Files::new());
    // One in the group of the command, and one in a session of its own that is nobody's child.
    let run = "sh -c 'echo $$ >$FILES/one; exec sleep 600' & \
               (setsid sh -c 'echo $$ >$FILES/two; exec sleep 600' &); \
               while [ ! -s $FILES/one ] || [ ! -s $FILES/two ]; do :; done; echo done";
    let (gateway, _runner) = start(&env, &files, &[("forks", run)]).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "forks", "succeeded").await;
    env.until_description(id, &commit, "forks", "done").await;
    files.until_gone("one").await;
    files.until_gone("two").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_endless_output_the_beginning_and_the_end_are_logged() {
    let (env, files) = (Env::new(5105), Files::new());
    let run = "echo first; yes 0123456789 | head -c 60000000; echo; echo last";
    let (gateway, runner) = start(&env, &files, &[("prints", run)]).await;
    let (id, commit) = env.open("topic");
    env.until_status(id, &commit, "prints", "succeeded").await;
    env.until_description(id, &commit, "prints", "last").await;
    let output = runner.output(&only_run(&gateway).await);
    assert!(output.len() < 10 * 1024 * 1024, "{} bytes", output.len());
    assert!(output.starts_with(b"first\n") && output.ends_with(b"\nlast\n"));
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("bytes left out]"), "there is no note");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_is_killed_where_it_ignores_sigterm() {
    let (env, files) = (Env::new(5106), Files::new());
    let run = "trap 'echo ignored >$FILES/term' TERM; echo $$ >$FILES/command; \
               while :; do sleep 0.05; done";
    let (gateway, runner) = start(&env, &files, &[("hangs", run)]).await;
    let (id, commit) = env.open("topic");
    files.line("command").await;
    env.until_status(id, &commit, "hangs", "pending").await;
    let run = only_run(&gateway).await;
    gateway.api.post(&format!("/v1/runs/{run}/cancel"), None).await;
    env.until_status(id, &commit, "hangs", "error").await;
    assert_eq!(files.line("term").await, "ignored");
    files.until_gone("command").await;
    until("the folders are deleted", || runner.folders() == 0).await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_push_stops_the_command_of_the_older_one() {
    let (env, files) = (Env::new(5107), Files::new());
    let run = "echo $$ >$FILES/$AZDO_COMMIT; [ -e $FILES/quick ] || exec sleep 600";
    let (gateway, _runner) = start(&env, &files, &[("builds", run)]).await;
    let (id, first) = env.open("topic");
    files.line(&first).await;
    files.write("quick");
    let second = env.push("topic");
    env.until_status(id, &second, "builds", "succeeded").await;
    files.until_gone(&first).await;
    gateway.stop().await;
}
