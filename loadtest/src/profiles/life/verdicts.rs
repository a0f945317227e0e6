//! What the profile `loop` prints, and how its budgets are judged. It must never measure.

use super::lab::Stretch;
use super::record::Hops;
use super::turn::Turn;
use super::{Compared, Load, Measured};
use crate::chart::{Chart, Line};
use crate::phase::Phase;
use crate::profiles::credentials::mode::Mode;
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};
use crate::tally::Latency;

const START_P50_MS_MAX: f64 = 10.0;
const START_P99_MS_MAX: f64 = 100.0;

pub(super) fn print_setting(load: &Load) {
    println!(
        "in each turn {} deliveries/s for {} s, then {} lives under way for {} s; the gateway, the \
         neighbours and this program share all cores",
        load.rate, load.open_seconds, load.lives, load.closed_seconds
    );
    println!(
        "each delivery opens a pull request, starts a run, and ends when both its statuses are at \
         Azure DevOps, which counts in whole milliseconds"
    );
}

pub(super) fn print_round(round_number: usize, round: &[Compared]) {
    println!("\nround {round_number}");
    let head = [
        "token", "loop", "lives", "lives/s", "accept", "start", "report", "show", "life", "late",
        "dropped", "gateway", "fakes", "loadtest", "cores", "others",
    ];
    let rows: Vec<_> = round
        .iter()
        .flat_map(|Compared { turn, .. }| {
            [("open", &turn.open), ("closed", &turn.closed)]
                .map(|(name, stretch)| row(turn, name, stretch))
        })
        .collect();
    print_table(&head, &rows);
    println!("  hops are p50/p99 in ms, processor time is in us for each life");
    for Compared { turn, bare } in round {
        let name = turn.mode.name();
        println!(
            "  {name}: {} statuses and {} calls for each life; bare handler {} and {} /s",
            number(turn.statuses_per_life),
            number(turn.calls_per_life),
            number(bare[0].accepts_per_second),
            number(bare[1].accepts_per_second)
        );
        if turn.mode.is_single() {
            println!("  {name}: tokens {}", turn.tokens);
        }
        for problem in &turn.problems {
            println!("  PROBLEM, {name}: {problem}");
        }
    }
}

fn row(turn: &Turn, name: &str, stretch: &Stretch) -> Vec<String> {
    let hop = |of: Latency| format!("{}/{}", number(of.p50_ms), number(of.p99_ms));
    let (hops, costs) = (stretch.hops, stretch.costs);
    let mut row = vec![turn.mode.name().to_owned(), name.to_owned(), stretch.lives.to_string()];
    row.push(number(stretch.per_second));
    row.extend([hops.accept, hops.start, hops.report, hops.show, hops.life].map(hop));
    row.extend([stretch.late, stretch.dropped].map(|count| count.to_string()));
    row.extend([costs.gateway_us, costs.fakes_us, costs.loadtest_us].map(number));
    row.extend([costs.cores, costs.others_cores].map(number));
    row
}

pub(super) fn print(measured: &Measured) {
    println!();
    print_verdicts(&verdicts(measured));
    let phases = measured.rounds.iter().flatten().flat_map(|compared| &compared.bare);
    let limited = phases.filter(|phase| phase.is_limited_by_generator()).count();
    if limited > 0 {
        println!(
            "\nThe generator was the limit of the bare handler {limited} times: it could have \
             taken more, so the ratios are too kind."
        );
    }
    let turns = || measured.rounds.iter().flatten();
    let disturbed = |is_calm: fn(&Compared) -> bool| turns().filter(|one| !is_calm(one)).count();
    println!(
        "\nOthers took too much of the cores in {} of {} closed loops (or of the bare handler \
         beside them) and {} open ones; those are left out where there are calm ones, and \
         nothing is judged where there are none.",
        disturbed(is_calm_closed),
        turns().count(),
        disturbed(is_calm_open)
    );
    println!(
        "\nverification: {}",
        match measured.problems().next() {
            Some(_) => "FAILED, see the rounds",
            None => "every delivery was decided and started one run, every run shows both results",
        }
    );
}

/// To the bare handler before and after it.
fn ratio(compared: &Compared) -> f64 {
    compared.turn.closed.per_second / bare(compared, |phase| phase.accepts_per_second)
}

/// The same if each side had had its cores to itself: the bare handler its one, the lives both of
/// those that it shares with its generator.
fn ratio_by_time(compared: &Compared) -> f64 {
    2.0 * bare(compared, |phase| phase.server_us_per_accept) / compared.turn.closed.costs.all_us()
}

fn bare(compared: &Compared, of: fn(&Phase) -> f64) -> f64 {
    let [before, after] = &compared.bare;
    of(before).midpoint(of(after))
}

