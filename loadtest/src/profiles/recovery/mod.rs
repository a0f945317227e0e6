//! Deaths under load with many deliveries stored: how long until the gateway works again, and
//! whether it kept what it promised. A single gateway is killed and started again; of several
//! replicas one after the other is killed; and the server of PostgreSQL crashes.
//!
//! A delivery that is not acknowledged is sent again, as Azure DevOps does: at the end each one
//! must be stored exactly once.

/// A crash of the database.
mod database;
/// kill -9 of a gateway that is alone.
mod gateway;
/// kill -9 of one of several replicas.
mod replica;

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::bodies::Bodies;
use crate::deliveries::Sending;
use crate::filling::fill;
use crate::gateway::{Gateway, Settings, operator};
use crate::load::{self, Load};
use crate::loaded_gateway::LoadedGateway;
use crate::options::{Common, Systems};
use crate::pace::{Pace, Schedule, Spacing};
use crate::postgres::Postgres;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::system::{Storage, System};
use crate::verdict::{Limit, Verdict};

/// Taking longer than the budget is no failure, but taking longer than this is.
const BACK_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
/// A question to the database costs more than a look at this process.
const POLL_DATABASE: Duration = Duration::from_millis(25);
const WARM_UP: Duration = Duration::from_secs(1);
/// Longer than any run: the load ends when it is stopped.
const ENDLESS: Duration = Duration::from_secs(24 * 3_600);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries stored before.
    #[arg(long, default_value_t = 1_000_000)]
    stored: u64,
    /// How often the gateway is killed; of several replicas, how often one of them is.
    #[arg(long, default_value_t = 7)]
    kills: u32,
    /// How often the server of PostgreSQL crashes.
    #[arg(long, default_value_t = 3)]
    crashes: u32,
    /// How long it is loaded before each death; a little more each time, to meet other moments.
    #[arg(long, default_value_t = 2_000)]
    before_ms: u64,
    /// Connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Deliveries per second beside replicas and crashes; a gateway that is alone gets as many as
    /// it takes.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    #[command(flatten)]
    systems: Systems,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    ensure!(options.rate >= 1.0, "--rate begins at 1");
    let mut report = Report::default();
    let mut verified = Vec::new();
    for system in options.systems.all()? {
        verified.push(Box::pin(measure(options, system, pinned, &mut report)).await?);
    }
    report.verified = verified.join("; ");
    Ok(report)
}

/// Adds what was measured of one system; what was compared in the end.
async fn measure(
    options: &Options,
    system: System,
    pinned: bool,
    report: &mut Report,
) -> anyhow::Result<String> {
    let store = options.systems.create(system, &options.common, pinned)?;
    let gateway = Gateway::prepare(&options.common, store, Settings::offline(&["contoso"])?)?;
    let filled_seconds = fill(&gateway, options.stored).await?;
    println!("{system}: {} deliveries filled in within {filled_seconds:.1} s", options.stored);
    let (bodies, sending) = (Rc::new(Bodies::mixed()), Sending::UntilAcknowledged);
    let mut loaded =
        LoadedGateway::start(gateway, options.stored, &bodies, sending, pinned).await?;
    let calm_start_ms = loaded.start_time.as_secs_f64() * 1e3;
    let deaths = deaths(options, &mut loaded, &mut report.rounds, pinned).await;
    deaths.with_context(|| loaded.gateway.last_log_line())?;
    let decided_seconds = loaded.wait_until_decided().await?;
    let client = operator(loaded.replicas.address);
    let pending = client.get("/v1/deliveries?outcome=pending&limit=1").await?;
    if pending.pointer("/items/0").is_some() {
        loaded.account.problems.push("there are deliveries without a decision".to_owned());
    }
    let (gateway, mut account) = loaded.finish().await?;
    if let Some(postgres) = &gateway.store.postgres {
        let (stored, decided) = (account.stored, postgres.decisions()?);
        if stored != decided {
            let problem = format!("{stored} deliveries are stored and {decided} are decided");
            account.problems.push(problem);
        }
    }
    let verdicts = match system.replicas {
        1 => gateway::verdicts(system, &report.rounds),
        _ => replica::verdicts(system, &report.rounds),
    };
    report.verdicts.extend(verdicts);
    if system.storage == Storage::Postgres {
        report.verdicts.extend(database::verdicts(system, &report.rounds));
    }
    let mut once = |what: &str, measured| {
        report.verdicts.push(Verdict::once(format!("{system}: {what}"), Limit::None, measured));
    };
    once("a calm start until the first answer, ms", calm_start_ms);
    once("end of the load until all is decided, s", decided_seconds);
    report.problems.append(&mut account.problems);
    let settings = gateway.store.postgres.as_ref().map(Postgres::describe).transpose()?;
    report.database = report.database.take().or(settings);
    Ok(format!("{system}: {}", account.summary()))
}

