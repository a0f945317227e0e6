//! What the profile `accept` prints, and how its budgets are judged. It must never measure.

use super::accept::Measured;
use super::bench::Round;
use crate::chart::{Chart, Line};
use crate::phase::Phase;
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};

const RATIO_MIN: f64 = 0.3;
const P99_MS_MAX: f64 = 25.0;

pub(crate) fn print_setting(pinned: bool, connections: usize, [min, mean, max]: [usize; 3]) {
    println!("{connections} connections, bodies of {min} to {max} bytes, {mean} on average");
    println!(
        "{}",
        if pinned {
            "servers run on core 0, the load generator on core 1"
        } else {
            "NOT PINNED to cores (no taskset, or one core only): not what the budget is about"
        }
    );
}

pub(crate) fn print_round(round_number: usize, round: &Round) {
    println!("\nround {round_number}: median fsync {} ms", number(round.fsync_ms));
    let phases = [
        ("gateway", &round.gateway),
        ("bare", &round.bare),
        ("gateway, one in flight", &round.gateway_alone),
        ("bare, one in flight", &round.bare_alone),
    ];
    let head = [
        "server",
        "202/s",
        "others",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "server cores",
        "other cores",
        "us/202",
        "generator cores",
    ];
    print_table(&head, &phases.map(|(name, phase)| row(name, phase)));
    let settled = match round.settled_seconds {
        Some(seconds) => format!("all decided {} s later", number(seconds)),
        None => "NOT all decided in time, which disturbs what follows".into(),
    };
    println!(
        "gateway under load: {} decisions/s, {:.0} undecided at the end, {settled}",
        number(round.decisions_per_second),
        round.undecided
    );
    for (name, phase) in phases {
        for (kind, count) in &phase.others {
            println!("{name}: {count} x {kind}");
        }
    }
}

fn row(name: &str, phase: &Phase) -> Vec<String> {
    let latency = phase.latency;
    let mut row = vec![name.to_owned(), number(phase.accepts_per_second)];
    row.push(phase.others.values().sum::<u64>().to_string());
    row.extend([latency.p50_ms, latency.p99_ms, latency.p999_ms, latency.max_ms].map(number));
    row.extend([phase.server_cores, phase.others_cores].map(number));
    row.extend([phase.server_us_per_accept, phase.generator_cores].map(number));
    row
}

pub(crate) fn print(measured: &Measured) {
    println!();
    measured.verification.print();
    println!();
    print_verdicts(&verdicts(measured));
    let disturbed = calm(measured).1;
    if disturbed == measured.rounds.len() {
        println!("\nOthers used the servers' core in EVERY round: measure again in a calm minute.");
    } else if disturbed > 0 {
        println!(
            "\nOthers used more than a tenth of the servers' core in {disturbed} of {} rounds, \
             which are left out of the accept ratio and p99.",
            measured.rounds.len()
        );
    }
    let limited = |of: fn(&Round) -> &Phase| {
        measured.rounds.iter().filter(|round| of(round).is_limited_by_generator()).count()
    };
    let (bare, gateway) = (limited(|round| &round.bare), limited(|round| &round.gateway));
    if bare > 0 {
        println!(
            "\nThe generator was the limit of the bare handler in {bare} rounds: it could have \
             taken more, so the first ratio is too kind; the second does not depend on it."
        );
    }
    if gateway > 0 {
        println!("\nThe generator was the limit of the gateway in {gateway} rounds.");
    }
}

/// The rounds in which nobody else used the servers' core, or all of them if there is none; and how
/// many were left out.
fn calm(measured: &Measured) -> (Vec<&Round>, usize) {
    let is_calm = |round: &&Round| !round.gateway.is_disturbed() && !round.bare.is_disturbed();
    let calm: Vec<&Round> = measured.rounds.iter().filter(is_calm).collect();
    let disturbed = measured.rounds.len() - calm.len();
    if calm.is_empty() { (measured.rounds.iter().collect(), disturbed) } else { (calm, disturbed) }
}

pub(crate) fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let spread = |of: fn(&Round) -> f64| Spread::of(measured.rounds.iter().map(of));
    let (calm, disturbed) = calm(measured);
    let is_calm = disturbed < measured.rounds.len();
    let ratio = |round: &&Round| round.gateway.accepts_per_second / round.bare.accepts_per_second;
    let ratio = Spread::of(calm.iter().map(ratio));
    let p99 = Spread::of(calm.iter().map(|round| round.gateway.latency.p99_ms));
    let by_time =
        spread(|round| round.bare.server_us_per_accept / round.gateway.server_us_per_accept);
    let fsync = spread(|round| round.fsync_ms);
    let alone_max = 2.0 * fsync.median + 1.0;
    let once = |number| Spread::of([number]);
    let for_reader = |what: &str, unit, spread| Verdict::new(what, unit, Limit::None, spread);
    let at_most = |what: &str, most, spread| Verdict::new(what, "ms", Limit::AtMost(most), spread);
    vec![
        Verdict::new("accepts/s, ratio to bare", "", Limit::AtLeast(RATIO_MIN), ratio)
            .only_if(is_calm),
        for_reader("processor time, bare to gateway", "", by_time),
        at_most("accept p99", P99_MS_MAX, p99).only_if(is_calm),
        at_most(
            "p50, one in flight (2 x fsync + 1)",
            alone_max,
            spread(|round| round.gateway_alone.latency.p50_ms),
        ),
        for_reader("median fsync of 4 KB", "ms", fsync),
        for_reader("gateway", "accepts/s", spread(|round| round.gateway.accepts_per_second)),
        for_reader("bare", "accepts/s", spread(|round| round.bare.accepts_per_second)),
        for_reader("decided meanwhile", "/s", spread(|round| round.decisions_per_second)),
        for_reader("resident memory at the end", "MiB", once(measured.resident_mib)),
        for_reader("on disk per delivery", "bytes", once(measured.bytes_per_delivery)),
    ]
}

/// One line for each round and server.
pub(crate) fn charts(measured: &Measured) -> [(&'static str, Chart); 2] {
    let chart = |connections: usize, gateway: fn(&Round) -> &Phase, bare: fn(&Round) -> &Phase| {
        let line = |name, of: fn(&Round) -> &Phase| {
            measured.rounds.iter().map(move |round| Line::new(name, of(round).curve.clone()))
        };
        let lines = line("gateway", gateway).chain(line("bare handler", bare)).collect();
        let in_flight = format!("{connections} in flight, one line for each round");
        Chart::of_latencies("Latency of durable accepts", &in_flight, lines)
    };
    [
        ("loaded", chart(measured.connections, |round| &round.gateway, |round| &round.bare)),
        ("alone", chart(1, |round| &round.gateway_alone, |round| &round.bare_alone)),
    ]
}
