//! How long the gateway takes to accept at given rates, beside what it accepts when every
//! connection waits for its answer.
//!
//! Latency counts from the moment a delivery was due, so that it also says what those behind a slow
//! one had to wait. Deliveries go to several organizations, and some come twice. This must never
//! fail because something was slow, only because something was lost or doubled.

/// Deliveries at a rate.
mod offering;
/// What is printed.
mod verdicts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::verification::Verification;
use crate::arrivals::{Schedule, Spacing};
use crate::bodies::Bodies;
use crate::children::Server;
use crate::connections::Target;
use crate::document::Output;
use crate::gateway::{Gateway, Setting, organization_table};
use crate::gauges;
use crate::phase::{Phase, measure};
use offering::{Offered, offer};

const WARM_UP: Duration = Duration::from_secs(1);
/// How long the gateway may take to decide what it accepted, before it goes on.
const SETTLED_MAX: Duration = Duration::from_secs(10);
/// Beside the first.
const ORGANIZATIONS: [&str; 2] = ["fabrikam", "northwind"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries per second, one rate after the other.
    #[arg(long = "rate", value_delimiter = ',', default_values_t = [500.0, 2_000.0, 5_000.0])]
    rates: Vec<f64>,
    /// How deliveries follow each other.
    #[arg(long, value_enum, default_value_t = Spacing::Poisson)]
    spacing: Spacing,
    /// Of the distances between deliveries.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long each rate lasts in a round, and how long every connection is kept busy before.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often every rate is offered.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// What may be in flight; whatever is due beyond that waits, and is counted.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[command(flatten)]
    output: Output,
    /// The binary to measure, instead of the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where the temporary folder is made, and with it which disk is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

/// What was seen in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    /// Every connection sends as soon as it has its answer.
    pub(crate) saturated: Phase,
    pub(crate) offered: Vec<Offered>,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) pinned: bool,
    pub(crate) connections: usize,
    pub(crate) spacing: Spacing,
    pub(crate) rounds: Vec<Round>,
    pub(crate) verification: Verification,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    ensure!(options.rates.iter().all(|rate| *rate >= 1.0), "--rate begins at 1");
    let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(&options.folder)?;
    let program = match &options.gateway {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("azdo-gateway"),
    };
    let gateway = Gateway::prepare(&program, folder.path(), setting()?)?;
    let bodies = Rc::new(Bodies::new());
    verdicts::print_setting(options, pinned, bodies.sizes());
    let mut server = gateway.serve(pinned)?;
    server.wait_until_alive().await?;
    let target = Rc::new(target(&gateway, &server, bodies)?);
    let mut verification = Verification::default();
    let mut rounds = Vec::new();
    saturate(options, &target, &server, WARM_UP, &mut verification).await?;
    for number in 1..=options.rounds {
        let round = round(options, &target, &server, &mut verification);
        let round = round.await.with_context(|| {
            let log = std::fs::read_to_string(gateway.log()).unwrap_or_default();
            let last = log.trim_end().lines().next_back().unwrap_or("nothing");
            format!("round {number} ended early; the gateway said last: {last}")
        })?;
        verdicts::print_round(number, &round);
        rounds.push(round);
    }
    verification.count(&gateway, server).await?;
    let (connections, spacing) = (options.connections, options.spacing);
    let measured = Measured { pinned, connections, spacing, rounds, verification };
    verdicts::print(&measured);
    let failed = !measured.verification.problems.is_empty();
    let (judged, charts) = (verdicts::verdicts(&measured), verdicts::charts(&measured));
    options.output.write("rate", folder.path(), !failed, &judged, &measured, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Several organizations that nobody asks for anything.
fn setting() -> anyhow::Result<Setting> {
    let mut setting = Setting::of_nobody()?;
    let tables = ORGANIZATIONS.map(|name| {
        organization_table(name, &format!("http://127.0.0.1:9/{name}"), &setting.credential)
    });
    setting.more = tables.concat();
    Ok(setting)
}

fn target(gateway: &Gateway, server: &Server, bodies: Rc<Bodies>) -> anyhow::Result<Target> {
    let first = gateway.hook()?;
    let mut target = Target::new(server.address, &first.path, &first.authorization, bodies);
    for organization in ORGANIZATIONS {
        let hook = gateway.hook_of(organization)?;
        target = target.and(&hook.path, &hook.authorization);
    }
    Ok(target)
}

async fn round(
    options: &Options,
    target: &Rc<Target>,
    server: &Server,
    verification: &mut Verification,
) -> anyhow::Result<Round> {
    let time = Duration::from_secs(options.seconds);
    let saturated = saturate(options, target, server, time, verification).await?;
    let mut offered = Vec::new();
    for rate in options.rates.iter().copied() {
        let schedule = Schedule { rate, spacing: options.spacing, seed: options.seed, time };
        let (seen, known) = offer(target, server.id(), options.connections, schedule).await?;
        verification.acknowledged += known.acknowledged;
        verification.uncertain += known.uncertain;
        verification.resent += known.again;
        offered.push(seen);
        gauges::settled(server.address, SETTLED_MAX).await?;
    }
    Ok(Round { saturated, offered })
}

async fn saturate(
    options: &Options,
    target: &Rc<Target>,
    server: &Server,
    time: Duration,
    verification: &mut Verification,
) -> anyhow::Result<Phase> {
    let (phase, tally) = measure(target, server.id(), options.connections, time).await?;
    verification.acknowledged += tally.accepted;
    verification.uncertain += tally.others();
    gauges::settled(server.address, SETTLED_MAX).await?;
    Ok(phase)
}
