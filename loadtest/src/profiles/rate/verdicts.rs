//! What the profile `rate` prints. It must never measure.

use super::offering::Offered;
use super::{Measured, Options, Round};
use crate::chart::{Chart, Line};
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};
use crate::tally::{Latency, as_float};

const P99_MS_MAX: f64 = 25.0;

pub(super) fn print_setting(options: &Options, pinned: bool, [min, mean, max]: [usize; 3]) {
    println!(
        "{:?} arrivals for {} s at each rate, at most {} in flight, bodies of {min} to {max} \
         bytes, {mean} on average, one in 50 a second time",
        options.spacing, options.seconds, options.connections
    );
    if !pinned {
        println!("NOT PINNED to cores (no taskset, or one core only)");
    }
}

pub(super) fn print_round(round_number: usize, round: &Round) {
    println!("\nround {round_number}");
    let head = [
        "offered/s",
        "202/s",
        "others",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "late",
        "never sent",
        "server cores",
        "generator cores",
    ];
    let saturated = &round.saturated;
    let others = saturated.others.values().sum::<u64>().to_string();
    let mut first =
        vec!["as fast as it can".to_owned(), number(saturated.accepts_per_second), others];
    first.extend(latency(saturated.latency));
    first.extend(["-".to_owned(), "-".to_owned()]);
    first.extend([saturated.server_cores, saturated.generator_cores].map(number));
    let rows = std::iter::once(first).chain(round.offered.iter().map(row)).collect::<Vec<_>>();
    print_table(&head, &rows);
    for offered in &round.offered {
        for (kind, count) in &offered.others {
            println!("  at {} /s: {count} x {kind}", number(offered.rate));
        }
    }
}

fn row(offered: &Offered) -> Vec<String> {
    let others = offered.others.values().sum::<u64>().to_string();
    let mut row = vec![number(offered.rate), number(offered.accepts_per_second), others];
    row.extend(latency(offered.latency));
    row.extend([offered.late, offered.dropped].map(|count| count.to_string()));
    row.extend([offered.server_cores, offered.generator_cores].map(number));
    row
}

fn latency(of: Latency) -> [String; 4] {
    [of.p50_ms, of.p99_ms, of.p999_ms, of.max_ms].map(number)
}

pub(super) fn print(measured: &Measured) {
    println!();
    measured.verification.print();
    println!();
    print_verdicts(&verdicts(measured));
    println!("\nLatency counts from the moment a delivery was due.");
}

pub(super) fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let rounds = || measured.rounds.iter();
    let saturated = Spread::of(rounds().map(|round| round.saturated.accepts_per_second));
    let mut verdicts = vec![Verdict::new("saturated", "accepts/s", Limit::None, saturated)];
    let rates = rounds().next().map_or(0, |round| round.offered.len());
    for at in 0..rates {
        let all = || rounds().filter_map(|round| round.offered.get(at));
        let rate = all().next().map_or(0.0, |offered| offered.rate);
        let of = |of: fn(&Offered) -> f64| Spread::of(all().map(of));
        let mut add = |what: &str, unit, limit, spread| {
            let verdict =
                Verdict::new(format!("at {} /s: {what}", number(rate)), unit, limit, spread);
            // More than it can take makes a queue that only grows.
            verdicts.push(verdict.only_if(all().all(|offered| offered.dropped == 0)));
        };
        add("p50", "ms", Limit::None, of(|offered| offered.latency.p50_ms));
        let limit = Limit::AtMost(P99_MS_MAX);
        add("p99", "ms", limit, of(|offered| offered.latency.p99_ms));
        add("p99.9", "ms", Limit::None, of(|offered| offered.latency.p999_ms));
        add("never sent", "", Limit::None, of(|offered| as_float(offered.dropped)));
    }
    verdicts
}

/// One line for each round and rate.
pub(super) fn charts(measured: &Measured) -> [(&'static str, Chart); 1] {
    let offered = measured.rounds.iter().flat_map(|round| &round.offered);
    let lines = offered
        .map(|offered| Line::new(&format!("{} /s", number(offered.rate)), offered.curve.clone()));
    let how = format!(
        "from when a delivery was due, over {} connections, one line for each round",
        measured.connections
    );
    [("latency", Chart::of_latencies("Latency of durable accepts by rate", &how, lines.collect()))]
}
