//! The Debian package: what `package.metadata.deb` lists is there, and does in another root what it
//! is for. cargo-deb itself is not needed here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::call::run;
use crate::harness::binary_path;

/// What `config/debian/build` writes, which is no file of the repository.
const GENERATED: &str = "target/deb/";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The assets: a file or files, where they are installed, and their mode.
fn assets() -> Vec<(String, String, String)> {
    let manifest: toml::Table = text(&root().join("Cargo.toml")).parse().expect("it is TOML");
    let assets = &manifest["package"]["metadata"]["deb"]["assets"];
    let row = |asset: &toml::Value| {
        let word = |at: usize| asset[at].as_str().expect("it is text").to_owned();
        (word(0), word(1), word(2))
    };
    assets.as_array().expect("there are assets").iter().map(row).collect()
}

/// The files that a pattern names; its last part may begin with `*`.
fn files(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|name| name.to_str()).expect("it names files");
    let Some(end) = name.strip_prefix('*') else { return vec![pattern.to_owned()] };
    let folder = pattern.parent().expect("it is in a folder");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be listed").path());
    paths.filter(|path| path.to_str().is_some_and(|path| path.ends_with(end))).collect()
}

/// Does what `config/debian/build` does before it packs.
fn generate(folder: &Path) {
    std::fs::create_dir_all(folder).expect("it is writable");
    let script = text(&root().join("config/debian/build"));
    let mut lines = 0;
    for line in script.lines() {
        let Some(words) = line.strip_prefix("\"$built/azdo-gateway\" ") else { continue };
        let words = words.replace(GENERATED, &format!("{}/", folder.display()));
        let (words, file) = words.split_once(" >").unwrap_or((&words, ""));
        let words: Vec<&str> = words.split_whitespace().collect();
        let out = run(&BTreeMap::new(), &words, b"").done();
        if !file.is_empty() {
            std::fs::write(file, out).expect("it is writable");
        }
        lines += 1;
    }
    assert_eq!(lines, 4, "the manual and three shells");
}

/// Installs everything into a root.
fn install(into: &Path, generated: &Path) {
    for (from, to, mode) in assets() {
        let pattern = match (from.as_str(), from.strip_prefix(GENERATED)) {
            ("target/release/azdo-gateway", _) => binary_path(),
            (_, Some(name)) => generated.join(name),
            (from, None) => root().join(from),
        };
        let found = files(&pattern);
        assert!(!found.is_empty(), "{from} names no file");
        for file in found {
            let folder = into.join(&to);
            std::fs::create_dir_all(&folder).expect("it is writable");
            let done = Command::new("install").args(["-m", &mode]).arg(&file).arg(&folder).status();
            assert!(done.expect("there is `install`").success(), "{}", file.display());
        }
    }
}

#[test]
fn what_the_package_installs_works_in_another_root() {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let (generated, installed) = (folder.path().join("generated"), folder.path().join("root"));
    generate(&generated);
    install(&installed, &generated);
    let binary = installed.join("usr/bin/azdo-gateway");
    let version = Command::new(&binary).arg("--version").output().expect("it starts");
    assert!(version.status.success());
    let deb = |name: &str| installed.join(name);
    for unit in ["azdo-gateway.socket", "azdo-gateway.service", "azdo-gateway-runner.service"] {
        let unit = text(&deb("usr/lib/systemd/system").join(unit));
        let starts = unit.lines().filter(|line| line.starts_with("ExecStart="));
        for line in starts {
            assert!(line.starts_with("ExecStart=azdo-gateway "), "{line}: /usr/bin is not found");
        }
    }
    let completions = deb("usr/share/bash-completion/completions/azdo-gateway");
    assert!(text(&completions).contains("complete -F "));
    assert!(text(&deb("usr/share/man/man1/azdo-gateway-runs-list.1")).contains(".SH NAME"));
    let example = deb("usr/share/doc/azdo-gateway/examples/gateway.toml");
    assert_eq!(text(&example), text(&root().join("config/gateway.toml")));
}

/// dpkg runs them as root.
#[test]
fn the_scripts_of_the_package_are_scripts_of_a_shell() {
    let scripts = root().join("config/debian");
    for name in ["build", "postinst", "prerm", "postrm"] {
        let script = scripts.join(name);
        assert!(text(&script).starts_with("#!/bin/sh\n"), "{name}");
        let done = Command::new("sh").arg("-n").arg(&script).output().expect("sh starts");
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    }
}
