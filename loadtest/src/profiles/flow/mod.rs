//! The whole flow: a delivery is accepted, its run started, the run reported, both statuses shown
//! at Azure DevOps. First at a rate, each hop timed; then as many flows as the machine can do,
//! beside a handler that stores nothing; then few flows with slow calls to Azure DevOps, for what a
//! token costs each status.
//!
//! The gateway, the fakes and this process share the cores, as the budget demands: what the fakes
//! cost counts against the gateway.

/// A stand-in for the CI.
mod ci;
/// A gateway and fakes for one measurement.
mod environment;
/// The requests that Azure DevOps got.
mod journal;
/// The ways to get a token.
mod mode;
/// The options of this profile.
mod options;
/// What flows are about.
mod pull_requests;
/// The statuses that Azure DevOps got.
mod statuses;
/// Stretches of load.
mod stretches;
/// How far each flow has come.
mod tracker;

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::bare::Bare;
use crate::bodies::Bodies;
use crate::postgres::Postgres;
use crate::procfs;
use crate::report::Report;
use crate::rounds::{Measurement, Rounds};
use crate::system::{Storage, System};
use crate::verdict::{Limit, Verdict};
use environment::Environment;
use mode::Mode;
pub(crate) use options::Options;
use stretches::{CLOSED_LOOP, DATABASE_US, Kind, OPEN_LOOP, PROXY_US, SLOW_CALLS, subject};

const START_P50_MS_MAX: f64 = 10.0;
const START_P99_MS_MAX: f64 = 100.0;
const BARE: &str = "bare handler";
/// As the profile `accept` has them.
const BARE_CONNECTIONS: usize = 256;
const BARE_WARM_UP: Duration = Duration::from_millis(500);

pub(crate) async fn run(options: &Options) -> anyhow::Result<Report> {
    let Options { rate, open_seconds, flows, closed_seconds, slow_seconds, .. } = options;
    ensure!(*rate >= 0.1 && options.slow_rate >= 0.1 && *flows > 0, "a rate is too small");
    println!(
        "{rate} deliveries/s for {open_seconds} s, then {flows} flows under way for \
         {closed_seconds} s; the gateway, the fakes and this program share all cores"
    );
    println!(
        "then {} deliveries/s for {slow_seconds} s with {} ms for each call to Azure DevOps",
        options.slow_rate, options.delay_ms
    );
    let bare = Bare::start(&Rc::new(Bodies::mixed()), procfs::can_pin()).await?;
    let (mut rounds, mut problems, mut database) = (Rounds::default(), Vec::new(), None);
    let systems = options.systems.all()?;
    let kinds = systems.iter().flat_map(|system| options.modes.iter().map(|mode| (*mode, *system)));
    let kinds: Vec<(Mode, System)> = kinds.collect();
    let mut before = measure_bare(&bare, options).await?;
    for _ in 0..options.rounds {
        let mut round = Vec::new();
        for (mode, system) in kinds.iter().copied() {
            let fast = Box::pin(measure(Kind::Fast, (mode, system), options, &mut database));
            let (mut fast, wrong) = fast.await?;
            let after = measure_bare(&bare, options).await?;
            for costs in
                fast.iter_mut().filter(|one| one.subject == subject(mode, system, CLOSED_LOOP))
            {
                compare(costs, [&before, &after]);
            }
            before = after;
            round.extend(fast);
            problems.extend(wrong);
            if options.slow_seconds > 0 {
                let slow = measure(Kind::SlowCalls, (mode, system), options, &mut database);
                let (slow, wrong) = Box::pin(slow).await?;
                round.extend(slow);
                problems.extend(wrong);
            }
        }
        round.push(before.clone());
        rounds.add(round);
    }
    let mut verdicts = Vec::new();
    for (mode, system) in kinds {
        verdicts.extend(self::verdicts(options, (mode, system), &rounds));
    }
    let bare = rounds.figure("bare handler, accepts/s", BARE, "accepts_per_second", Limit::None);
    verdicts.push(bare);
    let verified = "every delivery is decided and starts one run, every run shows both results, \
                    no token is used wrongly or left over";
    Ok(Report { rounds, verdicts, verified: verified.to_owned(), problems, database })
}

/// Measures one mode with processes of its own, so that it begins with nothing minted.
async fn measure(
    kind: Kind,
    (mode, system): (Mode, System),
    options: &Options,
    database: &mut Option<Value>,
) -> anyhow::Result<(Vec<Measurement>, Vec<String>)> {
    let delay_ms = if kind == Kind::SlowCalls { options.delay_ms } else { 0 };
    let ci = TcpListener::bind("127.0.0.1:0").await?;
    let delay = Duration::from_millis(delay_ms);
    let environment = Environment::start(mode, system, options, delay, &ci).await?;
    let measured = stretches::run(kind, options, &environment, ci).await;
    let (measured, mut problems) = measured
        .with_context(|| format!("{mode}, {system}: {}", environment.gateway.last_log_line()))?;
    let postgres = environment.gateway.store.postgres.as_ref();
    *database = database.take().or(postgres.map(Postgres::describe).transpose()?);
    problems.extend(environment.finish().await?);
    let problems = problems.into_iter().map(|problem| format!("{mode}, {system}: {problem}"));
    Ok((measured, problems.collect()))
}

