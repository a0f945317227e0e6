//! A running command, behind the process that supervises it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use tokio::sync::oneshot;

use super::ending::Ended;
use super::environment::is_hidden;

/// What a supervisor prints is one line.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// See the module. Dropping it kills the command and all it has started.
#[derive(Debug)]
pub(super) struct Process {
    orders: Option<ChildStdin>,
    ended: oneshot::Receiver<Ended>,
}

impl Process {
    /// Starts a command in a folder, with the variables of this process that it may have and with
    /// `variables`. Returns it with what it prints.
    pub(super) fn start(
        command: &[OsString],
        variables: &BTreeMap<String, String>,
        folder: &Path,
    ) -> io::Result<(Self, PipeReader)> {
        let (output, written) = io::pipe()?;
        // This very program, also where its file was replaced meanwhile.
        let mut supervisor = Command::new("/proc/self/exe");
        let inherited = std::env::vars_os();
        supervisor
            .args(["supervise", "--"])
            .args(command)
            .env_clear()
            .envs(inherited.filter(|(name, _)| !is_hidden(&name.to_string_lossy())))
            .envs(variables)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(written)
            // Ctrl-C on a terminal is for the runner alone.
            .process_group(0);
        let mut child = supervisor.spawn()?;
        // Its end of the pipe stays open in `supervisor`, and the output would have no end.
        drop(supervisor);
        let orders = child.stdin.take();
        let (send, ended) = oneshot::channel();
        std::thread::spawn(move || send.send(wait(child)));
        Ok((Self { orders, ended }, output))
    }

    /// Has SIGTERM sent to the group of the command.
    pub(super) fn terminate(&mut self) {
        if let Some(orders) = &mut self.orders {
            // It has ended if this fails.
            drop(orders.write_all(b"t").and_then(|()| orders.flush()));
        }
    }

    /// Kills everything.
    pub(super) fn kill(&mut self) {
        self.orders = None;
    }

    /// Waits until the command has ended, and all that it has started.
    pub(super) async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.unwrap_or(Ended::Lost)
    }
}

fn wait(mut supervisor: Child) -> Ended {
    let mut printed = String::new();
    if let Some(out) = supervisor.stdout.take() {
        drop(out.take(LINE_BYTES_MAX).read_to_string(&mut printed));
    }
    drop(supervisor.wait());
    Ended::parse(&printed)
}