async fn deaths(
    options: &Options,
    loaded: &mut LoadedGateway,
    rounds: &mut Rounds,
    pinned: bool,
) -> anyhow::Result<()> {
    let system = loaded.gateway.store.system;
    let (kills, crashes) = (options.kills, options.crashes);
    let at_rate = || {
        let (per_second, spacing) = (options.rate, Spacing::Poisson);
        Pace::open(Schedule { per_second, spacing, time: ENDLESS })
    };
    if system.replicas == 1 {
        let load = begin(options, loaded, Pace::closed(ENDLESS)).await?;
        for number in 0..kills {
            wait_before(options, number).await;
            add(gateway::kill(loaded, pinned).await?, rounds);
        }
        end(load, loaded).await?;
    } else {
        let load = begin(options, loaded, at_rate()).await?;
        for number in 0..kills {
            wait_before(options, number).await;
            let victim = number as usize % system.replicas;
            add(replica::kill(loaded, victim, pinned).await?, rounds);
        }
        end(load, loaded).await?;
    }
    if system.storage == Storage::Postgres {
        // What is left from before would be waited for.
        loaded.wait_until_decided().await?;
        let load = begin(options, loaded, at_rate()).await?;
        for number in 0..crashes {
            wait_before(options, number).await;
            add(database::crash(loaded).await?, rounds);
        }
        end(load, loaded).await?;
    }
    Ok(())
}

async fn begin(options: &Options, loaded: &LoadedGateway, pace: Pace) -> anyhow::Result<Load> {
    let address = loaded.replicas.address;
    let connections = load::open(address, options.connections).await?;
    let load = Load::start(address, connections, &loaded.deliveries, pace);
    tokio::time::sleep(WARM_UP).await;
    Ok(load)
}

async fn end(load: Load, loaded: &mut LoadedGateway) -> anyhow::Result<()> {
    tokio::time::sleep(WARM_UP).await;
    load.stop();
    load.finish().await?;
    loaded.note(&loaded.deliveries.take_tally()?);
    Ok(())
}

/// A little longer each time: at another distance from a checkpoint or a worker's pass.
async fn wait_before(options: &Options, number: u32) {
    let before = options.before_ms + 137 * u64::from(number);
    tokio::time::sleep(Duration::from_millis(before)).await;
}

fn add(measured: Measurement, rounds: &mut Rounds) {
    println!("{}", measured.line());
    rounds.add_sample(measured);
}

fn ms_between(earlier: Instant, later: Instant) -> f64 {
    later.saturating_duration_since(earlier).as_secs_f64() * 1e3
}

/// When the first delivery was acknowledged that was sent after a moment, if one was. To be asked
/// often.
fn accepted_after(loaded: &LoadedGateway, moment: Instant) -> Option<Instant> {
    let last = loaded.deliveries.last_acknowledged().filter(|(sent, _)| *sent >= moment);
    last.map(|(_, answered)| answered)
}
