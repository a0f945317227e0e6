//! What it costs that many deliveries are stored already: accepts, decisions, the lists of
//! operators and memory.
//!
//! The gateways of all sizes have a folder or database of their own, and all but one rest.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::bodies::Bodies;
use crate::deliveries::Sending;
use crate::filling::fill;
use crate::gateway::{Gateway, Settings, operator, signed_in};
use crate::http::Client;
use crate::loaded_gateway::LoadedGateway;
use crate::metrics;
use crate::options::{Common, Systems};
use crate::pace::Pace;
use crate::postgres::Postgres;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::system::System;
use crate::verdict::{Limit, Spread, Verdict};

const RATIO_MIN: f64 = 0.9;
const RESIDENT_MIB_MAX: f64 = 150.0;
/// The budget of memory is about so many stored deliveries.
const MILLION: u64 = 1_000_000;
/// The budget of a page.
const PAGE_MS_MAX: f64 = 50.0;
const MIB: f64 = 1024.0 * 1024.0;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long a gateway is loaded with one request in flight.
const ALONE: Duration = Duration::from_secs(1);
/// How long a gateway may decide what it accepted, before a round goes on. What is left then stays
/// undecided while the gateway is paused.
const DECIDED_MAX: Duration = Duration::from_secs(6);
/// A backlog smaller than this is decided before its rate can be measured.
const BACKLOG_MIN: f64 = 1_000.0;
/// How often each list is asked for in a round, unless that takes too long.
const LOOKS: usize = 5;
const LOOKS_TIME_MAX: Duration = Duration::from_secs(1);

/// Pages of 50, as operators ask for them. Nothing is quarantined, so the third finds nothing,
/// however far it searches.
const LISTS: [(&str, &str); 4] = [
    ("deliveries_ms", "/v1/deliveries?limit=50"),
    ("of_an_organization_ms", "/v1/deliveries?limit=50&organization=contoso"),
    ("quarantined_ms", "/v1/deliveries?limit=50&outcome=quarantined"),
    ("runs_ms", "/v1/runs?limit=50"),
];

/// Pages for people, which ask Azure DevOps nothing. There is no such pull request and commit. The
/// overview is not among them: before anything is set up, Setup is shown instead.
const PAGES: [(&str, &str); 12] = [
    ("ui_overview_ms", "/ui"),
    ("ui_setup_ms", "/ui/setup"),
    ("ui_deliveries_ms", "/ui/deliveries"),
    ("ui_quarantined_ms", "/ui/deliveries?outcome=quarantined"),
    ("ui_yesterday_ms", "/ui/deliveries?until=2026-01-01"),
    ("ui_delivery_ms", "/ui/deliveries/1"),
    ("ui_runs_ms", "/ui/runs"),
    ("ui_pull_requests_ms", "/ui/pull-requests"),
    ("ui_statuses_ms", "/ui/statuses"),
    ("ui_audit_ms", "/ui/audit"),
    ("ui_find_ms", "/ui/find?q=%21999999"),
    ("ui_absence_ms", "/ui/contoso/Logistics/_git/warehouse/pullrequest/999999"),
];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries stored before, for each gateway; the others are compared with the first.
    #[arg(long, value_delimiter = ',', default_value = "0,1000000,5000000")]
    stored: Vec<u64>,
    /// How long each gateway is loaded in a round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// How often each is loaded.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[command(flatten)]
    systems: Systems,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    ensure!(!options.stored.is_empty(), "--stored names no size");
    let bodies = Rc::new(Bodies::mixed());
    let (mut gateways, systems) = (Vec::new(), options.systems.all()?);
    for system in systems.iter().copied() {
        for stored in options.stored.iter().copied() {
            gateways.push(start(options, (system, stored), &bodies, pinned).await?);
        }
    }
    let mut rounds = Rounds::default();
    for number in 0..options.rounds {
        let mut round = Vec::new();
        // Each is first, second and last in turn.
        let first = number % gateways.len().max(1);
        let (later, earlier) = gateways.split_at_mut(first);
        for loaded in earlier.iter_mut().chain(later) {
            let measured = measure(loaded, options).await;
            round.extend(measured.with_context(|| loaded.gateway.last_log_line())?);
        }
        rounds.add(round);
    }
    let mut verdicts = Vec::new();
    for system in systems {
        verdicts.extend(self::verdicts(options, system, &rounds));
    }
    let (mut verified, mut problems, mut database) = (Vec::new(), Vec::new(), None);
    for mut loaded in gateways {
        loaded.wake().await?;
        let (what, stored) = (name(of(&loaded)), loaded.filled);
        let what = format!("largest resident memory with {what}, MiB");
        verdicts.push(Verdict::once(what, memory_limit(stored), loaded.peak_mib()?));
        loaded.wait_until_decided().await?;
        let (gateway, account) = loaded.finish().await?;
        verified.push(account.summary());
        problems.extend(account.problems);
        let settings = gateway.store.postgres.as_ref().map(Postgres::describe).transpose()?;
        database = database.or(settings);
    }
    Ok(Report { rounds, verdicts, verified: verified.join("; "), problems, database })
}

