//! `azdo-gateway runner` as the real binary, and a gateway that has runs for it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

use crate::harness::{POLL_INTERVAL, RUNNER, Settings, WAIT_MAX, binary_path, check};

/// A running runner, which is killed when the test drops it.
pub(super) struct Runner {
    child: Child,
    folder: TempDir,
}

impl Runner {
    /// Has `sh` execute the input `run` of each run, with the variable `FILES`: a folder for what a
    /// test wants to see.
    pub(super) fn start(gateway: &str, name: &str, files: &Path, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let log = std::fs::File::create(folder.path().join("log")).expect("it is writable");
        let child = Command::new(binary_path())
            .args(["runner", "--url", gateway, "--labels", "linux,fast", "--name", name, "--dir"])
            .arg(folder.path().join("dir"))
            .args(more)
            .args(["--", "sh", "-c", "eval \"$INPUT_RUN\""])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("it is set"))
            .env("AZDO_GATEWAY_TOKEN", RUNNER)
            .env("AZDO_PULL_REQUEST", "of another time")
            .env("FILES", files)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        Self { child, folder }
    }

    /// Everything that the runner has logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("it logs")
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("dir")
    }

    /// What the command of a run has printed.
    pub(super) fn output(&self, run: &str) -> Vec<u8> {
        std::fs::read(self.dir().join(format!("logs/{run}.log"))).expect("the run has a log")
    }

    /// The folders of runs that are there.
    pub(super) fn folders(&self) -> usize {
        std::fs::read_dir(self.dir().join("runs")).map_or(0, Iterator::count)
    }

    /// Sends SIGTERM.
    pub(super) fn terminate(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill is there");
        assert!(sent.success(), "the runner has ended already: {}", self.log());
    }

    /// Sends SIGKILL.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is a child of this process");
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&mut self) -> ExitStatus {
        let waiting = async {
            let mut interval = tokio::time::interval(POLL_INTERVAL);
            loop {
                interval.tick().await;
                if let Some(status) = self.child.try_wait().expect("it is a child") {
                    return status;
                }
            }
        };
        let ended = tokio::time::timeout(WAIT_MAX, waiting).await;
        ended.unwrap_or_else(|_| panic!("the runner does not end: {}", self.log()))
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("the runner has logged:\n{}", self.log());
        }
    }
}

/// Checks of pull requests for runners, each with the shell command of its runs.
pub(super) fn for_runners(settings: &mut Settings, checks: &[(&str, &str)]) {
    let checks = checks.iter().map(|(name, run)| {
        let run = run.replace('\\', "\\\\").replace('"', "\\\"");
        check(name, &format!("statuses = [\"pull_request\"]\ninputs = {{ run = \"{run}\" }}"))
    });
    settings.checks = checks.collect();
    settings.ci = Some("kind = \"runner\"\nlabels = [\"linux\"]\nlease = \"2s\"".to_owned());
}

/// What a command writes for a test.
pub(super) struct Files(TempDir);

impl Files {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().expect("there is a temporary folder"))
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file that a command waits for.
    pub(super) fn write(&self, name: &str) {
        std::fs::write(self.path().join(name), "").expect("it is writable");
    }

    /// Waits for a file that a command writes with one line, and returns that.
    pub(super) async fn line(&self, name: &str) -> String {
        let path = self.path().join(name);
        let read = || std::fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'));
        until(&format!("{name} is written"), || read().is_some()).await;
        read().expect("it was there").trim().to_owned()
    }

    /// Waits until the process has ended whose id a command has written.
    pub(super) async fn until_gone(&self, name: &str) {
        let id = self.line(name).await;
        let is_gone = || {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // A zombie has ended, whoever its parent is.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
        };
        until(&format!("{name} {id} has ended"), is_gone).await;
    }
}

/// Waits until a condition holds.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        let mut interval = tokio::time::interval(POLL_INTERVAL);
        while !condition() {
            interval.tick().await;
        }
    };
    let holds = tokio::time::timeout(WAIT_MAX, waiting).await;
    assert!(holds.is_ok(), "it did not happen in time that {what}");
}
