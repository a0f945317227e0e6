//! What the profile `recovery` prints, and how its budgets are judged. It must never measure.

use super::kill::Kill;
use super::{Measured, Options};
use crate::chart::{Chart, Line, Mark, Panel};
use crate::machine::Machine;
use crate::report::{Limit, Spread, Verdict, number, print_verdicts};

const BACK_MS_MAX: f64 = 2_000.0;

pub(super) fn print_setting(options: &Options, pinned: bool, machine: &Machine) {
    let rate = options.rate.map_or("as many deliveries as it takes".to_owned(), |rate| {
        format!("{rate} deliveries per second")
    });
    println!(
        "{} deliveries stored before, {rate} over {} connections, killed {} times; median fsync \
         {} ms",
        options.stored,
        options.connections,
        options.kills,
        number(machine.fsync_ms)
    );
    if !pinned {
        println!("NOT PINNED to cores (no taskset, or one core only)");
    }
    println!("times are counted from the start of the new process\n");
}

pub(super) fn print_kill(position: usize, kill: &Kill) {
    println!(
        "kill {}: {:.0} undecided, dead after {} ms; first 202 after {} ms, ready after {} ms, \
         first decision after {} ms",
        position + 1,
        kill.undecided,
        number(kill.died_ms),
        number(kill.first_accept_ms),
        number(kill.ready_ms),
        number(kill.first_decision_ms)
    );
}

/// Prints and returns them.
pub(super) fn print(measured: &Measured) -> Vec<Verdict> {
    println!();
    match measured.settled_seconds {
        Some(seconds) => println!("all decided {} s after the last load", number(seconds)),
        None => println!("NOT all decided: it came to a standstill"),
    }
    measured.verification.print();
    println!();
    let verdicts = verdicts(measured);
    print_verdicts(&verdicts);
    verdicts
}

fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let spread = |of: fn(&Kill) -> f64| Spread::of(measured.kills.iter().map(of));
    // A promise is kept only if it is kept every time.
    let worst = |what: &str, of: fn(&Kill) -> f64| {
        let spread = spread(of);
        let is_met = spread.max <= BACK_MS_MAX;
        let verdict = Verdict::new(what, "ms", Limit::AtMost(BACK_MS_MAX), spread);
        Verdict { is_met: Some(is_met), ..verdict }
    };
    let count = |what: &str, problems: usize| {
        Verdict::new(what, "", Limit::AtMost(0.0), Spread::of([f64::from(problems > 0)]))
    };
    vec![
        worst("kill -9 until all of it works again, always", Kill::working_again_ms),
        worst("start until the first 202, always", |kill| kill.first_accept_ms),
        worst("start until ready, always", |kill| kill.ready_ms),
        worst("start until the first decision, always", |kill| kill.first_decision_ms),
        count("lost, doubled or undecided", measured.verification.problems.len()),
        Verdict::new("dead after", "ms", Limit::None, spread(|kill| kill.died_ms)),
        Verdict::new(
            "a calm start until the first answer",
            "ms",
            Limit::None,
            Spread::of([measured.calm_start_ms]),
        ),
        Verdict::new("undecided at the kill", "", Limit::None, spread(|kill| kill.undecided)),
    ]
}

pub(super) fn charts(measured: &Measured) -> [(&'static str, Chart); 1] {
    let accepts = Line::new("acknowledged", measured.accepts.iter().copied());
    let mark = |kill: &Kill| Mark {
        name: "killed, until all works again".to_owned(),
        from: kill.at_seconds,
        to: kill.at_seconds + kill.working_again_ms() / 1e3,
    };
    let panels = vec![Panel::new("deliveries per second", vec![accepts])];
    let how = format!("{} deliveries stored before", measured.stored);
    let marks = measured.kills.iter().map(mark).collect();
    [("accepts", Chart::over_time("kill -9 under load", &how, panels, marks))]
}
