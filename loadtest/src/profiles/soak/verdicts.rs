//! What the profile `soak` prints, and how its budgets are judged. It must never measure.

use super::sample::Sample;
use super::{Measured, Options};
use crate::chart::{Chart, Line, Mark, Panel};
use crate::machine::Machine;
use crate::report::{Limit, Spread, Verdict, number, print_verdicts};
use crate::tally::as_float;

const GROWTH_MAX: f64 = 1.1;
/// A log is as long as the checkpointer was late, so its length varies.
const WAL_GROWTH_MAX: f64 = 1.5;
const FILES_MORE_MAX: f64 = 8.0;
const SETTLED_SECONDS_MAX: f64 = 5.0;
const P99_RATIO_MAX: f64 = 1.5;
/// One sample in so many is printed.
const PRINTED_EVERY: u64 = 10;
/// Below so many seconds of a kind, its percentiles say little.
const SECONDS_MIN: usize = 10;

pub(super) fn print_setting(options: &Options, pinned: bool, machine: &Machine) {
    println!(
        "{} deliveries per second over {} connections for {} minutes, kept for {} s, {} stored \
         before; median fsync {} ms",
        options.rate,
        options.connections,
        options.minutes,
        options.retention_seconds,
        options.stored,
        number(machine.fsync_ms)
    );
    if !pinned {
        println!("NOT PINNED to cores (no taskset, or one core only)");
    }
    println!();
}

pub(super) fn print_sample(sample: &Sample) {
    // Rounded, and seconds are few.
    let second = sample.seconds.round() as u64;
    if !second.is_multiple_of(PRINTED_EVERY) {
        return;
    }
    println!(
        "{second:>4} s: {:.0}/s, {} others, p99 {} ms, {} MiB resident, {} files, WAL {} MiB, \
         other files {} MiB, {:.0} undecided, {:.0} deleted/s",
        sample.accepted_per_second,
        sample.others,
        number(sample.p99_ms),
        number(sample.resident_mib),
        sample.open_files,
        number(sample.wal_mib),
        number(sample.journal_mib),
        sample.undecided,
        sample.deleted_per_second
    );
}

/// Prints and returns them.
pub(super) fn print(measured: &Measured) -> Vec<Verdict> {
    println!();
    measured.verification.print();
    println!();
    let verdicts = verdicts(measured);
    print_verdicts(&verdicts);
    let (deleting, resting) = (&measured.deleting, &measured.resting);
    println!(
        "\nretention deleted in {} of {} seconds; p50 {} ms then, {} ms otherwise",
        deleting.seconds,
        deleting.seconds + resting.seconds,
        number(deleting.p50_ms),
        number(resting.p50_ms)
    );
    verdicts
}

fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let warm = measured.samples.get(measured.warm..).unwrap_or_default();
    let (early, late) = (part(warm, 0, 5), part(warm, 4, 5));
    let (first, second) = (part(warm, 0, 2), part(warm, 1, 2));
    let of = |samples: &[Sample], what: fn(&Sample) -> f64| Spread::of(samples.iter().map(what));
    let ratio = |what: fn(&Sample) -> f64| {
        let before = of(early, what).median.max(f64::EPSILON);
        Spread::of(late.iter().map(|sample| what(sample) / before))
    };
    let once = |number: f64| Spread::of([number]);
    let reader = |what: &str, unit, spread| Verdict::new(what, unit, Limit::None, spread);
    let at_most =
        |what: &str, unit, most, spread| Verdict::new(what, unit, Limit::AtMost(most), spread);
    let files: fn(&Sample) -> f64 = |sample| as_float(sample.open_files as u64);
    let wal: fn(&Sample) -> f64 = |sample| sample.wal_mib;
    let grown = of(second, wal).max / of(first, wal).max.max(1.0);
    let p99 = once(measured.deleting.p99_ms / measured.resting.p99_ms.max(f64::EPSILON));
    let has_both = measured.deleting.seconds.min(measured.resting.seconds) >= SECONDS_MIN;
    let settled = once(measured.settled_seconds.unwrap_or(f64::INFINITY));
    vec![
        at_most("memory, last fifth to first", "", GROWTH_MAX, ratio(|sample| sample.resident_mib)),
        at_most(
            "files open, last fifth more than first",
            "",
            FILES_MORE_MAX,
            once(of(late, files).max - of(early, files).median),
        ),
        at_most("WAL at its most, second half to first", "", WAL_GROWTH_MAX, once(grown)),
        at_most("load ended until all was decided", "s", SETTLED_SECONDS_MAX, settled),
        at_most("p99 while retention deletes, to while not", "", P99_RATIO_MAX, p99)
            .only_if(has_both),
        reader("p99 while retention deletes", "ms", once(measured.deleting.p99_ms)),
        reader("p99 while it does not", "ms", once(measured.resting.p99_ms)),
        reader("resident memory", "MiB", of(warm, |sample| sample.resident_mib)),
        reader("resident memory at its most", "MiB", once(measured.peak_mib)),
        reader("files open", "", of(warm, files)),
        reader("WAL", "MiB", of(warm, wal)),
        reader("other files beside the database", "MiB", of(warm, |sample| sample.journal_mib)),
        reader("database", "MiB", of(warm, |sample| sample.database_mib)),
        reader("undecided", "", of(warm, |sample| sample.undecided)),
        reader("accepted", "/s", of(warm, |sample| sample.accepted_per_second)),
        reader("p99 of a second", "ms", of(warm, |sample| sample.p99_ms)),
    ]
}