/// Fills a gateway, warms it up and pauses it.
async fn start(
    options: &Options,
    (system, stored): (System, u64),
    bodies: &Rc<Bodies>,
    pinned: bool,
) -> anyhow::Result<LoadedGateway> {
    let store = options.systems.create(system, &options.common, pinned)?;
    let gateway = Gateway::prepare(&options.common, store, Settings::offline(&["contoso"])?)?;
    let fill_seconds = fill(&gateway, stored).await?;
    let mib = gateway.stored_bytes()? as f64 / MIB;
    let mut loaded = LoadedGateway::start(gateway, stored, bodies, Sending::Once, pinned).await?;
    println!(
        "{}: filled in {fill_seconds:.1} s, {mib:.0} MiB on disk, started in {:.0} ms",
        name((system, stored)),
        loaded.start_time.as_secs_f64() * 1e3
    );
    loaded.measure("", options.connections, || Pace::closed(WARM_UP)).await?;
    metrics::wait_until_decided(&loaded.replicas.addresses(), Some(DECIDED_MAX)).await?;
    loaded.rest().await?;
    Ok(loaded)
}

async fn measure(
    loaded: &mut LoadedGateway,
    options: &Options,
) -> anyhow::Result<[Measurement; 3]> {
    loaded.wake().await?;
    let (addresses, name) = (loaded.replicas.addresses(), name(of(loaded)));
    let wait = || metrics::wait_until_decided(&addresses, Some(DECIDED_MAX));
    let alone = loaded.measure(alone(of(loaded)), 1, || Pace::closed(ALONE)).await?;
    wait().await?;
    let pace = || Pace::closed(Duration::from_secs(options.seconds));
    let busy = loaded.measure(name.as_str(), options.connections, pace).await?;
    let [resident_mib, _] = loaded.replicas.resident_mib()?;
    let (before, begun) = (metrics::read(&addresses).await?, Instant::now());
    wait().await?;
    let decided = metrics::read(&addresses).await?.decided - before.decided;
    let mut rest = Measurement::new(name, [("resident_mib", resident_mib)]);
    if before.undecided > BACKLOG_MIN {
        rest.add("decisions_per_second", decided / begun.elapsed().as_secs_f64());
    }
    for (list, path) in LISTS {
        rest.add(list, look(&operator(loaded.replicas.address), path).await?);
    }
    let browser = signed_in(loaded.replicas.address).await?;
    for (page, path) in PAGES {
        rest.add(page, look(&browser, path).await?);
    }
    loaded.rest().await?;
    Ok([busy, alone, rest])
}

/// The median time of a few looks at a list or page, in milliseconds.
async fn look(client: &Client, path: &str) -> anyhow::Result<f64> {
    let (mut took_ms, first) = (Vec::new(), Instant::now());
    while took_ms.len() < LOOKS && (took_ms.is_empty() || first.elapsed() < LOOKS_TIME_MAX) {
        let begun = Instant::now();
        let answer = client.open(path).await?;
        ensure!(answer.status == 200, "{path} answered {}", answer.status);
        took_ms.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Spread::of(took_ms).median)
}

/// What is compared: a system and how many deliveries it holds.
type Size = (System, u64);

fn of(loaded: &LoadedGateway) -> Size {
    (loaded.gateway.store.system, loaded.filled)
}

fn name((system, stored): Size) -> String {
    match stored {
        0 => format!("{system}, none stored"),
        millions if millions >= MILLION => {
            format!("{system}, {} million stored", millions as f64 / 1e6)
        }
        fewer => format!("{system}, {fewer} stored"),
    }
}

fn alone(size: Size) -> String {
    format!("{}, one in flight", name(size))
}

fn memory_limit(stored: u64) -> Limit {
    if stored == MILLION { Limit::AtMost(RESIDENT_MIB_MAX) } else { Limit::None }
}

fn verdicts(options: &Options, system: System, rounds: &Rounds) -> Vec<Verdict> {
    let Some((first, others)) = options.stored.split_first() else { return Vec::new() };
    let mut verdicts = Vec::new();
    for stored in others {
        let [ours, base] = [(system, *stored), (system, *first)];
        let mut ratio = |what: &str, of: fn(Size) -> String, figure, limit| {
            let what = format!("{what} with {}, ratio to {}", name(ours), name(base));
            let (ours, base) = (of(ours), of(base));
            verdicts.push(rounds.ratio(what, [ours.as_str(), base.as_str()], figure, limit));
        };
        ratio("accepts/s", name, "accepts_per_second", Limit::AtLeast(RATIO_MIN));
        ratio("decisions/s", name, "decisions_per_second", Limit::None);
        ratio("processor time per accept", name, "server_us_per_accept", Limit::None);
        ratio("p50 with one in flight", alone, "p50_ms", Limit::None);
        ratio("p99", name, "p99_ms", Limit::None);
    }
    for stored in options.stored.iter().copied() {
        let name = name((system, stored));
        let what = format!("resident memory with {name}, MiB");
        verdicts.push(rounds.figure(what, &name, "resident_mib", memory_limit(stored)));
        for (list, _) in LISTS {
            let what = format!("a page with {name}, {list}");
            verdicts.push(rounds.figure(what, &name, list, Limit::None));
        }
        for (page, _) in PAGES {
            let what = format!("{page} with {name}");
            verdicts.push(rounds.figure(what, &name, page, Limit::AtMost(PAGE_MS_MAX)));
        }
    }
    verdicts
}
