//! Running the binary with a configuration and an environment of its own. It must never inherit
//! anything from whoever runs the tests.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{OPERATOR, PAT, Settings, binary_path};

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Ended {
    /// The output of a call that has to end with this exit code.
    #[track_caller]
    pub(super) fn with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
        self
    }

    /// The output of a call that has to succeed.
    #[track_caller]
    pub(super) fn done(self) -> String {
        self.with(0).out
    }

    /// The output of a call that has to succeed, as JSON.
    #[track_caller]
    pub(super) fn json(self) -> Value {
        serde_json::from_str(&self.done()).expect("it prints one JSON value")
    }

    /// Fails the test unless the call was refused with these words and printed nothing else.
    #[track_caller]
    pub(super) fn refused(self, code: i32, words: &[&str]) {
        let Ended { out, err, .. } = self.with(code);
        assert!(out.is_empty(), "a refusal belongs on standard error: {out}");
        for word in words {
            assert!(err.contains(word), "{word:?} is not in: {err}");
        }
    }
}

type Variables = BTreeMap<String, String>;

/// Runs the binary to its end.
pub(super) fn run(variables: &Variables, arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = Command::new(binary_path())
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let written = child.stdin.take().expect("it was asked for").write_all(input);
    // Whoever does not read it has closed it.
    drop(written);
    let output = child.wait_with_output().expect("it was ours");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("it prints text"),
        err: String::from_utf8(output.stderr).expect("it prints text"),
    }
}

/// Runs a command for the gateway of these settings.
pub(super) fn ask(settings: &Settings, arguments: &[&str]) -> Ended {
    let config = settings.write();
    let config = config.to_str().expect("the path is text");
    run(&settings.variables(), &[&["--config", config], arguments].concat(), b"")
}

/// A folder with a changed copy of `config/gateway.toml`, and the variables that it names.
pub(super) struct Desk {
    folder: tempfile::TempDir,
    pub(super) variables: Variables,
}

impl Desk {
    /// With the file as it is delivered.
    pub(super) fn new() -> Self {
        Self::edited(&[])
    }

    /// With these texts replaced.
    pub(super) fn edited(edits: &[(&str, &str)]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(root.join("config/gateway.toml"));
        let mut text = text.expect("it is delivered");
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

    /// The configuration file, as it stands in messages.
    pub(super) fn config(&self) -> String {
        self.path("gateway.toml").display().to_string()
    }

    pub(super) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, b"")
    }

    pub(super) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        let config = self.config();
        run(&self.variables, &[&["--config", &config], arguments].concat(), input)
    }
}
