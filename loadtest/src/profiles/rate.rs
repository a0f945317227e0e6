//! How long the gateway takes to accept at given rates, beside what it accepts in a closed loop.
//!
//! Latency counts from the moment at which a delivery was due. Deliveries go to several
//! organizations, and some come twice.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Args;

use crate::bodies::Bodies;
use crate::deliveries::Sending;
use crate::gateway::{Gateway, Settings};
use crate::loaded_gateway::LoadedGateway;
use crate::metrics;
use crate::options::Common;
use crate::pace::{Pace, Schedule, Spacing};
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::store::Store;
use crate::verdict::{Limit, Verdict};

const P99_MS_MAX: f64 = 25.0;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the gateway may take to decide what it accepted, before it is loaded again.
const DECIDED_MAX: Duration = Duration::from_secs(10);
const ORGANIZATIONS: [&str; 3] = ["contoso", "fabrikam", "northwind"];
const CLOSED: &str = "closed loop";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries per second, one rate after the other.
    #[arg(long = "rate", value_delimiter = ',', default_values_t = [500.0, 2_000.0, 5_000.0])]
    rates: Vec<f64>,
    /// How long each rate lasts in a round, and the closed loop before them.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often every rate is offered.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests in flight; what is due beyond that waits, and is counted.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    ensure!(options.rates.iter().all(|rate| *rate >= 1.0), "--rate begins at 1");
    println!(
        "independent arrivals for {} s at each rate, at most {} in flight",
        options.seconds, options.connections
    );
    let gateway =
        Gateway::prepare(&options.common, Store::sqlite(), Settings::offline(&ORGANIZATIONS)?)?;
    let bodies = Rc::new(Bodies::mixed());
    let mut loaded = LoadedGateway::start(gateway, 0, &bodies, Sending::SomeTwice, pinned).await?;
    measure(&mut loaded, CLOSED, options, || Pace::closed(WARM_UP)).await?;
    let mut rounds = Rounds::default();
    for _ in 0..options.rounds {
        let round = round(options, &mut loaded).await;
        rounds.add(round.with_context(|| loaded.gateway.last_log_line())?);
    }
    let (_, account) = loaded.finish().await?;
    let verdicts = verdicts(options, &rounds);
    let (verified, problems) = (account.summary(), account.problems);
    Ok(Report { rounds, verdicts, verified, problems, database: None })
}

async fn round(options: &Options, loaded: &mut LoadedGateway) -> anyhow::Result<Vec<Measurement>> {
    let time = Duration::from_secs(options.seconds);
    let mut round = vec![measure(loaded, CLOSED, options, || Pace::closed(time)).await?];
    for per_second in options.rates.iter().copied() {
        let schedule = Schedule { per_second, spacing: Spacing::Poisson, time };
        let pace = || Pace::open(schedule);
        round.push(measure(loaded, &at(per_second), options, pace).await?);
    }
    Ok(round)
}

async fn measure(
    loaded: &mut LoadedGateway,
    subject: &str,
    options: &Options,
    pace: impl FnOnce() -> Pace,
) -> anyhow::Result<Measurement> {
    let measured = loaded.measure(subject, options.connections, pace).await?;
    metrics::wait_until_decided(&loaded.replicas.addresses(), Some(DECIDED_MAX)).await?;
    Ok(measured)
}

fn at(rate: f64) -> String {
    format!("{rate}/s")
}

fn verdicts(options: &Options, rounds: &Rounds) -> Vec<Verdict> {
    let what = "closed loop, accepts/s";
    let mut verdicts = vec![rounds.figure(what, CLOSED, "accepts_per_second", Limit::None)];
    for subject in options.rates.iter().copied().map(at) {
        let mut add = |what: &str, figure, limit, is_judged| {
            let verdict = rounds.figure(format!("at {subject}, {what}"), &subject, figure, limit);
            verdicts.push(verdict.only_if(is_judged));
        };
        // With more than the gateway can take, the queue only grows.
        let is_taken = rounds
            .all()
            .filter(|one| one.subject == subject)
            .all(|one| one.get("never_sent") == Some(0.0));
        add("p50, ms", "p50_ms", Limit::None, true);
        add("p99, ms", "p99_ms", Limit::AtMost(P99_MS_MAX), is_taken);
        add("p99.9, ms", "p99.9_ms", Limit::None, true);
        add("never sent", "never_sent", Limit::None, true);
    }
    verdicts
}
