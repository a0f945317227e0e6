//! Durable accepts per second on one core, beside a handler that stores nothing; and on PostgreSQL,
//! by one replica and by several, in the same rounds.
//!
//! Each gateway rests while the others are measured, since it may still be deciding what it
//! accepted.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::bare::Bare;
use crate::bodies::Bodies;
use crate::cores;
use crate::deliveries::Sending;
use crate::gateway::{Gateway, Settings};
use crate::loaded_gateway::LoadedGateway;
use crate::machine::fsync_ms;
use crate::metrics;
use crate::open_pages::OpenPages;
use crate::options::{Common, Systems};
use crate::pace::Pace;
use crate::postgres::Postgres;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::system::{Storage, System};
use crate::verdict::{Limit, Verdict};

const RATIO_MIN: f64 = 0.3;
/// Of one replica on PostgreSQL to SQLite.
const POSTGRES_RATIO_MIN: f64 = 0.5;
/// Of two replicas to one, both behind the proxy.
const TWO_REPLICAS_RATIO_MIN: f64 = 1.6;
/// With open pages to none.
const PAGES_RATIO_MIN: f64 = 0.97;
const P99_MS_MAX: f64 = 25.0;
const WARM_UP: Duration = Duration::from_secs(1);
/// How long each server is loaded with one request in flight.
const ALONE: Duration = Duration::from_secs(1);
/// How long the gateway may take to decide what it accepted, before the next one.
const DECIDED_MAX: Duration = Duration::from_secs(20);
const BARE: &str = "bare handler";
const BARE_ALONE: &str = "bare handler, one in flight";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each server is loaded in a round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often all are loaded.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    /// Measure each also with so many pages open in browsers, at most 200.
    #[arg(long, default_value_t = 0)]
    pages: usize,
    #[command(flatten)]
    systems: Systems,
    #[command(flatten)]
    pub(crate) common: Common,
}

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    let bodies = Rc::new(Bodies::mixed());
    println!("{} connections, bodies of 2 to 12 KB, 5 KB on average", options.connections);
    let systems = systems(options)?;
    let bare = Bare::start(&bodies, pinned).await?;
    let mut gateways = Vec::new();
    for system in systems.iter().copied() {
        gateways.push(start(options, system, &bodies, pinned).await?);
    }
    bare.measure(BARE, options.connections, WARM_UP).await?;
    let mut rounds = Rounds::default();
    for number in 0..options.rounds {
        let mut round = Vec::new();
        // Each is first, second and last in turn.
        let (later, earlier) = gateways.split_at_mut(number % systems.len().max(1));
        for loaded in earlier.iter_mut().chain(later) {
            let measured = measure(loaded, options, number).await;
            round.extend(measured.with_context(|| loaded.gateway.last_log_line())?);
        }
        let time = Duration::from_secs(options.seconds);
        round.push(bare.measure(BARE_ALONE, 1, ALONE).await?);
        round.push(bare.measure(BARE, options.connections, time).await?);
        rounds.add(round);
    }
    let mut verdicts = verdicts(&systems, &rounds, options.pages, pinned);
    let (mut verified, mut problems, mut database) = (Vec::new(), Vec::new(), None);
    for (mut loaded, system) in gateways.into_iter().zip(systems) {
        loaded.wake().await?;
        let once = |what: &str, measured| {
            Verdict::once(format!("{system}: {what}"), Limit::None, measured)
        };
        verdicts.push(once("largest resident memory of a process, MiB", loaded.peak_mib()?));
        let (gateway, account) = loaded.finish().await?;
        let bytes = gateway.stored_bytes()? as f64 / account.stored.max(1) as f64;
        verdicts.push(once("on disk per delivery, bytes", bytes));
        verified.push(format!("{system}: {}", account.summary()));
        problems.extend(account.problems);
        let settings = gateway.store.postgres.as_ref().map(Postgres::describe).transpose()?;
        database = database.or(settings);
    }
    Ok(Report { rounds, verdicts, verified: verified.join("; "), problems, database })
}

