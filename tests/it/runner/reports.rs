//! `azdo-gateway report`, as a script calls it.

use std::process::Command;

use crate::harness::{Env, Gateway, REPORTER, binary_path};

fn report(variables: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(binary_path())
        .arg("report")
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).expect("it prints text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_reports_and_learns_whether_it_counts() {
    let env = Env::new(5301);
    env.disable_ci_reports();
    let gateway = Gateway::start(&env).await;
    let (id, commit) = env.open("topic");
    let run = env.until_started("unit-tests", &commit).await;
    env.until_idle(&gateway.api).await;
    let address = format!("{}/v1/runs/{run}/reports", gateway.url);
    let token = ("AZDO_GATEWAY_TOKEN", REPORTER);
    let known = [token, ("AZDO_REPORT_URL", address.as_str())];

    let (code, said) = report(&known, &["--state", "running", "--description", "2 of 3"]);
    assert!(code == Some(0) && said == "applied: the run is running\n", "{code:?} {said}");
    env.until_description(id, &commit, "unit-tests", "2 of 3").await;
    let link = ["--state", "failed", "--url", "https://ci.example/7"];
    let (code, said) = report(&[token], &[&link[..], &["--run", &address]].concat());
    assert!(code == Some(0) && said == "applied: the run is failed\n", "{code:?} {said}");
    env.until_status(id, &commit, "unit-tests", "failed").await;
    let shown = env.statuses(id, "unit-tests").pop().and_then(|status| status.target_url);
    assert_eq!(shown.as_deref(), Some("https://ci.example/7"));

    // Once more is fine, another end is not.
    let (code, said) = report(&known, &["--state", "failed", "--run", &run]);
    assert!(code == Some(0) && said.starts_with("not applied: "), "{code:?} {said}");
    let (code, said) = report(&known, &["--state", "succeeded"]);
    assert!(code == Some(1) && said.starts_with("not applied: "), "{code:?} {said}");
    let (code, said) = report(&known, &["--state", "succeeded", "--json"]);
    assert!(code == Some(1) && said.contains("\"applied\": false"), "{code:?} {said}");

    let wrong = [("AZDO_REPORT_TOKEN", "wrong"), known[1]];
    let (code, said) = report(&wrong, &["--state", "succeeded"]);
    assert!(code == Some(1) && said.contains("401"), "{code:?} {said}");
    for (variables, arguments, words) in [
        (&known[..], &["--state", "green"][..], "green"),
        (&known, &[], "--state"),
        (&[token], &["--state", "failed"], "--run"),
        (&[known[1]], &["--state", "failed"], "AZDO_REPORT_TOKEN"),
    ] {
        let (code, said) = report(variables, arguments);
        assert!(code == Some(2) && said.contains(words), "{code:?} {said}");
    }
    let plain = ("AZDO_REPORT_URL", "http://gateway.example.com/v1/runs/1/reports");
    let (code, said) = report(&[token, plain], &["--state", "failed"]);
    assert!(code == Some(2) && said.contains("was not sent"), "{code:?} {said}");
    gateway.stop().await;
}
