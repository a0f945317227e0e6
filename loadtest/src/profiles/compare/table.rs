//! What the profile `compare` prints. It must never measure.

use super::contestant::Kind;
use super::load::Load;
use super::{Measured, Options};
use crate::chart::{Chart, Line};
use crate::machine::Machine;
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};

pub(super) fn print_setting(options: &Options, pinned: bool, machine: &Machine) {
    println!(
        "each receiver for {} s a round, {} rounds, bodies and authorization as Azure DevOps sends \
         them; median fsync {} ms",
        options.seconds,
        options.rounds,
        number(machine.fsync_ms)
    );
    if pinned {
        println!("receivers run on core 0 with all their processes, the generator on core 1");
    } else {
        println!("NOT PINNED to cores (no taskset, or one core only)");
    }
}

pub(super) fn print_round<'a>(round: usize, all: impl Iterator<Item = &'a Measured>) {
    println!("\nround {}", round + 1);
    let head = [
        "receiver",
        "in flight",
        "answered/s",
        "p50 ms",
        "p99 ms",
        "us/answer",
        "other cores",
        "other answers",
    ];
    let rows: Vec<_> =
        all.filter_map(|measured| row(measured, measured.rounds.get(round)?)).collect();
    print_table(&head, &rows);
}

fn row(measured: &Measured, load: &Load) -> Option<Vec<String>> {
    let mut row = vec![measured.kind.name().to_owned(), measured.connections.to_string()];
    row.extend([load.per_second, load.p50_ms, load.p99_ms].map(number));
    row.extend([load.us_per_success, load.others_core].map(number));
    let others: Vec<String> =
        load.others.iter().map(|(kind, count)| format!("{count} x {kind}")).collect();
    row.push(others.join(", "));
    Some(row)
}

/// Prints and returns the verdicts, which judge nobody.
pub(super) fn print(all: &[Measured], missing: &[(Kind, String)]) -> Vec<Verdict> {
    println!();
    let head = [
        "receiver",
        "version",
        "in flight",
        "answered/s",
        "ratio to ours",
        "p50 ms",
        "p99 ms",
        "us/answer",
        "other answers",
        "acknowledged",
        "kept",
        "sent twice more",
        "what it does before it answers",
    ];
    let ours = all.iter().find(|measured| measured.kind == Kind::Gateway);
    let rows: Vec<_> = all.iter().map(|measured| summary(measured, ours)).collect();
    print_table(&head, &rows);
    println!(
        "\nkept: deliveries, changes or rows; of webhook, commands that ran. us/answer: processor \
         time of all its processes, which others who use the core do not change much"
    );
    for (kind, how) in missing {
        println!("not measured: {}, which is not installed here; `{how}` does it", kind.name());
    }
    let mut verdicts = Vec::new();
    for measured in all {
        let name = measured.kind.name();
        let reader = |what: &str, unit, spread| {
            Verdict::new(format!("{name}: {what}"), unit, Limit::None, spread)
        };
        verdicts.push(reader("answered", "/s", spread(measured, |load| load.per_second)));
        if measured.kind != Kind::Gateway && ours.is_some() {
            verdicts.push(reader("ratio to ours", "", ratio(measured, ours)));
            let cost = Spread::of(pairs(measured, ours).map(|(theirs, ours)| {
                theirs.us_per_success / ours.us_per_success.max(f64::EPSILON)
            }));
            verdicts.push(reader("processor time for an answer, ratio to ours", "", cost));
        }
    }
    println!();
    print_verdicts(&verdicts);
    verdicts
}

fn summary(measured: &Measured, ours: Option<&Measured>) -> Vec<String> {
    let median = |of: fn(&Load) -> f64| number(spread(measured, of).median);
    let added = match measured.kept_of_two {
        0 => "recognized".to_owned(),
        more => format!("kept {more} more times"),
    };
    let kept = match measured.is_kept() {
        true => measured.kept.to_string(),
        false => format!("{} (NOT what was acknowledged)", measured.kept),
    };
    vec![
        measured.kind.name().to_owned(),
        measured.version.clone(),
        measured.connections.to_string(),
        median(|load| load.per_second),
        number(ratio(measured, ours).median),
        median(|load| load.p50_ms),
        median(|load| load.p99_ms),
        median(|load| load.us_per_success),
        measured.others.to_string(),
        measured.acknowledged.to_string(),
        kept,
        added,
        measured.kind.promise().to_owned(),
    ]
}

fn spread(measured: &Measured, of: fn(&Load) -> f64) -> Spread {
    Spread::of(measured.rounds.iter().map(of))
}

fn ratio(measured: &Measured, ours: Option<&Measured>) -> Spread {
    let ratio =
        |(theirs, ours): (&Load, &Load)| theirs.per_second / ours.per_second.max(f64::EPSILON);
    Spread::of(pairs(measured, ours).map(ratio))
}

/// Round by round.
fn pairs<'a>(
    measured: &'a Measured,
    ours: Option<&'a Measured>,
) -> impl Iterator<Item = (&'a Load, &'a Load)> {
    let ours = ours.map(|ours| ours.rounds.as_slice()).unwrap_or_default();
    measured.rounds.iter().zip(ours)
}

pub(super) fn charts(all: &[Measured]) -> [(&'static str, Chart); 1] {
    let lines = all.iter().flat_map(|measured| {
        let name = format!("{}, {} in flight", measured.kind.name(), measured.connections);
        measured.rounds.iter().map(move |load| Line::new(&name, load.curve.clone()))
    });
    let how = "each as fast as it takes them, one line for each round";
    [("latency", Chart::of_latencies("Receivers of hooks", how, lines.collect()))]
}
