//! Durable accepts per second on one core, beside a handler that stores nothing.
//!
//! The gateway is paused while the other is measured, since it may still be deciding what it
//! accepted.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::bare::Bare;
use crate::bodies::Bodies;
use crate::deliveries::Sending;
use crate::gateway::{Gateway, Settings};
use crate::loaded_gateway::LoadedGateway;
use crate::machine::fsync_ms;
use crate::options::Common;
use crate::pace::Pace;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::verdict::{Limit, Verdict};
use crate::{metrics, procfs, sqlite};

const RATIO_MIN: f64 = 0.3;
const P99_MS_MAX: f64 = 25.0;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long each server is loaded with one request in flight.
const ALONE: Duration = Duration::from_secs(1);
/// How long the gateway may take to decide what it accepted, before the next round.
const DECIDED_MAX: Duration = Duration::from_secs(20);
const GATEWAY: &str = "gateway";
const BARE: &str = "bare handler";
const GATEWAY_ALONE: &str = "gateway, one in flight";
const BARE_ALONE: &str = "bare handler, one in flight";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each server is loaded in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often both are loaded.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Both servers.
struct Pair {
    gateway: LoadedGateway,
    bare: Bare,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    let bodies = Rc::new(Bodies::mixed());
    println!("{} connections, bodies of 2 to 12 KB, 5 KB on average", options.connections);
    let gateway = Gateway::prepare(&options.common, Settings::offline(&["contoso"])?)?;
    let bare = Bare::start(&bodies, pinned).await?;
    let gateway = LoadedGateway::start(gateway, 0, &bodies, Sending::Once, pinned).await?;
    let mut pair = Pair { gateway, bare };
    pair.round(options.connections, WARM_UP).await?;
    let mut rounds = Rounds::default();
    for _ in 0..options.rounds {
        let round = pair.round(options.connections, Duration::from_secs(options.seconds)).await;
        rounds.add(round.with_context(|| pair.gateway.gateway.last_log_line())?);
    }
    let [resident_mib, _] = procfs::resident_mib(pair.gateway.server.id())?;
    let (gateway, account) = pair.gateway.finish().await?;
    let bytes = sqlite::files(gateway.folder())?.all() as f64 / account.stored.max(1) as f64;
    let mut verdicts = verdicts(&rounds);
    verdicts.push(Verdict::once("resident memory at the end, MiB", Limit::None, resident_mib));
    verdicts.push(Verdict::once("on disk per delivery, bytes", Limit::None, bytes));
    Ok(Report { rounds, verdicts, verified: account.summary(), problems: account.problems })
}

impl Pair {
    async fn round(
        &mut self,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Vec<Measurement>> {
        let fsync = fsync_ms(self.gateway.gateway.folder())?;
        let address = self.gateway.server.address;
        let alone = self.gateway.measure(GATEWAY_ALONE, 1, || Pace::closed(ALONE)).await?;
        let bare_alone = self.bare(BARE_ALONE, 1, ALONE).await?;
        let before = metrics::read(address).await?;
        let loaded = self.gateway.measure(GATEWAY, connections, || Pace::closed(time)).await?;
        let after = metrics::read(address).await?;
        let bare = self.bare(BARE, connections, time).await?;
        let decided = metrics::wait_until_decided(address, Some(DECIDED_MAX)).await?;
        let decided = decided.map_or(f64::INFINITY, |took| took.as_secs_f64());
        let decisions = [
            ("fsync_ms", fsync),
            ("decisions_per_second", (after.decided - before.decided) / time.as_secs_f64()),
            ("undecided", after.undecided),
            ("all_decided_after_seconds", decided),
        ];
        Ok(vec![loaded, bare, alone, bare_alone, Measurement::new(GATEWAY, decisions)])
    }

    async fn bare(
        &self,
        subject: &str,
        connections: usize,
        time: Duration,
    ) -> anyhow::Result<Measurement> {
        self.gateway.server.pause()?;
        let measured = self.bare.measure(subject, connections, time).await;
        self.gateway.server.resume()?;
        measured
    }
}

fn verdicts(rounds: &Rounds) -> Vec<Verdict> {
    let (accepts, at_least) = ("accepts_per_second", Limit::AtLeast(RATIO_MIN));
    let alone_ms_max = 2.0 * rounds.median(GATEWAY, "fsync_ms") + 1.0;
    let shown = |what, subject, figure| rounds.figure(what, subject, figure, Limit::None);
    vec![
        rounds.ratio("accepts/s, ratio to the bare handler", [GATEWAY, BARE], accepts, at_least),
        rounds.ratio(
            "processor time, bare handler to gateway",
            [BARE, GATEWAY],
            "server_us_per_accept",
            Limit::None,
        ),
        rounds.figure("accept p99, ms", GATEWAY, "p99_ms", Limit::AtMost(P99_MS_MAX)),
        rounds.figure(
            "p50 with one in flight, ms (2 x fsync + 1)",
            GATEWAY_ALONE,
            "p50_ms",
            Limit::AtMost(alone_ms_max),
        ),
        shown("median fsync of 4 KB, ms", GATEWAY, "fsync_ms"),
        shown("gateway, accepts/s", GATEWAY, accepts),
        shown("bare handler, accepts/s", BARE, accepts),
        shown("decided meanwhile, /s", GATEWAY, "decisions_per_second"),
    ]
}
