//! `completions` and `man`: what shells and `man` read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use super::call::run;
use super::commands::commands;

fn print(words: &[&str]) -> String {
    run(&BTreeMap::new(), words, b"").done()
}

/// What bash prints after it has read the completions.
fn bash(script: &str) -> String {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("azdo-gateway.bash");
    std::fs::write(&file, print(&["completions", "bash"])).expect("it is writable");
    let script = format!("set -eu; source '{}'; {script}", file.display());
    let done = Command::new("bash").args(["--norc", "-c", &script]).output().expect("bash starts");
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && err.is_empty(), "{err}");
    String::from_utf8(done.stdout).expect("it prints text")
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> BTreeSet<String> {
    let all = words.join(" ");
    let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
    let call = format!(
        "COMP_WORDS=({all} ''); COMP_CWORD={}; \
         function=$(complete -p azdo-gateway | sed 's/.* -F \\([^ ]*\\).*/\\1/'); \
         $function azdo-gateway '{last}' '{before}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len() - 1
    );
    bash(&call).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_values() {
    assert!(bash("complete -p azdo-gateway").trim().ends_with(" azdo-gateway"));
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(offered(&["azdo-gateway", "del"]), set(&["deliveries"]));
    assert_eq!(offered(&["azdo-gateway", "deliveries", "re"]), set(&["replay"]));
    assert_eq!(offered(&["azdo-gateway", "runs", "list", "--st"]), set(&["--state"]));
    assert_eq!(
        offered(&["azdo-gateway", "report", "--state", "err"]),
        set(&["errored"]),
        "the value of an option"
    );
}

/// No machine here has every shell; each script names the program and what it completes.
#[test]
fn other_shells_have_completions_too() {
    for (shell, word, option) in [
        ("zsh", "#compdef azdo-gateway", "--outcome="),
        ("fish", "complete -c azdo-gateway", "-l outcome"),
        ("powershell", "-CommandName 'azdo-gateway'", "'--outcome'"),
        ("elvish", "edit:completion:arg-completer[azdo-gateway]", "--outcome"),
    ] {
        let script = print(&["completions", shell]);
        for words in [word, "deliveries", option] {
            assert!(script.contains(words), "{shell}: {words:?} is not in {script}");
        }
    }
    run(&BTreeMap::new(), &["completions", "tcsh"], b"").refused(2, &["tcsh", "bash", "zsh"]);
}

/// The requests to `man` that the pages may contain; everything else on such a line is a mistake.
const REQUESTS: [&str; 10] = ["TH", "SH", "TP", "RS", "RE", "IP", "ie", "el", "br", "nf"];

fn check_page(name: &str, text: &str) {
    let title = name.replace(' ', "-");
    assert!(text.contains(&format!(".TH {title} 1 ")), "{name}: {text}");
    assert!(text.contains(&format!(".SH NAME\n{}", title.replace('-', "\\-"))), "{name}: {text}");
    for section in ["SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
        assert!(text.contains(&format!("\n.SH {section}\n")), "{name} has no {section}: {text}");
    }
    for line in text.lines() {
        if let Some(request) = line.strip_prefix('.').and_then(|line| line.split(' ').next()) {
            assert!(REQUESTS.contains(&request), "{name}: {line}");
        }
        assert!(!line.starts_with('\'') || text.starts_with(line), "{name}: {line}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let pages = folder.path().join("man1");
    let out = pages.to_str().expect("the path is text");
    assert_eq!(print(&["man", "--out", out]), "");
    let read = |path: &Path| std::fs::read_to_string(path).expect("it is text");
    let (groups, leaves) = commands();
    let mut files = BTreeSet::new();
    for command in groups.iter().chain(&leaves) {
        let name = format!("azdo-gateway {command}").trim().to_owned();
        let file = format!("{}.1", name.replace(' ', "-"));
        check_page(&name, &read(&pages.join(&file)));
        files.insert(file);
    }
    let entries = std::fs::read_dir(&pages).expect("it is there");
    let names = entries.map(|entry| entry.expect("it can be listed").file_name());
    let written: BTreeSet<String> = names.filter_map(|name| name.into_string().ok()).collect();
    assert_eq!(written, files, "pages without a command");
    assert_eq!(print(&["man"]), read(&pages.join("azdo-gateway.1")));
    let file = pages.join("azdo-gateway.1").join("below");
    run(&BTreeMap::new(), &["man", "--out", file.to_str().expect("the path is text")], b"")
        .refused(1, &["cannot write to"]);
}