/// Those that were asked for, and what tells the cost of the proxy.
fn systems(options: &Options) -> anyhow::Result<Vec<System>> {
    let mut systems = options.systems.all()?;
    if let Some(first) = systems.iter().position(|system| system.has_proxy) {
        systems.insert(first, System::postgres(1).behind_proxy());
    }
    Ok(systems)
}

/// Starts a gateway, warms it up and lets it rest.
async fn start(
    options: &Options,
    system: System,
    bodies: &Rc<Bodies>,
    pinned: bool,
) -> anyhow::Result<LoadedGateway> {
    let store = options.systems.create(system, &options.common, pinned)?;
    let gateway = Gateway::prepare(&options.common, store, Settings::offline(&["contoso"])?)?;
    let mut loaded = LoadedGateway::start(gateway, 0, bodies, Sending::Once, pinned).await?;
    let measured = loaded.measure("", options.connections, || Pace::closed(WARM_UP)).await;
    measured.with_context(|| loaded.gateway.last_log_line())?;
    metrics::wait_until_decided(&loaded.replicas.addresses(), Some(DECIDED_MAX)).await?;
    loaded.rest().await?;
    Ok(loaded)
}

async fn measure(
    loaded: &mut LoadedGateway,
    options: &Options,
    round: usize,
) -> anyhow::Result<Vec<Measurement>> {
    let system = loaded.gateway.store.system;
    loaded.wake().await?;
    let fsync = fsync_ms(loaded.gateway.folder())?;
    let mut all = vec![loaded.measure(alone(system), 1, || Pace::closed(ALONE)).await?];
    // What is measured second finds warm files: that is the one without pages as often as with.
    let in_turns = [round % 2 == 1, round.is_multiple_of(2)];
    for has_pages in in_turns.into_iter().filter(|has_pages| !has_pages || options.pages > 0) {
        if has_pages {
            let pages = OpenPages::open(loaded.replicas.address, options.pages).await?;
            let name = beside_pages(system, options.pages);
            all.extend(under_load(loaded, options, name).await?);
            pages.close()?;
        } else {
            all.extend(under_load(loaded, options, system.to_string()).await?);
        }
    }
    loaded.rest().await?;
    all.push(Measurement::new(system.to_string(), [("fsync_ms", fsync)]));
    if options.systems.statements {
        all.append(&mut loaded.statements);
    }
    Ok(all)
}

/// Loads a gateway, and waits until what it accepted is decided.
async fn under_load(
    loaded: &mut LoadedGateway,
    options: &Options,
    name: String,
) -> anyhow::Result<[Measurement; 2]> {
    let addresses = loaded.replicas.addresses();
    let time = Duration::from_secs(options.seconds);
    let before = metrics::read(&addresses).await?;
    let pace = || Pace::closed(time);
    let measured = loaded.measure(name.as_str(), options.connections, pace).await?;
    let after = metrics::read(&addresses).await?;
    let decided = metrics::wait_until_decided(&addresses, Some(DECIDED_MAX)).await?;
    let decisions = [
        ("decisions_per_second", (after.decided - before.decided) / time.as_secs_f64()),
        ("undecided", after.undecided),
        ("all_decided_after_seconds", decided.map_or(f64::INFINITY, |took| took.as_secs_f64())),
    ];
    Ok([measured, Measurement::new(name, decisions)])
}

fn alone(system: System) -> String {
    format!("{system}, one in flight")
}

fn beside_pages(system: System, pages: usize) -> String {
    format!("{system}, {pages} open pages")
}

