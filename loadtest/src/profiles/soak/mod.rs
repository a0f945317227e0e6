//! Minutes of steady load while retention deletes what is old: whether anything grows that should
//! not, and whether anybody notices the deleting.
//!
//! Deliveries come at an even rate, whatever the gateway answers, and their latency counts from the
//! moment at which each was due. This must never fail because something was slow, only because
//! something was lost or doubled.

/// What is looked at every second.
mod sample;
/// The budgets, and what is printed.
mod verdicts;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::verification::Verification;
use crate::bodies::Bodies;
use crate::children::Server;
use crate::connections::Target;
use crate::document::Output;
use crate::gateway::Setting;
use crate::gauges;
use crate::ground::{Ground, Stocked};
use crate::latencies::{Curve, Latencies};
use crate::machine::Machine;
use crate::stream::Running;
use sample::Sample;

const EVERY: Duration = Duration::from_secs(1);
/// A second in which retention deleted less than this did not feel it.
const DELETED_MIN: f64 = 200.0;
/// Of the whole time: caches fill, and latencies are not judged.
const WARM_UP: f64 = 0.1;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long it is loaded.
    #[arg(long, default_value_t = 4.0)]
    minutes: f64,
    /// Deliveries per second.
    #[arg(long, default_value_t = 1_000.0)]
    rate: f64,
    /// Connections that they come over.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long the gateway keeps a delivery; it looks once a minute.
    #[arg(long, default_value_t = 20)]
    retention_seconds: u64,
    /// Deliveries stored before.
    #[arg(long, default_value_t = 0)]
    stored: u64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    ground: Ground,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) rate: f64,
    pub(crate) samples: Vec<Sample>,
    /// Which sample is the first that is judged.
    pub(crate) warm: usize,
    /// Over all seconds in which retention deleted, and in which it did not.
    pub(crate) deleting: Stretch,
    pub(crate) resting: Stretch,
    /// From the end of the load until everything was decided; nothing if it came to a standstill.
    pub(crate) settled_seconds: Option<f64>,
    pub(crate) peak_mib: f64,
    pub(crate) verification: Verification,
}

/// Seconds of one kind.
#[derive(Debug, Serialize)]
pub(crate) struct Stretch {
    pub(crate) seconds: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) curve: Curve,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    ensure!(options.minutes > 0.0 && options.rate > 0.0, "--minutes and --rate are above zero");
    let machine = Machine::look(&options.ground.folder)?;
    verdicts::print_setting(options, pinned, &machine);
    let stocked = Stocked::prepare(&options.ground, options.stored, Setting::of_nobody()?).await?;
    let keys = format!("retention = \"{}s\"\n", options.retention_seconds);
    stocked.gateway.set_storage(&keys)?;
    let measured = LocalSet::new()
        .run_until(measure(options, &stocked, pinned))
        .await
        .with_context(|| format!("the gateway said last: {}", stocked.last_words()))?;
    let judged = verdicts::print(&measured);
    let failed = !measured.verification.problems.is_empty();
    let charts = verdicts::charts(&measured);
    let folder = &options.ground.folder;
    options.output.write("soak", folder, !failed, &judged, &measured, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(options: &Options, stocked: &Stocked, pinned: bool) -> anyhow::Result<Measured> {
    let (server, _) = stocked.serve(pinned).await?;
    let target = stocked.target(&server, &Rc::new(Bodies::new()))?;
    let load = Running::start(&target, options.connections, Some(options.rate))?;
    let (mut deleting, mut resting) = (Pool::new()?, Pool::new()?);
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let begun = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut pace = tokio::time::interval_at((begun + EVERY).into(), EVERY);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < time {
        pace.tick().await;
        let (sample, latencies) =
            Sample::take(begun, samples.last(), &load, &server, stocked).await?;
        if sample.seconds > time.as_secs_f64() * WARM_UP {
            let is_deleting = sample.deleted_per_second >= DELETED_MIN;
            if is_deleting { &mut deleting } else { &mut resting }.add(&latencies)?;
        }
        verdicts::print_sample(&sample);
        samples.push(sample);
    }
    let recent_first = load.stream.recent();
    let sent = load.end().await?;
    let settled = gauges::settled_at_last(server.address).await?;
    let warm = samples.iter().position(|sample| sample.seconds > time.as_secs_f64() * WARM_UP);
    Ok(Measured {
        rate: options.rate,
        warm: warm.unwrap_or_default(),
        samples,
        deleting: deleting.stretch(),
        resting: resting.stretch(),
        settled_seconds: settled.map(|took| took.as_secs_f64()),
        peak_mib: crate::processor::resident_peak_mib(server.id())?,
        verification: verify(stocked, sent, server, &target, &recent_first).await?,
    })
}

/// Only what retention cannot have deleted yet is sent again: the rest would be new to the gateway.
async fn verify(
    stocked: &Stocked,
    sent: u64,
    server: Server,
    target: &Target,
    recent: &[u64],
) -> anyhow::Result<Verification> {
    let acknowledged = stocked.stored + sent;
    let mut verification = Verification { acknowledged, ..Verification::default() };
    verification.resend(target, recent).await?;
    gauges::settled_at_last(server.address).await?;
    verification.count(&stocked.gateway, server).await?;
    Ok(verification)
}

struct Pool {
    seconds: usize,
    latencies: Latencies,
}

impl Pool {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { seconds: 0, latencies: Latencies::new()? })
    }

    fn add(&mut self, latencies: &Latencies) -> anyhow::Result<()> {
        self.seconds += 1;
        self.latencies.add(latencies)
    }

    fn stretch(&self) -> Stretch {
        Stretch {
            seconds: self.seconds,
            p50_ms: self.latencies.at_ms(0.5),
            p99_ms: self.latencies.at_ms(0.99),
            curve: self.latencies.curve(),
        }
    }
}
