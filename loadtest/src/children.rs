//! Processes that are measured: started, waited for, paused and ended, each by its id.
//!
//! A child ends with us in every case, paused or not. It must never know what a child does.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::connections::Connection;
use crate::processor;

const READY_MAX: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// A server in a process of its own.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `command`, which is to listen on `address`; on the servers' core if `pinned`.
    pub(crate) fn start(
        name: &'static str,
        command: &Command,
        address: SocketAddr,
        pinned: bool,
        errors_to: std::fs::File,
    ) -> anyhow::Result<Self> {
        // taskset becomes the program, so that the id is the program's.
        let mut started = if pinned {
            let mut taskset = Command::new("taskset");
            taskset.args(["-c", &processor::SERVERS.to_string()]).arg(command.get_program());
            taskset
        } else {
            Command::new(command.get_program())
        };
        started.args(command.get_args()).stdout(Stdio::null()).stderr(errors_to);
        started.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let child = started.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, address })
    }

    /// Waits until `/livez` answers 200.
    pub(crate) async fn wait_until_alive(&mut self) -> anyhow::Result<()> {
        self.wait_until_found("/livez").await
    }

    /// Waits until this path is answered 200.
    pub(crate) async fn wait_until_found(&mut self, path: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it listened ({status})", self.name);
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && connection.get(path).await.is_ok_and(|response| response.status == 200)
            {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("{} did not answer within {} s", self.name, READY_MAX.as_secs())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes the processor away from it, so that its backlog does not disturb another.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// Asks it to stop and waits until it has.
    pub(crate) async fn stop(mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        let begun = Instant::now();
        while begun.elapsed() < within {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("{} did not stop within {} s of SIGTERM", self.name, within.as_secs())
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().context("no kill")?;
        if !sent.success() {
            bail!("{} could not be sent SIG{signal}", self.name);
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that nobody listens on at the moment.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").context("cannot bind loopback")?.local_addr()?)
}
