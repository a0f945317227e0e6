//! kill -9 under load with much stored: how long until it works again, and whether it kept what it
//! promised.
//!
//! The load repeats whatever was not acknowledged, as Azure DevOps does, so at the end everything
//! that was sent must be stored exactly once. This must never fail because something was slow, only
//! because something was lost, doubled or never decided.

/// One death and what follows.
mod kill;
/// The budgets, and what is printed.
mod verdicts;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use tokio::task::LocalSet;

use super::verification::Verification;
use crate::bodies::Bodies;
use crate::caller::Caller;
use crate::children::Server;
use crate::connections::Target;
use crate::document::Output;
use crate::filler;
use crate::gateway::{OPERATOR, Setting};
use crate::gauges;
use crate::ground::{Ground, Stocked};
use crate::machine::Machine;
use crate::stream::Running;
use kill::Kill;

const SAMPLE: Duration = Duration::from_millis(100);
const WARM_UP: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries stored before.
    #[arg(long, default_value_t = 1_000_000)]
    stored: u64,
    /// How often it is killed.
    #[arg(long, default_value_t = 7)]
    kills: usize,
    /// How long it is loaded before each kill; a little more each time, to meet other moments.
    #[arg(long, default_value_t = 2_000)]
    before_ms: u64,
    /// Connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Deliveries per second, instead of as many as it takes.
    #[arg(long)]
    rate: Option<f64>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    ground: Ground,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) stored: u64,
    pub(crate) fill_seconds: f64,
    /// From the start of the first process, which found everything in order, to its first answer.
    pub(crate) calm_start_ms: f64,
    pub(crate) kills: Vec<Kill>,
    /// From the last load until everything was decided; nothing if it came to a standstill.
    pub(crate) settled_seconds: Option<f64>,
    pub(crate) verification: Verification,
    /// Seconds since the load began, and deliveries per second acknowledged then.
    pub(crate) accepts: Vec<[f64; 2]>,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    let machine = Machine::look(&options.ground.folder)?;
    verdicts::print_setting(options, pinned, &machine);
    let stocked = Stocked::prepare(&options.ground, options.stored, Setting::of_nobody()?).await?;
    let measured = LocalSet::new()
        .run_until(measure(options, &stocked, pinned))
        .await
        .with_context(|| format!("the gateway said last: {}", stocked.last_words()))?;
    let judged = verdicts::print(&measured);
    let failed = !measured.verification.problems.is_empty();
    let charts = verdicts::charts(&measured);
    let folder = &options.ground.folder;
    options.output.write("recovery", folder, !failed, &judged, &measured, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn measure(options: &Options, stocked: &Stocked, pinned: bool) -> anyhow::Result<Measured> {
    let (mut server, calm_start) = stocked.serve(pinned).await?;
    let problems = filler::check(server.address, stocked.stored).await?;
    let target = stocked.target(&server, &Rc::new(Bodies::new()))?;
    let load = Running::start(&target, options.connections, options.rate)?;
    let (mut kills, mut risky) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let mut accepts = Accepts { begun, last: begun, all: Vec::new() };
    accepts.watch(&load, WARM_UP).await?;
    for number in 0..options.kills {
        // Not always at the same distance from a checkpoint or the turn of a worker.
        let more = 137 * u64::try_from(number)?;
        accepts.watch(&load, Duration::from_millis(options.before_ms + more)).await?;
        risky.extend(load.stream.recent());
        let kill;
        (server, kill) = kill::kill(server, stocked, &load, &mut accepts, pinned).await?;
        verdicts::print_kill(number, &kill);
        kills.push(kill);
    }
    accepts.watch(&load, WARM_UP).await?;
    let sent = load.end().await?;
    let settled = gauges::settled_at_last(server.address).await?;
    let verification =
        Verification { acknowledged: stocked.stored + sent, problems, ..Verification::default() };
    let verification = verify(verification, stocked, server, &target, &risky).await?;
    Ok(Measured {
        stored: stocked.stored,
        fill_seconds: stocked.fill_seconds,
        calm_start_ms: calm_start.as_secs_f64() * 1e3,
        kills,
        settled_seconds: settled.map(|took| took.as_secs_f64()),
        verification,
        accepts: accepts.all,
    })
}

/// What was acknowledged shortly before a kill is sent again: none of it may be new.
async fn verify(
    mut verification: Verification,
    stocked: &Stocked,
    server: Server,
    target: &Target,
    risky: &[u64],
) -> anyhow::Result<Verification> {
    let caller = Caller::with_token(server.address, OPERATOR);
    let pending = caller.get("/v1/deliveries?outcome=pending&limit=1").await?;
    if pending.pointer("/items/0").is_some() {
        verification.problems.push("there are deliveries without a decision".to_owned());
    }
    verification.resend(target, risky).await?;
    gauges::settled_at_last(server.address).await?;
    verification.count(&stocked.gateway, server).await?;
    Ok(verification)
}

/// How many were acknowledged, a tenth of a second at a time.
pub(super) struct Accepts {
    begun: Instant,
    last: Instant,
    all: Vec<[f64; 2]>,
}

impl Accepts {
    async fn watch(&mut self, load: &Running, time: Duration) -> anyhow::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            tokio::time::sleep(SAMPLE).await;
            self.note(load)?;
        }
        Ok(())
    }

    /// Nothing happens if the last time was just now.
    fn note(&mut self, load: &Running) -> anyhow::Result<()> {
        let now = Instant::now();
        if now - self.last < SAMPLE / 2 {
            return Ok(());
        }
        let seen = load.stream.take_seen()?;
        let rate = crate::tally::as_float(seen.accepted) / (now - self.last).as_secs_f64();
        self.all.push([(now - self.begun).as_secs_f64(), rate]);
        self.last = now;
        Ok(())
    }
}
