//! Minutes of steady load while retention deletes what is old: whether anything grows that should
//! not, and what the deleting does to latency.
//!
//! Deliveries come at an even rate, whatever the gateway answers, and those that are refused are
//! sent again.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::time::MissedTickBehavior;

use crate::bodies::Bodies;
use crate::deliveries::Sending;
use crate::filling::fill;
use crate::gateway::{Gateway, Settings};
use crate::latencies::Latencies;
use crate::load::{self, Load};
use crate::loaded_gateway::LoadedGateway;
use crate::options::Common;
use crate::pace::{Pace, Schedule, Spacing};
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::store::Store;
use crate::verdict::{Limit, Spread, Verdict};
use crate::{metrics, procfs, sqlite};

const GROWTH_MAX: f64 = 1.1;
/// The WAL is as long as the checkpoint was late, so its length varies.
const WAL_GROWTH_MAX: f64 = 1.5;
const FILES_MORE_MAX: f64 = 8.0;
const DECIDED_SECONDS_MAX: f64 = 5.0;
const P99_RATIO_MAX: f64 = 1.5;
/// From this many deleted rows on, a second counts as one in which retention deleted.
const DELETED_MIN: f64 = 200.0;
/// With fewer seconds of a kind, its percentiles say little.
const SECONDS_MIN: usize = 10;
/// This share of the time is not judged, because caches fill.
const WARM_UP: f64 = 0.1;
const EVERY: Duration = Duration::from_secs(1);
/// One of this many samples is printed.
const PRINTED_EVERY: usize = 10;
const MIB: f64 = 1024.0 * 1024.0;

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
    pub(crate) common: Common,
}

/// How many seconds retention deleted in, or did not, and the latencies in them.
type Seconds = (usize, Latencies);

pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<Report> {
    ensure!(options.minutes > 0.0 && options.rate > 0.0, "--minutes and --rate are above zero");
    println!(
        "{} deliveries per second for {} minutes, kept for {} s",
        options.rate, options.minutes, options.retention_seconds
    );
    let gateway =
        Gateway::prepare(&options.common, Store::sqlite(), Settings::offline(&["contoso"])?)?;
    fill(&gateway, options.stored).await?;
    gateway.configure(&format!("retention = \"{}s\"\n", options.retention_seconds))?;
    let (bodies, sending) = (Rc::new(Bodies::mixed()), Sending::UntilAcknowledged);
    let mut loaded =
        LoadedGateway::start(gateway, options.stored, &bodies, sending, pinned).await?;
    let (mut rounds, mut samples) = (Rounds::default(), Vec::new());
    let kinds = sample_all(options, &mut loaded, &mut samples).await;
    let [deleting, resting] = kinds.with_context(|| loaded.gateway.last_log_line())?;
    loaded.note_recent();
    let decided_seconds = loaded.wait_until_decided().await?;
    let peak_mib = loaded.peak_mib()?;
    let (_, account) = loaded.finish().await?;
    let warm = samples.get((samples.len() as f64 * WARM_UP) as usize..).unwrap_or_default();
    let mut verdicts = growth_verdicts(warm);
    let (what, limit) =
        ("end of the load until all is decided, s", Limit::AtMost(DECIDED_SECONDS_MAX));
    verdicts.push(Verdict::once(what, limit, decided_seconds));
    verdicts.extend(latency_verdicts(&deleting, &resting));
    verdicts.push(Verdict::once("largest resident memory, MiB", Limit::None, peak_mib));
    samples.into_iter().for_each(|sample| rounds.add_sample(sample));
    let (verified, problems) = (account.summary(), account.problems);
    Ok(Report { rounds, verdicts, verified, problems, database: None })
}