/// What the budget says of lives per second; nothing for what no budget is about.
fn ratio_min(mode: Mode) -> Limit {
    match mode {
        Mode::ByHand => Limit::AtLeast(0.012),
        Mode::Ahead => Limit::AtLeast(0.006),
        _ => Limit::None,
    }
}

fn is_calm_open(compared: &Compared) -> bool {
    !compared.turn.open.is_disturbed()
}

fn is_calm_closed(compared: &Compared) -> bool {
    !compared.turn.closed.is_disturbed() && !compared.bare.iter().any(Phase::is_disturbed)
}

pub(super) fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let all = || measured.rounds.iter().flatten();
    let mut verdicts = Vec::new();
    for mode in Mode::ALL {
        let turns: Vec<&Compared> = all().filter(|one| one.turn.mode == mode).collect();
        if !turns.is_empty() {
            verdicts.extend(of_closed(mode, &turns));
            verdicts.extend(of_open(mode, &turns, measured.load.rate));
        }
    }
    let bare = Spread::of(all().map(|one| one.bare[1].accepts_per_second));
    verdicts.push(Verdict::new("bare", "accepts/s", Limit::None, bare));
    verdicts
}

/// The calm turns, or all of them if there is none; and whether there is one.
fn calm<'a>(turns: &[&'a Compared], is_calm: fn(&Compared) -> bool) -> (Vec<&'a Compared>, bool) {
    let calm: Vec<&Compared> = turns.iter().copied().filter(|one| is_calm(one)).collect();
    if calm.is_empty() { (turns.to_vec(), false) } else { (calm, true) }
}

fn of_closed(mode: Mode, turns: &[&Compared]) -> Vec<Verdict> {
    let (calm, is_judged) = calm(turns, is_calm_closed);
    let of = |of: fn(&Compared) -> f64| Spread::of(calm.iter().map(|one| of(one)));
    let verdict = |what: &str, unit, limit, spread| {
        Verdict::new(format!("{}: {what}", mode.name()), unit, limit, spread).only_if(is_judged)
    };
    let cost: fn(&Compared) -> f64 = |one| one.turn.closed.costs.gateway_us;
    let rest: fn(&Compared) -> f64 =
        |one| one.turn.closed.costs.all_us() - one.turn.closed.costs.gateway_us;
    vec![
        verdict("lives/s, ratio to bare", "", ratio_min(mode), of(ratio)),
        verdict("the same by processor time", "", Limit::None, of(ratio_by_time)),
        verdict("lives/s", "", Limit::None, of(|one| one.turn.closed.per_second)),
        verdict("processor time, gateway", "us/life", Limit::None, of(cost)),
        verdict("processor time, everybody else", "us/life", Limit::None, of(rest)),
    ]
}

fn of_open(mode: Mode, turns: &[&Compared], rate: f64) -> Vec<Verdict> {
    let (calm, is_judged) = calm(turns, is_calm_open);
    let of = |of: fn(&Hops) -> f64| Spread::of(calm.iter().map(|one| of(&one.turn.open.hops)));
    let verdict = |what: &str, limit, spread| {
        let what = format!("{}: at {} /s, {what}", mode.name(), number(rate));
        Verdict::new(what, "ms", limit, spread).only_if(is_judged)
    };
    let (p50, p99) = (Limit::AtMost(START_P50_MS_MAX), Limit::AtMost(START_P99_MS_MAX));
    vec![
        verdict("accepted to CI started, p50", p50, of(|hops| hops.start.p50_ms)),
        verdict("accepted to CI started, p99", p99, of(|hops| hops.start.p99_ms)),
        verdict("report to both shown, p50", Limit::None, of(|hops| hops.show.p50_ms)),
        verdict("report to both shown, p99", Limit::None, of(|hops| hops.show.p99_ms)),
        verdict("due to both shown, p50", Limit::None, of(|hops| hops.life.p50_ms)),
        verdict("due to both shown, p99", Limit::None, of(|hops| hops.life.p99_ms)),
    ]
}

/// The hops of the open loop, for each way to come by tokens; one line for each round.
pub(super) fn charts(measured: &Measured) -> Vec<(&'static str, Chart)> {
    let of_mode = |mode: Mode| {
        let turns = measured.rounds.iter().flatten().map(|compared| &compared.turn);
        let lines = turns.filter(|turn| turn.mode == mode).flat_map(|turn| {
            turn.open.curves.iter().map(|(hop, curve)| Line::new(hop, curve.clone()))
        });
        let how = format!("{} deliveries/s, {}", number(measured.load.rate), mode.name());
        Chart::of_latencies("Hops of full lives", &how, lines.collect())
    };
    let seen =
        |mode: &Mode| measured.rounds.iter().flatten().any(|compared| compared.turn.mode == *mode);
    Mode::ALL.into_iter().filter(seen).map(|mode| (mode.name(), of_mode(mode))).collect()
}
