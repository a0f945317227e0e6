//! kill -9 under load with many deliveries stored: how long until the gateway works again, and
//! whether it kept what it promised.
//!
//! The load repeats what was not acknowledged, as Azure DevOps does, so at the end everything that
//! was sent must be stored exactly once.

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
use crate::metrics;
use crate::options::Common;
use crate::pace::Pace;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::verdict::{Limit, Verdict};

const BACK_MS_MAX: f64 = 2_000.0;
/// Taking longer than the budget is no failure, but taking longer than this is.
const BACK_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(2);
const WARM_UP: Duration = Duration::from_secs(1);
/// Longer than any run: the load ends when it is stopped.
const ENDLESS: Duration = Duration::from_secs(24 * 3_600);
const GATEWAY: &str = "kill -9";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries stored before.
    #[arg(long, default_value_t = 1_000_000)]
    stored: u64,
    /// How often the gateway is killed.
    #[arg(long, default_value_t = 7)]
    kills: u32,
    /// How long it is loaded before each kill; a little more each time, to meet other moments.
    #[arg(long, default_value_t = 2_000)]
    before_ms: u64,
    /// Connections of the load.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    let gateway = Gateway::prepare(&options.common, Settings::offline(&["contoso"])?)?;
    let filled_seconds = fill(&gateway, options.stored).await?;
    println!("{} deliveries filled in within {filled_seconds:.1} s", options.stored);
    let (bodies, sending) = (Rc::new(Bodies::mixed()), Sending::UntilAcknowledged);
    let mut loaded =
        LoadedGateway::start(gateway, options.stored, &bodies, sending, pinned).await?;
    let calm_start_ms = loaded.start_time.as_secs_f64() * 1e3;
    let mut rounds = Rounds::default();
    let kills = kill_repeatedly(options, &mut loaded, &mut rounds, pinned).await;
    kills.with_context(|| loaded.gateway.last_log_line())?;
    let decided_seconds = loaded.wait_until_decided().await?;
    let client = operator(loaded.server.address);
    let pending = client.get("/v1/deliveries?outcome=pending&limit=1").await?;
    if pending.pointer("/items/0").is_some() {
        loaded.account.problems.push("there are deliveries without a decision".to_owned());
    }
    let (_, account) = loaded.finish().await?;
    let mut verdicts = verdicts(&rounds);
    let once = |what: &str, measured| Verdict::once(what, Limit::None, measured);
    verdicts.push(once("a calm start until the first answer, ms", calm_start_ms));
    verdicts.push(once("end of the load until all is decided, s", decided_seconds));
    Ok(Report { rounds, verdicts, verified: account.summary(), problems: account.problems })
}

async fn kill_repeatedly(
    options: &Options,
    loaded: &mut LoadedGateway,
    rounds: &mut Rounds,
    pinned: bool,
) -> anyhow::Result<()> {
    let address = loaded.server.address;
    let connections = load::open(address, options.connections).await?;
    let load = Load::start(address, connections, &loaded.deliveries, Pace::closed(ENDLESS));
    tokio::time::sleep(WARM_UP).await;
    for number in 0..options.kills {
        // A little longer each time: at another distance from a checkpoint or a worker's pass.
        let before = options.before_ms + 137 * u64::from(number);
        tokio::time::sleep(Duration::from_millis(before)).await;
        let kill = kill(loaded, pinned).await?;
        println!("{}", kill.line());
        rounds.add_sample(kill);
    }
    tokio::time::sleep(WARM_UP).await;
    load.stop();
    load.finish().await?;
    loaded.note(&loaded.deliveries.take_tally()?);
    Ok(())
}

/// Kills the gateway, starts it again and waits until it works. Times are in milliseconds since the
/// new process was started, but for the last, which counts from the signal.
async fn kill(loaded: &mut LoadedGateway, pinned: bool) -> anyhow::Result<Measurement> {
    let address = loaded.server.address;
    let undecided = metrics::read(address).await?.undecided;
    // None of what was acknowledged shortly before may be stored twice.
    loaded.note_recent();
    let killed = Instant::now();
    loaded.server.kill();
    let begun = Instant::now();
    loaded.server = loaded.gateway.start(pinned)?;
    let since = |moment: Instant| moment.saturating_duration_since(begun).as_secs_f64() * 1e3;
    let (mut ready, mut decided, mut accepted) = (None, None, None);
    while ready.is_none() || decided.is_none() || accepted.is_none() {
        ensure!(begun.elapsed() < BACK_MAX, "it was not back after {} s", BACK_MAX.as_secs());
        tokio::time::sleep(POLL).await;
        let last = loaded.deliveries.last_acknowledged().filter(|(sent, _)| *sent >= begun);
        accepted = accepted.or(last.map(|(_, answered)| since(answered)));
        if ready.is_none() {
            ready = loaded.server.is_ok("/readyz").await.then(|| since(Instant::now()));
        } else if decided.is_none() {
            // The counter of a new process begins at zero.
            let now = metrics::read(address).await?;
            let has_decided = now.decided > 0.5 || (undecided < 0.5 && now.undecided < 0.5);
            decided = has_decided.then(|| since(Instant::now()));
        }
    }
    let died = begun.saturating_duration_since(killed).as_secs_f64() * 1e3;
    let [accepted, ready, decided] = [accepted, ready, decided].map(Option::unwrap_or_default);
    let figures = [
        ("undecided", undecided),
        ("dead_after_ms", died),
        ("first_accept_ms", accepted),
        ("ready_ms", ready),
        ("first_decision_ms", decided),
        ("working_again_ms", died + accepted.max(ready).max(decided)),
    ];
    Ok(Measurement::new(GATEWAY, figures))
}

fn verdicts(rounds: &Rounds) -> Vec<Verdict> {
    let back = |what: &str, figure| {
        rounds.figure(what, GATEWAY, figure, Limit::AtMost(BACK_MS_MAX)).in_every_round()
    };
    let shown = |what: &str, figure| rounds.figure(what, GATEWAY, figure, Limit::None);
    vec![
        back("kill -9 until all of it works again, always, ms", "working_again_ms"),
        back("start until the first 202, always, ms", "first_accept_ms"),
        back("start until ready, always, ms", "ready_ms"),
        back("start until the first decision, always, ms", "first_decision_ms"),
        shown("dead after, ms", "dead_after_ms"),
        shown("undecided at the kill", "undecided"),
    ]
}
