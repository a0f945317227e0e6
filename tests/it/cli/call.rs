//! Runs the binary with a configuration and an environment of its own: it inherits nothing from the
//! environment of the tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{OPERATOR, PAT, Settings, binary_path};

/// The result of a call.
#[derive(Debug)]
pub(super) struct CallResult {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl CallResult {
    /// Checks the exit code.
    #[track_caller]
    pub(super) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The output of a call that succeeds.
    #[track_caller]
    pub(super) fn done(self) -> String {
        self.with(0).out
    }

    /// The JSON output of a call that succeeds.
    #[track_caller]
    pub(super) fn json(self) -> Value {
        serde_json::from_str(&self.done()).expect("it prints one JSON value")
    }

    /// Checks that the call failed with an error that contains these words, and printed nothing
    /// else.
    #[track_caller]
    pub(super) fn refused(self, code: i32, words: &[&str]) {
        let CallResult { out, err, .. } = self.with(code);
        assert!(out.is_empty(), "errors belong on standard error: {out}");
        for word in words {
            assert!(err.contains(word), "{word:?} is not in: {err}");
        }
    }
}

type Variables = BTreeMap<String, String>;

/// Runs the binary to its end.
pub(super) fn run(variables: &Variables, arguments: &[&str], input: &[u8]) -> CallResult {
    let mut child = Command::new(binary_path())
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let written = child.stdin.take().expect("it is piped").write_all(input);
    // Writing fails where the command does not read its input.
    drop(written);
    let output = child.wait_with_output().expect("it is a child of this process");
    CallResult {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

/// Runs a command with the configuration of these settings.
pub(super) fn ask(settings: &Settings, arguments: &[&str]) -> CallResult {
    let config = settings.write();
    let config = config.to_str().expect("the path is text");
    run(&settings.variables(), &[&["--config", config], arguments].concat(), b"")
}

/// A folder with an edited copy of `config/gateway.toml`, and the variables that it names.
pub(super) struct ReferenceConfig {
    folder: tempfile::TempDir,
    pub(super) variables: Variables,
}

impl ReferenceConfig {
    /// The file as it is.
    pub(super) fn new() -> Self {
        Self::edited(&[])
    }

    /// The file with these texts replaced.
    pub(super) fn edited(edits: &[(&str, &str)]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("config/gateway.toml"));
        let mut text = text.expect("it is part of the repository");
        for (from, to) in edits {
            assert!(text.contains(from), "{from:?} is not in the file any more");
            text = text.replacen(from, to, 1);
        }
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        std::fs::write(folder.path().join("gateway.toml"), text).expect("it is writable");
        let variables = [
            ("AZDO_GATEWAY_ROOT_KEY", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
            ("AZDO_GATEWAY_OPERATOR_TOKEN", OPERATOR),
            ("AZDO_GATEWAY_PAT", PAT),
            ("BUILDER_SECRET", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { folder, variables }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the configuration file, as messages have it.
    pub(super) fn file(&self) -> String {
        self.path("gateway.toml").display().to_string()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> CallResult {
        self.run_with(arguments, b"")
    }

    pub(super) fn run_with(&self, arguments: &[&str], input: &[u8]) -> CallResult {
        let file = self.file();
        run(&self.variables, &[&["--config", &file], arguments].concat(), input)
    }
}