/// Loads the gateway and looks at it every second; the latencies while retention deleted and while
/// it did not.
async fn sample_all(
    options: &Options,
    loaded: &mut LoadedGateway,
    samples: &mut Vec<Measurement>,
) -> anyhow::Result<[Seconds; 2]> {
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let address = loaded.replicas.address;
    let connections = load::open(address, options.connections).await?;
    let (per_second, spacing) = (options.rate, Spacing::Even);
    // It is stopped below, and not by its own end, which would drop deliveries.
    let schedule = Schedule { per_second, spacing, time: 2 * time };
    let load = Load::start(address, connections, &loaded.deliveries, Pace::open(schedule));
    let (mut deleting, mut resting) = ((0, Latencies::new()?), (0, Latencies::new()?));
    let begun = Instant::now();
    let mut ticks = tokio::time::interval_at((begun + EVERY).into(), EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while begun.elapsed() < time {
        ticks.tick().await;
        let (sample, latencies) = sample(begun, samples.last(), loaded).await?;
        if begun.elapsed().as_secs_f64() > time.as_secs_f64() * WARM_UP {
            let is_deleting = sample.get("deleted_per_second") >= Some(DELETED_MIN);
            let seconds: &mut Seconds = if is_deleting { &mut deleting } else { &mut resting };
            seconds.0 += 1;
            seconds.1.add(&latencies)?;
        }
        if (samples.len() + 1).is_multiple_of(PRINTED_EVERY) {
            println!("{}", sample.line());
        }
        samples.push(sample);
    }
    load.stop();
    load.finish().await?;
    loaded.note(&loaded.deliveries.take_tally()?);
    Ok([deleting, resting])
}

/// What came since the sample `before`, and what the gateway holds now.
async fn sample(
    begun: Instant,
    before: Option<&Measurement>,
    loaded: &mut LoadedGateway,
) -> anyhow::Result<(Measurement, Latencies)> {
    let tally = loaded.deliveries.take_tally()?;
    let seconds = begun.elapsed().as_secs_f64();
    let metrics = metrics::read(&loaded.replicas.addresses()).await?;
    let earlier = |figure| before.and_then(|before| before.get(figure)).unwrap_or_default();
    let since = seconds - earlier("seconds");
    let [resident_mib, _] = loaded.replicas.resident_mib()?;
    let open_files = loaded.replicas.all.iter().map(|server| procfs::open_files(server.id()));
    let open_files = open_files.sum::<anyhow::Result<usize>>()?;
    let files = sqlite::files(loaded.gateway.folder())?;
    let figures = [
        ("seconds", seconds),
        ("accepts_per_second", tally.acknowledged as f64 / since),
        ("p50_ms", tally.latencies.at_ms(0.5)),
        ("p99_ms", tally.latencies.at_ms(0.99)),
        ("resident_mib", resident_mib),
        ("open_files", open_files as f64),
        ("wal_mib", files.wal as f64 / MIB),
        ("segments_mib", files.segments as f64 / MIB),
        ("database_mib", files.database as f64 / MIB),
        ("undecided", metrics.undecided),
        ("deleted", metrics.deleted),
        ("deleted_per_second", (metrics.deleted - earlier("deleted")) / since),
    ];
    let mut sample = Measurement::new("gateway", figures);
    sample.counts = tally.failures.clone();
    loaded.note(&tally);
    // Retention may delete these before the end; what is sent again then must be newer.
    drop(loaded.deliveries.take_recent());
    Ok((sample, tally.latencies))
}

fn growth_verdicts(samples: &[Measurement]) -> Vec<Verdict> {
    let (early, late) = (part(samples, 0, 5), part(samples, 4, 5));
    let (first, second) = (part(samples, 0, 2), part(samples, 1, 2));
    let of = |samples: &[Measurement], figure: &str| {
        Spread::of(samples.iter().filter_map(|sample| sample.get(figure)))
    };
    let memory = of(early, "resident_mib").median.max(f64::EPSILON);
    let memory = late.iter().filter_map(|sample| Some(sample.get("resident_mib")? / memory));
    let more_files = of(late, "open_files").max - of(early, "open_files").median;
    let wal = of(second, "wal_mib").max / of(first, "wal_mib").max.max(1.0);
    let at_most = |what: &str, most, measured| Verdict::once(what, Limit::AtMost(most), measured);
    let shown = |what: &str, figure| Verdict::new(what, Limit::None, of(samples, figure));
    vec![
        Verdict::new("memory, last fifth to first", Limit::AtMost(GROWTH_MAX), Spread::of(memory)),
        at_most("open files, last fifth more than first", FILES_MORE_MAX, more_files),
        at_most("largest WAL, second half to first", WAL_GROWTH_MAX, wal),
        shown("resident memory, MiB", "resident_mib"),
        shown("open files", "open_files"),
        shown("WAL, MiB", "wal_mib"),
        shown("segment files, MiB", "segments_mib"),
        shown("database, MiB", "database_mib"),
        shown("undecided", "undecided"),
        shown("accepts/s", "accepts_per_second"),
        shown("p99 of a second, ms", "p99_ms"),
    ]
}

fn latency_verdicts(deleting: &Seconds, resting: &Seconds) -> Vec<Verdict> {
    let at = |seconds: &Seconds, quantile| seconds.1.at_ms(quantile);
    let ratio = at(deleting, 0.99) / at(resting, 0.99).max(f64::EPSILON);
    let limit = Limit::AtMost(P99_RATIO_MAX);
    let shown = |what: &str, measured| Verdict::once(what, Limit::None, measured);
    vec![
        Verdict::once("p99 while retention deletes, ratio to otherwise", limit, ratio)
            .only_if(deleting.0.min(resting.0) >= SECONDS_MIN),
        shown("seconds in which retention deleted", deleting.0 as f64),
        shown("p50 then, ms", at(deleting, 0.5)),
        shown("p99 then, ms", at(deleting, 0.99)),
        shown("p50 otherwise, ms", at(resting, 0.5)),
        shown("p99 otherwise, ms", at(resting, 0.99)),
    ]
}

/// The part `number` of `count` equal ones.
fn part(samples: &[Measurement], number: usize, count: usize) -> &[Measurement] {
    let at = |number: usize| samples.len() * number / count;
    samples.get(at(number)..at(number + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Measurement, part};

    #[test]
    fn parts_are_equal_and_leave_nothing_out() {
        let sample = |second: u32| Measurement::new("", [("seconds", f64::from(second))]);
        let samples: Vec<_> = (0..10).map(sample).collect();
        let seconds = |number| part(&samples, number, 5).first().unwrap().get("seconds").unwrap();
        assert_eq!((seconds(0), seconds(4)), (0.0, 8.0));
        assert_eq!((0..5).map(|number| part(&samples, number, 5).len()).sum::<usize>(), 10);
        assert!(part(&[], 4, 5).is_empty());
    }
}