/// The part `number` of `count` equal ones.
fn part(samples: &[Sample], number: usize, count: usize) -> &[Sample] {
    let at = |number: usize| samples.len() * number / count;
    samples.get(at(number)..at(number + 1)).unwrap_or_default()
}

pub(super) fn charts(measured: &Measured) -> [(&'static str, Chart); 2] {
    let line = |name: &str, of: fn(&Sample) -> f64| {
        Line::new(name, measured.samples.iter().map(|sample| [sample.seconds, of(sample)]))
    };
    let panels = vec![
        Panel::new(
            "ms",
            vec![line("p99", |sample| sample.p99_ms), line("p50", |sample| sample.p50_ms)],
        ),
        Panel::new("MiB resident", vec![line("memory", |sample| sample.resident_mib)]),
        Panel::new(
            "MiB on disk",
            vec![
                line("database", |sample| sample.database_mib),
                line("WAL", |sample| sample.wal_mib),
                line("other files beside it", |sample| sample.journal_mib),
            ],
        ),
        Panel::new("rows waiting", vec![line("undecided", |sample| sample.undecided)]),
        Panel::new(
            "open",
            vec![line("files and sockets", |sample| as_float(sample.open_files as u64))],
        ),
    ];
    let how = format!("{} deliveries per second", measured.rate);
    let over_time = Chart::over_time("Soak", &how, panels, deletions(&measured.samples));
    let lines = vec![
        Line::new("retention deletes", measured.deleting.curve.clone()),
        Line::new("it does not", measured.resting.curve.clone()),
    ];
    let latency =
        Chart::of_latencies("Latency of durable accepts while retention runs", &how, lines);
    [("time", over_time), ("latency", latency)]
}

/// When retention was at it; neighbouring seconds are one stretch.
fn deletions(samples: &[Sample]) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for sample in samples.iter().filter(|sample| sample.deleted_per_second >= super::DELETED_MIN) {
        let from = sample.seconds - 1.0;
        match marks.last_mut().filter(|mark| from - mark.to < 0.5) {
            Some(mark) => mark.to = sample.seconds,
            None => {
                marks.push(Mark { name: "retention deletes".to_owned(), from, to: sample.seconds })
            }
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::{Sample, deletions, part};

    fn sample(seconds: f64, deleted_per_second: f64) -> Sample {
        Sample {
            seconds,
            accepted_per_second: 0.0,
            others: 0,
            p50_ms: 0.0,
            p99_ms: 0.0,
            resident_mib: 0.0,
            open_files: 0,
            wal_mib: 0.0,
            journal_mib: 0.0,
            database_mib: 0.0,
            undecided: 0.0,
            deleted: 0.0,
            deleted_per_second,
        }
    }

    #[test]
    fn neighbouring_seconds_are_one_stretch() {
        let deleted = [0.0, 900.0, 700.0, 0.0, 0.0, 800.0];
        let samples: Vec<_> =
            (1..).zip(deleted).map(|(second, rows)| sample(f64::from(second), rows)).collect();
        let marks = deletions(&samples);
        let stretches: Vec<_> = marks.iter().map(|mark| (mark.from, mark.to)).collect();
        assert_eq!(stretches, [(1.0, 3.0), (5.0, 6.0)]);
    }

    #[test]
    fn parts_are_equal_and_leave_nothing_out() {
        let samples: Vec<_> = (0..10).map(|second| sample(f64::from(second), 0.0)).collect();
        let seconds = |number| part(&samples, number, 5).first().unwrap().seconds;
        assert_eq!((seconds(0), seconds(4)), (0.0, 8.0));
        assert_eq!((0..5).map(|number| part(&samples, number, 5).len()).sum::<usize>(), 10);
        assert!(part(&[], 4, 5).is_empty());
    }
}
