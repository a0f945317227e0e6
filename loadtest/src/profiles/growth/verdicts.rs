//! What the profile `growth` prints, and how its budgets are judged. It must never measure.

use super::turn::{Contestant, LISTS, Turn};
use super::{Options, Size};
use crate::chart::{Chart, Line};
use crate::filler;
use crate::machine::Machine;
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};
use crate::tally::as_float;

const RATIO_MIN: f64 = 0.9;
const RESIDENT_MIB_MAX: f64 = 150.0;
/// What the budget of memory is about.
const MILLION: u64 = 1_000_000;

pub(super) fn print_setting(
    options: &Options,
    pinned: bool,
    machine: &Machine,
    [min, mean, max]: [usize; 3],
) {
    println!(
        "{} connections, bodies of {min} to {max} bytes, {mean} on average; median fsync {} ms",
        options.connections,
        number(machine.fsync_ms)
    );
    println!(
        "what is stored before was multiplied inside the database from {} deliveries that the \
         gateway had stored, with short bodies (0.6 KB): its number is what matters here",
        filler::SEEDS
    );
    if !pinned {
        println!("NOT PINNED to cores (no taskset, or one core only)");
    }
}

pub(super) fn print_sizes(contestants: &[Contestant]) {
    println!();
    let rows: Vec<_> = contestants
        .iter()
        .map(|contestant| {
            let size = &contestant.size;
            let numbers = [size.fill_seconds, size.database_mib, size.start_ms];
            let mut row = vec![size.stored.to_string()];
            row.extend(numbers.map(number));
            row
        })
        .collect();
    print_table(&["stored", "filled in s", "database MiB", "start ms"], &rows);
}

pub(super) fn print_round(round: usize, contestants: &[Contestant]) {
    println!("\nround {}", round + 1);
    let head = [
        "stored",
        "202/s",
        "others",
        "p50 ms",
        "p99 ms",
        "max ms",
        "us/202",
        "alone p50 ms",
        "alone p99 ms",
        "decided/s",
        "RSS MiB",
        "other cores",
    ];
    let turns = contestants.iter().filter_map(|contestant| contestant.size.rounds.get(round));
    print_table(&head, &turns.clone().map(row).collect::<Vec<_>>());
    for turn in turns {
        for (kind, count) in turn.alone.others.iter().chain(&turn.loaded.others) {
            println!("{} stored: {count} x {kind}", turn.stored);
        }
    }
}

fn row(turn: &Turn) -> Vec<String> {
    let (loaded, alone) = (&turn.loaded, &turn.alone);
    let mut row = vec![turn.stored.to_string(), number(loaded.accepts_per_second)];
    row.push(loaded.others.values().sum::<u64>().to_string());
    let latency = loaded.latency;
    row.extend([latency.p50_ms, latency.p99_ms, latency.max_ms].map(number));
    row.push(number(loaded.server_us_per_accept));
    row.extend([alone.latency.p50_ms, alone.latency.p99_ms].map(number));
    row.push(turn.decisions_per_second.map_or("-".to_owned(), number));
    row.extend([turn.resident_mib, loaded.others_cores].map(number));
    row
}

/// What operators wait for, over all rounds.
fn print_lists(sizes: &[Size]) {
    let mut head = vec!["a page of 50, ms".to_owned()];
    head.extend(sizes.iter().map(|size| short(size.stored)));
    let rows = LISTS.map(|(list, _)| {
        let took = |size: &Size| {
            let all = size.rounds.iter().filter_map(|turn| turn.lists_ms.get(list).copied());
            let Spread { median, min, max } = Spread::of(all);
            format!("{} ({} - {})", number(median), number(min), number(max))
        };
        std::iter::once(list.to_owned()).chain(sizes.iter().map(took)).collect()
    });
    print_table(&head.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
}

/// Prints and returns them.
pub(super) fn print(sizes: &[Size]) -> Vec<Verdict> {
    println!();
    print_lists(sizes);
    println!();
    for size in sizes {
        print!("{} stored before, ", size.stored);
        size.verification.print();
    }
    println!();
    let verdicts = verdicts(sizes);
    print_verdicts(&verdicts);
    println!(
        "\nRounds in which others used more than a tenth of the servers' core are left out of the \
         ratios, unless they all were; then nothing is judged."
    );
    verdicts
}

fn verdicts(sizes: &[Size]) -> Vec<Verdict> {
    let Some((first, others)) = sizes.split_first() else { return Vec::new() };
    let mut verdicts = Vec::new();
    for size in others {
        let name = short(size.stored);
        let pairs: Vec<_> = size.rounds.iter().zip(&first.rounds).collect();
        let is_calm = |(ours, first): &&(&Turn, &Turn)| {
            !ours.loaded.is_disturbed() && !first.loaded.is_disturbed()
        };
        let calm: Vec<_> = pairs.iter().filter(is_calm).copied().collect();
        let is_judged = !calm.is_empty();
        let pairs = if is_judged { calm } else { pairs };
        let ratio = |of: fn(&Turn) -> Option<f64>| {
            Spread::of(pairs.iter().filter_map(|(ours, first)| Some(of(ours)? / of(first)?)))
        };
        let accepts = ratio(|turn| Some(turn.loaded.accepts_per_second));
        let what = format!("accepts/s with {name}, ratio to {}", short(first.stored));
        let verdict = Verdict::new(what, "", Limit::AtLeast(RATIO_MIN), accepts);
        verdicts.push(verdict.only_if(is_judged));
        for (what, spread) in [
            ("decided/s", ratio(|turn| turn.decisions_per_second)),
            ("processor time per accept", ratio(|turn| Some(turn.loaded.server_us_per_accept))),
            ("p50, one in flight", ratio(|turn| Some(turn.alone.latency.p50_ms))),
            ("p99, loaded", ratio(|turn| Some(turn.loaded.latency.p99_ms))),
        ] {
            verdicts.push(Verdict::new(
                format!("{what} with {name}, ratio"),
                "",
                Limit::None,
                spread,
            ));
        }
    }
    for size in sizes {
        let name = short(size.stored);
        let limit =
            if size.stored == MILLION { Limit::AtMost(RESIDENT_MIB_MAX) } else { Limit::None };
        let resident = Spread::of(size.rounds.iter().map(|turn| turn.resident_mib));
        verdicts.push(Verdict::new(format!("resident memory with {name}"), "MiB", limit, resident));
        let what = format!("resident memory at its most, with {name}");
        verdicts.push(Verdict::new(what, "MiB", limit, Spread::of([size.peak_mib])));
    }
    verdicts
}

/// As people say it.
fn short(stored: u64) -> String {
    match stored {
        0 => "none stored".to_owned(),
        millions if millions >= MILLION => format!("{} million stored", as_float(millions) / 1e6),
        fewer => format!("{fewer} stored"),
    }
}

pub(super) fn charts(sizes: &[Size], connections: usize) -> [(&'static str, Chart); 1] {
    let lines = sizes.iter().flat_map(|size| {
        let name = short(size.stored);
        size.rounds.iter().map(move |turn| Line::new(&name, turn.loaded.curve.clone()))
    });
    let how = format!("{connections} in flight, one line for each round");
    let title = "Latency of durable accepts by what is stored already";
    [("latency", Chart::of_latencies(title, &how, lines.collect()))]
}
