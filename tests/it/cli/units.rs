//! The examples in `config/systemd`, compared with the binary and the reference configuration, and
//! checked by `systemd-analyze`. Where that is missing the test fails, unless
//! `AZDO_GATEWAY_WITHOUT_SYSTEMD` is set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::call::run;
use crate::harness::binary_path;

/// The binary in the examples. systemd looks for it in /usr/local/bin and /usr/bin.
const INSTALLED: &str = "ExecStart=azdo-gateway";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/systemd")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("it is part of the repository")
}

/// The values of each setting.
fn settings(name: &str) -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let text = text(name);
    let is_setting = |line: &&str| !line.is_empty() && !line.starts_with(['#', '[']);
    for line in text.lines().filter(is_setting) {
        let (key, value) = line.split_once('=').expect("each line is a setting");
        settings.entry(key.to_owned()).or_default().push(value.to_owned());
    }
    settings
}

/// The arguments with which a unit runs the binary.
fn command(unit: &BTreeMap<String, Vec<String>>) -> &str {
    let line = unit["ExecStart"][0].as_str();
    line.strip_prefix("azdo-gateway ").expect("it runs the binary")
}

#[test]
fn the_service_runs_an_existing_command() {
    let service = settings("azdo-gateway.service");
    let command = command(&service);
    let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
    let help = run(&BTreeMap::new(), &words, b"").done();
    assert!(help.contains("Run the gateway"), "{help}");
}

#[test]
fn the_runner_has_every_argument_that_it_needs() {
    let runner = settings("azdo-gateway-runner.service");
    let words: Vec<&str> = command(&runner).split_whitespace().collect();
    // Without a token it does not begin.
    run(&BTreeMap::new(), &words, b"").refused(2, &["AZDO_GATEWAY_TOKEN"]);
    assert_eq!(runner["KillMode"], ["mixed"], "commands would get SIGTERM before the runner");
}

#[test]
fn the_examples_agree_with_the_reference_configuration() {
    let (socket, service) = (settings("azdo-gateway.socket"), settings("azdo-gateway.service"));
    let config = text("../gateway.toml");
    let listen = format!("listen = \"{}\"", socket["ListenStream"][0]);
    assert!(config.contains(&listen), "the socket is not where the gateway listens by default");
    assert_eq!(service["Requires"], ["azdo-gateway.socket"]);
    let seconds = |text: &str| text.trim_end_matches('s').parse::<u64>().expect("it is in seconds");
    let drain = config.split("#drain = \"").nth(1).and_then(|rest| rest.split('"').next());
    let drain = seconds(drain.expect("the reference has it"));
    // Workers, then requests, then the revocation of tokens, and closing the store.
    assert!(seconds(&service["TimeoutStopSec"][0]) >= 2 * drain + 10, "systemd would kill it");
    let loaded: BTreeSet<String> = service["LoadCredential"]
        .iter()
        .map(|credential| credential.split(':').next().unwrap_or_default().to_owned())
        .collect();
    let used = |line: &str| {
        let name = line.split("{ env = \"").nth(1)?.split('"').next()?;
        let is_needed = !line.starts_with('#') && !line.starts_with("previous");
        is_needed.then(|| name.trim_start_matches("AZDO_GATEWAY_").to_lowercase())
    };
    assert_eq!(loaded, config.lines().filter_map(used).collect::<BTreeSet<_>>());
}

/// The threads that do not accept deliveries lower their own priority, and the memory of the
/// process holds the root key.
#[test]
fn the_service_allows_priorities_and_no_core_dumps() {
    let service = settings("azdo-gateway.service");
    let filters: Vec<&str> = service["SystemCallFilter"].iter().map(String::as_str).collect();
    let names = |filter: &str, name: &str| filter.trim_start_matches('~').contains(name);
    // A later line counts more.
    let last = filters.iter().rfind(|one| names(one, "setpriority") || names(one, "@resources"));
    assert!(last.is_some_and(|last| !last.starts_with('~')), "{filters:?}");
    assert_eq!(service["LimitCORE"], ["0"]);
}

/// At run time, systemd only logs unknown settings and wrong values.
#[test]
fn systemd_accepts_the_examples() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify");
    for name in ["azdo-gateway.socket", "azdo-gateway.service", "azdo-gateway-runner.service"] {
        // systemd-analyze checks that the binary exists.
        let command = format!("ExecStart={}", binary_path().display());
        let text = text(name).replace(INSTALLED, &command);
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the folder is writable");
        verify.arg(path);
    }
    let output = match verify.output() {
        Ok(output) => output,
        Err(_) if std::env::var_os("AZDO_GATEWAY_WITHOUT_SYSTEMD").is_some() => {
            return println!("not checked, since AZDO_GATEWAY_WITHOUT_SYSTEMD is set");
        }
        Err(error) => {
            panic!("{error}: install systemd, or set AZDO_GATEWAY_WITHOUT_SYSTEMD=1 to skip this")
        }
    };
    let findings = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{findings}");
    // Other units of the machine are checked, too.
    let of_examples: Vec<&str> =
        findings.lines().filter(|line| line.contains("azdo-gateway")).collect();
    assert!(of_examples.is_empty(), "{of_examples:#?}");
}
