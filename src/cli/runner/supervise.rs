//! `azdo-gateway supervise`: a process between the runner and the command of one run, so that
//! nothing that the command started outlives it, or the runner.
//!
//! Processes whose parent ends become children of this one, whatever group or session they are in,
//! and are killed when the command has ended. Each byte on standard input has SIGTERM sent to the
//! command's group; its end, which a killed runner causes as well, kills everything. Standard error
//! is the output of the command; on standard output is printed how it ended.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, set_child_subreaper, wait,
};

use super::ending::Ended;

/// How long processes are killed that do not go, such as those of another user.
const KILL_MAX: Duration = Duration::from_secs(5);
const KILL_INTERVAL: Duration = Duration::from_millis(2);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway supervise -- make test")]
pub(in crate::cli) struct Supervise {
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

impl Supervise {
    pub(in crate::cli) fn run(&self) -> anyhow::Result<ExitCode> {
        set_child_subreaper(Some(getpid())).context("cannot adopt orphaned processes")?;
        let ended = self.ended()?;
        kill_children();
        // A runner that was killed does not read it any more.
        drop(std::io::stdout().write_all(ended.to_line().as_bytes()));
        Ok(ExitCode::SUCCESS)
    }

    /// Runs the command to its end.
    fn ended(&self) -> anyhow::Result<Ended> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Ok(Ended::NotStarted("there is none".into()));
        };
        let output = std::io::stderr().as_fd().try_clone_to_owned()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(output).process_group(0);
        let pid = match command.spawn() {
            Ok(child) => Pid::from_child(&child),
            Err(error) => {
                let program = program.to_string_lossy();
                return Ok(Ended::NotStarted(format!("{program}: {error}")));
            }
        };
        std::thread::spawn(move || obey(pid));
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((ended, status))) if ended == pid => {
                    let code = status.exit_status().map(Ended::Exit);
                    let signal = || status.terminating_signal().map(Ended::Signal);
                    return Ok(code.or_else(signal).unwrap_or(Ended::Lost));
                }
                // An orphan has ended.
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return Ok(Ended::Lost),
            }
        }
    }
}

/// Does what standard input says.
fn obey(group: Pid) {
    let mut byte = [0];
    while let Ok(1..) = std::io::stdin().read(&mut byte) {
        kill_process_group(group, Signal::TERM).ok();
    }
    // The command ends with it; whatever has left the group is killed then.
    kill_process_group(group, Signal::KILL).ok();
}

/// Kills every process that the command has left, until there is none.
fn kill_children() {
    let begin = Instant::now();
    while begin.elapsed() < KILL_MAX {
        for child in children() {
            kill_process(child, Signal::KILL).ok();
        }
        // The children of one that has ended are children of this process from then on.
        match wait(WaitOptions::NOHANG) {
            Ok(None) => std::thread::sleep(KILL_INTERVAL),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// The processes whose parent this one is.
fn children() -> Vec<Pid> {
    let own = getpid();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |id: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"));
        stat.is_ok_and(|stat| parent(&stat) == Some(own.as_raw_nonzero().get()))
    };
    ids.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// The parent in `pid (name) state parent …`, where the name may have any character.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent("12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent("12 (a) S 9 (b) R 8 1"), Some(8));
        assert_eq!(parent("12 (a"), None);
        let child = Command::new("sleep").arg("600").spawn();
        let mut child = child.unwrap();
        let found = children().contains(&Pid::from_child(&child));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
    }
}
