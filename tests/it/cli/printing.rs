//! Text from outside on a terminal and in the log: a branch, a title or the words of a CI neither
//! move the cursor, nor turn the direction of reading around, nor forge a row or an entry.

use azdo_gateway::printable::is_harmful;
use serde_json::Value;

use super::call::{ask, run};
use crate::harness::{Binary, Env, check, payloads};

/// A clear-screen sequence in one C1 character, a delete, and a right-to-left override.
const BRANCH: &str = "evil\u{9b}2J\u{202e}gpj";
const SHOWN: &str = r"evil\u009b2J\u202egpj";

fn has_harmful(text: &str) -> bool {
    text.contains(|letter| letter != '\n' && is_harmful(letter))
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_json_and_logs_escape_what_a_terminal_obeys() {
    let env = Env::new(81);
    let gateway = Binary::start_with(&env, |settings| {
        settings.checks = check("build", "on = [\"push\"]\nbranches = [\"main\"]");
    })
    .await;
    env.push(BRANCH);
    env.until_delivered().await;
    env.until_decided(&gateway.api).await;
    let settings = &gateway.settings;
    let table = ask(settings, &["deliveries", "list"]).done();
    assert!(table.contains(SHOWN) && !has_harmful(&table), "{table:?}");
    assert_eq!(table.lines().count(), 2, "{table}");
    let json = ask(settings, &["deliveries", "list", "--json"]).done();
    assert!(json.contains(SHOWN) && !has_harmful(&json), "{json:?}");
    let listed: Value = serde_json::from_str(&json).expect("it prints one JSON value");
    let reason = listed["items"][0]["reason"].as_str().expect("it has a reason");
    assert!(reason.contains(BRANCH), "the value is the same: {reason:?}");
    let id = listed["items"][0]["id"].to_string();
    let shown = ask(settings, &["deliveries", "show", id.trim_matches('"')]).done();
    assert!(shown.contains(SHOWN) && !has_harmful(&shown), "{shown:?}");
    let log = gateway.log();
    assert!(log.contains(SHOWN) && !has_harmful(&log), "{log:?}");
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).expect("each entry is one line of JSON");
        assert!(entry["level"].is_string(), "{entry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_break_forges_no_row() {
    let env = Env::new(82);
    let gateway = Binary::start_with(&env, |settings| {
        settings.checks = check("build", "on = [\"push\"]\nbranches = [\"main\"]");
    })
    .await;
    let [old, new] = ["1", "2"].map(|digit| digit.repeat(40));
    let push = payloads::push(&env, "x\nrun      forged at builder\r", &old, &new, 7).to_string();
    assert_eq!(env.deliver(&gateway.url, "git-push", push.clone()).await, 202);
    env.until_decided(&gateway.api).await;
    let settings = &gateway.settings;
    let table = ask(settings, &["deliveries", "list"]).done();
    let shown = r"x\nrun      forged at builder\r";
    assert!(table.contains(shown) && table.lines().count() == 2, "{table}");
    let config = settings.write();
    let explain = ["--config", config.to_str().expect("the path is text"), "explain", "-"];
    let out = run(&settings.variables(), &explain, push.as_bytes()).done();
    assert!(out.contains(shown), "{out:?}");
    assert!(!out.lines().any(|line| line.starts_with("run")), "{out}");
}
