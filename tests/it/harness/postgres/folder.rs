//! A folder with processes in it that are gone with the test, however the test ends: the script
//! `tests/postgres` guards it from outside.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A guarded folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    guard: Child,
}

impl Folder {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("azdo-gateway-postgres-").tempdir();
        let path = folder.expect("there is a temporary folder").keep();
        let mut guard = script()
            .arg("guard")
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python is there");
        let mut line = String::new();
        let output = guard.stdout.as_mut().expect("it is a pipe");
        BufReader::new(output).read_line(&mut line).expect("the guard answers");
        assert_eq!(line, "watching\n", "the guard of {path:?} did not start");
        Self { path, guard }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A command that runs a program of PostgreSQL in this folder.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = script();
        command.args(["exec", program]).current_dir(&self.path).stdin(Stdio::null());
        command
    }

    /// Creates a cluster in `data`, which is not started.
    pub(super) fn create_cluster(&self, password: &str) {
        let mut command = script();
        command.arg("create").arg(&self.path).stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Python is there");
        let mut input = child.stdin.take().expect("it is a pipe");
        input.write_all(password.as_bytes()).expect("the script reads it");
        drop(input);
        succeed("create a cluster", &child.wait_with_output().expect("it is a child"));
    }

    /// Gives a file to the user that owns the cluster, and only to it.
    pub(super) fn give_to_server(&self, path: &Path) {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        // The guard gave the folder to that user.
        let owner = std::fs::metadata(&self.path).expect("the folder is there");
        chown(path, Some(owner.uid()), Some(owner.gid())).expect("this is root or that user");
        let is_folder = std::fs::metadata(path).expect("the file is there").is_dir();
        let mode = std::fs::Permissions::from_mode(if is_folder { 0o700 } else { 0o600 });
        std::fs::set_permissions(path, mode).expect("this is root or that user");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres"))
}

/// Fails the test when a program did not succeed.
#[track_caller]
pub(super) fn succeed(what: &str, output: &Output) {
    let printed = [&output.stdout[..], &output.stderr[..]].concat();
    assert!(output.status.success(), "cannot {what}: {}", String::from_utf8_lossy(&printed));
}

/// A name or password that no other has.
pub(super) fn random_name(prefix: &str) -> String {
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has randomness");
    format!("{prefix}{:032x}", u128::from_le_bytes(random))
}
