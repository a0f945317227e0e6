//! `azdo-gateway runner`: fetches runs from a gateway and has a command execute them, on a machine
//! that the gateway need not reach.
//!
//! Everything happens on the main thread, but for reading output and waiting for processes: other
//! threads have a lower priority, which a command would inherit.

mod calls;
mod ending;
mod environment;
mod folder;
mod heartbeat;
mod job;
mod last_line;
mod log;
mod output;
mod process;
mod supervise;

use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::report::BACKOFF;
use super::{Common, usage};
use crate::jitter;
use crate::secret::Secret;
use calls::{Gateway, Taken};
use folder::Folder;
use job::{Jobs, Phase};
pub(super) use supervise::Supervise;

/// The shortest time between two answers without a run.
const POLL_INTERVAL_MIN: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  azdo-gateway runner --url https://gateway.example.com --labels linux,dbt -- ./build
  azdo-gateway runner --url https://gateway.example.com --labels linux --parallel 4 -- make test")]
pub(super) struct Runner {
    /// What this runner can do: it gets the runs whose labels it has all.
    #[arg(long, required = true, value_delimiter = ',', value_name = "LABEL,…",
          value_parser = NonEmptyStringValueParser::new())]
    labels: Vec<String>,
    /// How the gateway and the statuses call this runner. By default the name of the machine.
    #[arg(long)]
    name: Option<String>,
    /// How many runs it works on at a time.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    parallel: u16,
    /// Where it has its logs and the folders of its runs.
    #[arg(long, default_value = "azdo-gateway-runner")]
    dir: PathBuf,
    /// What executes a run, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

type Taking<'a> = Pin<Box<dyn Future<Output = Taken> + 'a>>;

impl Runner {
    pub(super) async fn run(self, common: &Common) -> anyhow::Result<ExitCode> {
        let Some(url) = &common.url else {
            return Ok(usage("give the address of the gateway with --url"));
        };
        let token = std::env::var("AZDO_GATEWAY_TOKEN").unwrap_or_default();
        if token.trim().is_empty() {
            return Ok(usage(
                "set AZDO_GATEWAY_TOKEN to the token of an [[api_token]] with role = \"runner\"",
            ));
        }
        crate::telemetry::log();
        let token = Secret::new(token.trim().to_owned());
        let name = self.name.unwrap_or_else(machine);
        let gateway = Gateway::new(url, token, &name, &self.labels)?;
        let folder = Folder::open(&self.dir)?;
        tracing::info!(name, labels = self.labels.join(","), "runs are taken from {url}");
        let jobs = Jobs { gateway, folder, command: self.command, name };
        match jobs.take_runs(self.parallel.into(), phases()?).await {
            Some(refusal) => bail!(refusal),
            None => Ok(ExitCode::SUCCESS),
        }
    }
}

impl Jobs {
    /// Takes runs and works on them until it is told to stop, or the gateway refuses it: then why.
    async fn take_runs(
        &self,
        parallel: usize,
        mut phase: watch::Receiver<Phase>,
    ) -> Option<String> {
        let mut working = FuturesUnordered::new();
        let mut taking: Option<Taking<'_>> = None;
        let mut failures = 0_u32;
        let mut refusal = None;
        loop {
            let now = *phase.borrow_and_update();
            let takes = now == Phase::Working && refusal.is_none();
            if takes && taking.is_none() && working.len() < parallel {
                let wait = match failures {
                    0 => Duration::ZERO,
                    _ => BACKOFF.wait(failures, jitter::random(), None),
                };
                taking = Some(Box::pin(self.take(wait, phase.clone())));
            }
            // An answer may have a run, which would be lost for as long as its lease.
            if now == Phase::GivingBack {
                taking = None;
            }
            if !takes && taking.is_none() && working.is_empty() {
                return refusal;
            }
            let taken = async {
                match &mut taking {
                    Some(taking) => taking.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                taken = taken => {
                    taking = None;
                    failures = if matches!(taken, Taken::Later(_)) { failures + 1 } else { 0 };
                    match taken {
                        Taken::Run(run) => {
                            working.push(Box::pin(self.work(*run, phase.clone())));
                        }
                        Taken::Nothing => {}
                        Taken::Later(why) => tracing::warn!("no run can be taken: {why}"),
                        Taken::Refused(why) => refusal = Some(why),
                    }
                }
                Some(()) = working.next() => {}
                changed = phase.changed() => {
                    if changed.is_err() {
                        return refusal;
                    }
                }
            }
        }
    }

    /// Asks for a run after `wait`, unless the runner stops before that. Once it has asked, only
    /// the answer ends it.
    async fn take(&self, wait: Duration, mut phase: watch::Receiver<Phase>) -> Taken {
        let stops = async { drop(phase.wait_for(|phase| *phase != Phase::Working).await) };
        if tokio::time::timeout(wait, stops).await.is_ok() {
            return Taken::Nothing;
        }
        let asked_at = Instant::now();
        let taken = self.gateway.take().await;
        if matches!(taken, Taken::Nothing) {
            // A gateway that does not hold calls back is not asked in a loop.
            let rest = POLL_INTERVAL_MIN.saturating_sub(asked_at.elapsed());
            tokio::time::sleep(rest).await;
        }
        taken
    }
}

/// What SIGTERM and Ctrl-C ask for: first to finish, then to give back.
fn phases() -> anyhow::Result<watch::Receiver<Phase>> {
    let (phase, watched) = watch::channel(Phase::Working);
    let (mut terminated, mut interrupted) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        for next in [Phase::Finishing, Phase::GivingBack] {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
            match next {
                Phase::Finishing => tracing::info!("no more runs are taken; what runs is finished"),
                _ => tracing::info!("what runs is stopped and given back"),
            }
            phase.send(next).ok();
        }
        // The receivers need a sender as long as they are there.
        phase.closed().await;
    });
    Ok(watched)
}

/// The name of this machine.
fn machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "runner".to_owned() } else { name.to_owned() }
}