/// The bare handler on one core and the generator on the other, as the profile `accept` has them.
async fn measure_bare(bare: &Bare, options: &Options) -> anyhow::Result<Measurement> {
    let is_pinned = procfs::can_pin() && procfs::pin_generator();
    let time = Duration::from_secs(options.bare_seconds);
    bare.measure(BARE, BARE_CONNECTIONS, BARE_WARM_UP).await?;
    let measured = bare.measure(BARE, BARE_CONNECTIONS, time).await;
    ensure!(!is_pinned || procfs::unpin_generator(), "this process is still bound to a core");
    measured
}

/// Adds the ratio to the bare handler before and after, by rate and by processor time. The bare
/// handler has one core, and flows have both.
fn compare(costs: &mut Measurement, bare: [&Measurement; 2]) {
    let of_bare = |figure| {
        let [before, after] = bare.map(|one| one.get(figure).unwrap_or_default());
        before.midpoint(after).max(f64::EPSILON)
    };
    let Some(per_second) = costs.get("flows_per_second") else { return };
    let neighbours = ["fakes_us_per_flow", "loadtest_us_per_flow", DATABASE_US, PROXY_US];
    let parts = ["gateway_us_per_flow"].into_iter().chain(neighbours);
    let all_us: f64 = parts.filter_map(|part| costs.get(part)).sum();
    costs.add("ratio_to_bare", per_second / of_bare("accepts_per_second"));
    costs.add("ratio_by_time", 2.0 * of_bare("server_us_per_accept") / all_us.max(1.0));
    costs.add("others_us_per_flow", all_us - costs.get("gateway_us_per_flow").unwrap_or_default());
    costs.is_disturbed |= bare.iter().any(|one| one.is_disturbed);
}

fn verdicts(options: &Options, (mode, system): (Mode, System), rounds: &Rounds) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    // The budgets are those of SQLite.
    let is_sqlite = system.storage == Storage::Sqlite;
    let of_sqlite = |limit| if is_sqlite { limit } else { Limit::None };
    let name = subject(mode, system, "").trim_end_matches(", ").to_owned();
    let mut add = |stretch, what: &str, figure, limit| {
        let what = format!("{name}, {what}");
        verdicts.push(rounds.figure(what, &subject(mode, system, stretch), figure, limit));
    };
    let (ratio, none) = (of_sqlite(mode.ratio_to_bare()), Limit::None);
    add(CLOSED_LOOP, "flows/s, ratio to the bare handler", "ratio_to_bare", ratio);
    add(CLOSED_LOOP, "the same by processor time", "ratio_by_time", none);
    add(CLOSED_LOOP, "flows/s", "flows_per_second", none);
    add(CLOSED_LOOP, "gateway, us/flow", "gateway_us_per_flow", none);
    add(CLOSED_LOOP, "other processes, us/flow", "others_us_per_flow", none);
    if !is_sqlite {
        add(CLOSED_LOOP, "database, us/flow", DATABASE_US, none);
        add(CLOSED_LOOP, "writing transactions/flow", "writing_transactions_each", none);
        add(CLOSED_LOOP, "commits/flow", "commits_each", none);
        add(CLOSED_LOOP, "write-ahead log, bytes/flow", "wal_bytes_each", none);
    }
    let p50 = of_sqlite(Limit::AtMost(START_P50_MS_MAX));
    let p99 = of_sqlite(Limit::AtMost(START_P99_MS_MAX));
    add(OPEN_LOOP, "accepted to CI started, p50 ms", "start_p50_ms", p50);
    add(OPEN_LOOP, "accepted to CI started, p99 ms", "start_p99_ms", p99);
    add(OPEN_LOOP, "report to both shown, p50 ms", "show_p50_ms", none);
    add(OPEN_LOOP, "report to both shown, p99 ms", "show_p99_ms", none);
    add(OPEN_LOOP, "due to both shown, p50 ms", "flow_p50_ms", none);
    add(OPEN_LOOP, "due to both shown, p99 ms", "flow_p99_ms", none);
    if options.slow_seconds > 0 {
        let limit = mode.requests_per_status();
        add(SLOW_CALLS, "requests per status", "requests_per_status", limit);
        add(SLOW_CALLS, "slow calls, report to both shown, p50 ms", "show_p50_ms", none);
    }
    verdicts.extend(flows_ratio((mode, system), rounds).filter(|_| !is_sqlite));
    if options.slow_seconds > 0 && mode != Mode::ByHand && options.modes.contains(&Mode::ByHand) {
        let pair = [mode, Mode::ByHand].map(|mode| subject(mode, system, SLOW_CALLS));
        let pair = pair.each_ref().map(String::as_str);
        let mut add = |what, figure, limit| {
            let what = format!("{name}, report to both shown, {what}, ratio to the call alone");
            verdicts.push(rounds.ratio(what, pair, figure, limit));
        };
        add("p50", "show_p50_ms", mode.ratio_to_call());
        add("p99", "show_p99_ms", none);
    }
    verdicts
}

/// The ratio of one replica on PostgreSQL to SQLite, or of several to one, if both were measured.
fn flows_ratio((mode, system): (Mode, System), rounds: &Rounds) -> Option<Verdict> {
    let base = if system.replicas > 1 { System::postgres(1) } else { System::SQLITE };
    let pair = [system, base].map(|system| subject(mode, system, CLOSED_LOOP));
    let pair = pair.each_ref().map(String::as_str);
    rounds.all().any(|one| one.subject == pair[1]).then(|| {
        let what = format!("{mode}, {system}, flows/s, ratio to {base}");
        rounds.ratio(what, pair, "flows_per_second", Limit::None)
    })
}
