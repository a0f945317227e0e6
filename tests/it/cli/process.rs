//! `serve`, `healthcheck`, `demo`, and help.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::StatusCode;

use super::call::{ReferenceConfig, ask, run};
use crate::harness::{Binary, Browser, Env, VIEWER, binary_path};

#[test]
fn serve_refuses_a_wrong_configuration() {
    let config = ReferenceConfig::edited(&[("ci = \"builder\"", "ci = \"bilder\"")]);
    let path = format!("{}:", config.file());
    config.run(&["serve"]).refused(2, &[&path, "ci \"bilder\" is not defined", "help: "]);
    let left = std::fs::read_dir(config.path(".")).expect("it is there").count();
    assert_eq!(left, 1, "something was created beside the configuration");
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_reports_a_port_in_use() {
    let env = Env::new(1);
    let taken = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let address = taken.local_addr().expect("it is bound").to_string();
    let settings = env.settings(&address);
    let error = format!("cannot listen on {address}");
    ask(&settings, &["serve"]).refused(1, &[&error, "in use"]);
    assert!(!settings.database().exists(), "the database was created");
}

#[tokio::test(flavor = "multi_thread")]
async fn healthcheck_exits_with_the_health_of_the_gateway() {
    let env = Env::new(2);
    let mut gateway = Binary::start(&env).await;
    assert_eq!(ask(&gateway.settings, &["healthcheck"]).done(), "");
    let url = ["healthcheck", "--url", &gateway.url];
    run(&BTreeMap::new(), &url, b"").done();
    gateway.kill();
    ask(&gateway.settings, &["healthcheck"]).refused(1, &["no answer"]);
}

/// The demo without a configuration and an environment.
#[test]
fn demo_shows_the_expected_statuses() {
    let out = run(&BTreeMap::new(), &["demo"], b"").done();
    for word in ["(fake)", "succeeded", "failed", "EXPECTED", "AZURE DEVOPS SHOWS"] {
        assert!(out.contains(word), "{word:?} is not in {out}");
    }
    let last = out.lines().last().expect("it prints");
    assert!(last.ends_with("0 are still alive."), "{last}");
    assert!(out.contains("statuses are as expected."), "{out}");
    assert!(!out.contains("WRONG"), "{out}");
}

/// The address that the demo prints signs an operator in, once.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_signs_an_operator_in_once() {
    let mut child = Command::new(binary_path())
        .args(["demo", "--keep"])
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut lines = out.lines().map(|line| line.expect("it prints text"));
    let url = lines.find(|line| line.contains("/login/once?ticket=")).expect("it prints one");
    let (url, browser) = (url.trim(), Browser::new());
    let wrong = Browser::new().open(&format!("{url}x"), None).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN, "{}", wrong.text);
    let seen = browser.open(url, None).await;
    assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.text);
    let overview = seen.location.expect("it leads on");
    assert_eq!(overview.path(), "/ui");
    let shown = browser.open(overview.as_str(), None).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
    assert!(shown.text.contains("</b> operator"), "{}", shown.text);
    let again = Browser::new().open(url, None).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN, "{}", again.text);
    child.kill().expect("it runs");
    child.wait().expect("it is a child of this process");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_revoke_ends_sessions_of_a_person_or_of_all() {
    let env = Env::new(4);
    let gateway = Binary::start(&env).await;
    let (login, runs) = (format!("{}/login", gateway.url), format!("{}/ui/runs", gateway.url));
    let browser = Browser::new();
    let sign_in = async || {
        browser.submit(&login, &[("token", VIEWER)], "same-origin").await;
        browser.open(&runs, None).await.status
    };
    for (arguments, said, after) in [
        (&["sessions", "revoke", "ops"][..], "ops has to sign in again.", StatusCode::OK),
        (&["sessions", "revoke", "eyes"], "eyes has to sign in again.", StatusCode::UNAUTHORIZED),
        (&["sessions", "revoke"], "Everybody has to sign in again.", StatusCode::UNAUTHORIZED),
        (&["sessions", "revoke", "--json"], "{}", StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(sign_in().await, StatusCode::OK);
        assert_eq!(ask(&gateway.settings, arguments).done().trim(), said);
        assert_eq!(browser.open(&runs, None).await.status, after, "{arguments:?}");
    }
    ask(&gateway.settings, &["sessions", "revoke", ""]).refused(1, &["1 to 254 characters"]);
}

#[test]
fn help_describes_every_command() {
    let nothing = BTreeMap::new();
    for (command, does) in [
        ("serve", "Run the gateway"),
        ("demo", "no account, no configuration"),
        ("check-config", "everything that is wrong"),
        ("keygen", "root key"),
        ("explain", "what a payload would start"),
        ("deliveries", "how it was decided"),
        ("deliveries list", "latest deliveries"),
        ("deliveries show", "its body"),
        ("deliveries replay", "again"),
        ("runs", "executions of checks"),
        ("runs list", "latest runs"),
        ("runs show", "Show one run"),
        ("runs cancel", "Cancel a run"),
        ("runs rerun", "as a new run"),
        ("permissions", "that the checks need"),
        ("permissions check", "are missing"),
        ("permissions grant", "Grant missing permissions"),
        ("migrate", "into another database"),
        ("report", "for scripts"),
        ("runner", "have a command execute them"),
        ("healthcheck", "is running"),
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let out = run(&nothing, &words, b"").done();
        assert!(out.contains(does), "{command}: {does:?} is not in {out}");
        assert!(out.contains("--config"), "{command}: {out}");
        let first = command.split(' ').next().expect("it has one");
        assert!(run(&nothing, &["--help"], b"").done().contains(first), "{first} is not listed");
    }
}

/// `azdo-gateway 0.1.0 (3b5e7d2f9a10)` in a repository, without the commit elsewhere.
#[test]
fn the_version_names_a_commit_of_the_source_where_git_knows_it() {
    let out = run(&BTreeMap::new(), &["--version"], b"").done();
    let version = format!("azdo-gateway {}", env!("CARGO_PKG_VERSION"));
    let rest = out.trim_end().strip_prefix(&version).expect("it begins with the version");
    let git = |arguments: &[&str]| {
        let root = env!("CARGO_MANIFEST_DIR");
        let done = Command::new("git").current_dir(root).args(arguments).output();
        done.is_ok_and(|done| done.status.success())
    };
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists() {
        return assert_eq!(rest, "", "where no commit is known");
    }
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')'));
    let commit = commit.unwrap_or_else(|| panic!("no commit is in {out}"));
    assert_eq!(commit.len(), 12, "{out}");
    assert!(git(&["cat-file", "-e", &format!("{commit}^{{commit}}")]), "git has no {commit}");
}

#[test]
fn unknown_commands_and_arguments_are_refused() {
    let nothing = BTreeMap::new();
    run(&nothing, &["serv"], b"").refused(2, &["unrecognized subcommand 'serv'", "serve"]);
    run(&nothing, &[], b"").refused(2, &["Usage: azdo-gateway"]);
    run(&nothing, &["serve", "--quick"], b"").refused(2, &["--quick"]);
}
