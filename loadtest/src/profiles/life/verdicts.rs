//! What the profile `loop` prints, and how its budgets are judged. It must never measure.

use serde_json::{Value, json};

use super::lab::Stretch;
use super::turn::Turn;
use super::{Compared, Load, Measured};
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
        "dropped", "gateway", "fakes", "loadtest", "cores",
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
    row.push(number(costs.cores));
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
    let [before, after] = &compared.bare;
    let bare = before.accepts_per_second.midpoint(after.accepts_per_second);
    compared.turn.closed.per_second / bare
}

/// What the budget says of lives per second; nothing for what no budget is about.
fn ratio_min(mode: Mode) -> Limit {
    match mode {
        Mode::ByHand => Limit::AtLeast(0.012),
        Mode::Ahead => Limit::AtLeast(0.006),
        _ => Limit::None,
    }
}

fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let all = || measured.rounds.iter().flatten();
    for mode in Mode::ALL.into_iter().filter(|mode| all().any(|one| one.turn.mode == *mode)) {
        let name = mode.name();
        let of = |of: fn(&Compared) -> f64| {
            Spread::of(all().filter(|one| one.turn.mode == mode).map(of))
        };
        let mut judge = |what: &str, unit, limit, spread| {
            verdicts.push(Verdict::new(format!("{name}: {what}"), unit, limit, spread));
        };
        judge("lives/s, ratio to bare", "", ratio_min(mode), of(ratio));
        judge("lives/s", "/s", Limit::None, of(|one| one.turn.closed.per_second));
        let (p50, p99) = (Limit::AtMost(START_P50_MS_MAX), Limit::AtMost(START_P99_MS_MAX));
        let at = format!("at {} /s, ", number(measured.load.rate));
        let hop = |what| format!("{at}{what}");
        judge(&hop("accepted to CI started, p50"), "ms", p50, of(|one| start(one).p50_ms));
        judge(&hop("accepted to CI started, p99"), "ms", p99, of(|one| start(one).p99_ms));
        let show_p50 = of(|one| one.turn.open.hops.show.p50_ms);
        let show_p99 = of(|one| one.turn.open.hops.show.p99_ms);
        judge(&hop("report to both shown, p50"), "ms", Limit::None, show_p50);
        judge(&hop("report to both shown, p99"), "ms", Limit::None, show_p99);
        let life_p50 = of(|one| one.turn.open.hops.life.p50_ms);
        let life_p99 = of(|one| one.turn.open.hops.life.p99_ms);
        judge(&hop("due to both shown, p50"), "ms", Limit::None, life_p50);
        judge(&hop("due to both shown, p99"), "ms", Limit::None, life_p99);
        let cost: fn(&Compared) -> f64 = |one| one.turn.closed.costs.gateway_us;
        judge("gateway's processor time", "us/life", Limit::None, of(cost));
        let cost: fn(&Compared) -> f64 = |one| one.turn.closed.costs.fakes_us;
        judge("neighbours' processor time", "us/life", Limit::None, of(cost));
    }
    let bare = Spread::of(all().map(|one| one.bare[1].accepts_per_second));
    verdicts.push(Verdict::new("bare", "accepts/s", Limit::None, bare));
    verdicts
}

fn start(compared: &Compared) -> Latency {
    compared.turn.open.hops.start
}

/// Everything that was measured, with the verdicts.
pub(super) fn to_json(measured: &Measured) -> Value {
    json!({ "profile": "loop", "verdicts": verdicts(measured), "measured": measured })
}