fn verdicts(systems: &[System], rounds: &Rounds, pages: usize, pinned: bool) -> Vec<Verdict> {
    let accepts = "accepts_per_second";
    let mut verdicts = Vec::new();
    for system in systems.iter().copied() {
        let name = system.to_string();
        let is_sqlite = system.storage == Storage::Sqlite;
        let of_sqlite = |limit| if is_sqlite { limit } else { Limit::None };
        let ratio = |what: &str, subjects: [&str; 2], figure, limit| {
            rounds.ratio(format!("{name}: {what}"), subjects, figure, limit)
        };
        let limit = of_sqlite(Limit::AtLeast(RATIO_MIN));
        let what = "accepts/s, ratio to the bare handler";
        verdicts.push(ratio(what, [&name, BARE], accepts, limit));
        verdicts.extend(compared_ratio(system, systems, rounds, pinned));
        if pages > 0 {
            let beside = beside_pages(system, pages);
            let (what, limit) =
                ("accepts/s with open pages, ratio", Limit::AtLeast(PAGES_RATIO_MIN));
            verdicts.push(ratio(what, [&beside, &name], accepts, limit));
        }
        let what = "processor time, bare handler to gateway";
        verdicts.push(ratio(what, [BARE, &name], "server_us_per_accept", Limit::None));
        let mut figure = |what: &str, subject: &str, figure, limit| {
            verdicts.push(rounds.figure(format!("{name}: {what}"), subject, figure, limit));
        };
        let (p99, none) = (of_sqlite(Limit::AtMost(P99_MS_MAX)), Limit::None);
        figure("accept p50, ms", &name, "p50_ms", none);
        figure("accept p99, ms", &name, "p99_ms", p99);
        let alone_ms_max = 2.0 * rounds.median(&name, "fsync_ms") + 1.0;
        let limit = of_sqlite(Limit::AtMost(alone_ms_max));
        figure("p50 with one in flight, ms (2 x fsync + 1)", &alone(system), "p50_ms", limit);
        figure("median fsync of 4 KB, ms", &name, "fsync_ms", none);
        figure("accepts/s", &name, accepts, none);
        figure("decided meanwhile, /s", &name, "decisions_per_second", none);
        figure("gateway, us/accept", &name, "server_us_per_accept", none);
        if system.has_proxy {
            figure("proxy, us/accept", &name, "proxy_us_per_accept", none);
        }
        if !is_sqlite {
            figure("database, us/accept", &name, "database_us_per_accept", none);
            figure("write-ahead log, bytes/accept", &name, "wal_bytes_each", none);
            figure("writing transactions/accept", &name, "writing_transactions_each", none);
            figure("commits/accept", &name, "commits_each", none);
            figure("syncs of the log/accept", &name, "wal_syncs_each", none);
        }
    }
    verdicts.push(rounds.figure("bare handler, accepts/s", BARE, accepts, Limit::None));
    verdicts
}

/// The ratio to the system that another one is judged by, if that was measured, too: one replica to
/// SQLite, the proxy to none, several replicas to one.
fn compared_ratio(
    system: System,
    systems: &[System],
    rounds: &Rounds,
    pinned: bool,
) -> Option<Verdict> {
    let (base, limit) = match (system.storage, system.replicas, system.has_proxy) {
        (Storage::Sqlite, ..) => return None,
        (_, 1, false) => (System::SQLITE, Limit::AtLeast(POSTGRES_RATIO_MIN)),
        (_, 1, true) => (System::postgres(1), Limit::None),
        (_, 2, _) => (System::postgres(1).behind_proxy(), Limit::AtLeast(TWO_REPLICAS_RATIO_MIN)),
        _ => (System::postgres(1).behind_proxy(), Limit::None),
    };
    // Replicas that share a core with each other or the database cannot be faster than one.
    let has_cores =
        pinned && cores::has_database_core() && cores::has_replica_cores(system.replicas);
    systems.contains(&base).then(|| {
        let what = format!("{system}: accepts/s, ratio to {base}");
        let subjects = [system, base].map(|one| one.to_string());
        let subjects = subjects.each_ref().map(String::as_str);
        let ratio = rounds.ratio(what, subjects, "accepts_per_second", limit);
        ratio.only_if(system.replicas < 2 || has_cores)
    })
}
