//! A measured server: a child process that is started, waited for, paused and ended by its id. It
//! ends with this program in any case.

use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::bodies;
use crate::http::Connection;

const READY_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
const PORTS: Range<u16> = 20_000..32_000;
const TRIES_MAX: usize = 1_000;

/// See the module.
#[derive(Debug)]
pub(crate) struct Server {
    name: &'static str,
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `command`, which is to listen on `address`; bound to `cores`, if given.
    pub(crate) fn start(
        name: &'static str,
        command: &Command,
        address: SocketAddr,
        cores: Option<String>,
        errors_to: Stdio,
    ) -> anyhow::Result<Self> {
        // taskset becomes the program, so that the id is the program's.
        let mut started = if let Some(cores) = cores {
            let mut taskset = Command::new("taskset");
            taskset.args(["-c", &cores]).arg(command.get_program());
            taskset
        } else {
            Command::new(command.get_program())
        };
        started.args(command.get_args()).stdout(Stdio::null()).stderr(errors_to);
        started.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let child = started.spawn().with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, address })
    }

    /// Waits until a path is answered with 200.
    pub(crate) async fn wait_for(&mut self, path: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < READY_MAX {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended before it listened ({status})", self.name);
            }
            if self.is_ok(path).await {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("{} did not answer within {} s", self.name, READY_MAX.as_secs())
    }

    /// Whether a path is answered with 200 now.
    pub(crate) async fn is_ok(&self, path: &str) -> bool {
        let Ok(mut connection) = Connection::open(self.address).await else { return false };
        connection.get(path).await.is_ok_and(|response| response.status == 200)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes the processor away from it, so that its backlog does not disturb other measurements.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.signal("STOP")
    }

    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        self.signal("CONT")
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        // Both fail only where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        self.signal("TERM")
    }

    /// Waits for the end after [`Self::terminate`]; a problem where that was no success.
    pub(crate) async fn wait(mut self) -> anyhow::Result<Option<String>> {
        let begun = Instant::now();
        while begun.elapsed() < STOP_MAX {
            if let Some(status) = self.child.try_wait()? {
                let problem = || format!("{} ended with {status} after SIGTERM", self.name);
                return Ok((!status.success()).then(problem));
            }
            tokio::time::sleep(POLL).await;
        }
        bail!("{} did not stop within {} s of SIGTERM", self.name, STOP_MAX.as_secs())
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
        self.kill();
    }
}

/// An address on which no process listens at the moment. Its port is below those that the kernel
/// gives to outgoing connections: a server gets it again after a restart.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = u64::from(std::process::id()) << 32;
    for _ in 0..TRIES_MAX {
        let random = bodies::mix(process + NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + (random % u64::from(PORTS.end - PORTS.start)) as u16;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}
