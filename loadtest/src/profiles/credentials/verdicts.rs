//! What the profile `credentials` prints, and how its budgets are judged. It must never measure.

use super::Measured;
use super::mode::Mode;
use super::turn::{Load, Turn};
use crate::chart::{Chart, Line};
use crate::report::{Limit, Spread, Verdict, number, print_table, print_verdicts};

const REQUESTS_MAX: f64 = 3.0;
const LATENCY_RATIO_MAX: f64 = 1.2;

pub(super) fn print_setting(load: &Load) {
    let Load { rate, burst, seconds, warm_up_seconds, delay_ms, pull_request } = load;
    let place = if *pull_request { "a pull request" } else { "a commit" };
    println!(
        "{rate} statuses per second, {burst} at a time, of {place}, for {seconds} s after \
         {warm_up_seconds} s of warming up; each call to Azure DevOps takes {delay_ms} ms"
    );
    println!("latency is from stored by the gateway to answered by Azure DevOps");
}

pub(super) fn print_round(round_number: usize, turns: &[Turn]) {
    println!("\nround {round_number}");
    let head = [
        "token", "statuses", "p50 ms", "p99 ms", "max ms", "p50 x", "mint", "post", "revoke",
        "other", "looks", "refused", "minted", "once", "more", "unused", "revoked", "left",
    ];
    let rows: Vec<_> = turns.iter().map(|turn| row(turns, turn)).collect();
    print_table(&head, &rows);
    for turn in turns {
        if !turn.requests.others.is_empty() {
            println!("  other, {}: {:?}", turn.mode.name(), turn.requests.others);
        }
        for problem in &turn.problems {
            println!("  PROBLEM, {}: {problem}", turn.mode.name());
        }
    }
}

/// Requests are per status while it was loaded, tokens are counted from start to end.
fn row(turns: &[Turn], turn: &Turn) -> Vec<String> {
    let (latency, requests, tokens) = (&turn.latency, &turn.requests, &turn.tokens);
    let mut row = vec![turn.mode.name().to_owned(), turn.statuses.to_string()];
    row.extend([latency.median_ms, latency.p99_ms, latency.max_ms].map(number));
    row.push(ratio(turns, turn, |turn| turn.latency.median_ms).map_or("-".to_owned(), number));
    let counts = [requests.mint, requests.post, requests.revoke, requests.others()];
    row.extend(counts.map(|count| number(turn.per_status(count))));
    row.extend([requests.look, requests.refused].map(|count| count.to_string()));
    let counts = [tokens.minted, tokens.used_once, tokens.used_more, tokens.unused];
    row.extend(counts.map(|count| count.to_string()));
    row.extend([tokens.revoked, tokens.left_over].map(|count| count.to_string()));
    row
}

/// To the call alone, in the same round.
fn ratio(turns: &[Turn], turn: &Turn, of: impl Fn(&Turn) -> f64) -> Option<f64> {
    let alone = turns.iter().find(|other| other.mode == Mode::ByHand)?;
    Some(of(turn) / of(alone).max(f64::EPSILON))
}

pub(super) fn print(measured: &Measured) {
    println!();
    print_verdicts(&verdicts(measured));
    let unused: u64 = turns_of(measured, Mode::Ahead).map(|turn| turn.tokens.unused).sum();
    println!("\n{unused} tokens were minted ahead for nobody, revoked at the end of their round.");
    let failed = measured.rounds.iter().flatten().any(|turn| !turn.problems.is_empty());
    println!(
        "verification: {}",
        match failed {
            true => "FAILED, see the rounds",
            false => "every status arrived once, no token was used wrongly or left over",
        }
    );
}

fn turns_of(measured: &Measured, mode: Mode) -> impl Iterator<Item = &Turn> {
    measured.rounds.iter().flatten().filter(move |turn| turn.mode == mode)
}

pub(super) fn verdicts(measured: &Measured) -> Vec<Verdict> {
    let spread = |mode, of: fn(&Turn) -> f64| Spread::of(turns_of(measured, mode).map(of));
    let ratio = |mode, of: fn(&Turn) -> f64| {
        let ratios = measured.rounds.iter().filter_map(|turns| {
            let turn = turns.iter().find(|turn| turn.mode == mode)?;
            ratio(turns, turn, of)
        });
        Spread::of(ratios)
    };
    let median: fn(&Turn) -> f64 = |turn| turn.latency.median_ms;
    let p99: fn(&Turn) -> f64 = |turn| turn.latency.p99_ms;
    let mut verdicts = Vec::new();
    let is_compared = turns_of(measured, Mode::ByHand).count() > 0;
    for mode in Mode::ALL.into_iter().filter(|mode| turns_of(measured, *mode).count() > 0) {
        let name = mode.name();
        let most = match mode.is_single() {
            true => Limit::AtMost(REQUESTS_MAX),
            false => Limit::None,
        };
        let requests = spread(mode, |turn| turn.per_status(turn.requests.for_statuses()));
        verdicts.push(Verdict::new(format!("{name}: requests per status"), "", most, requests));
        let for_reader = |what: &str, unit, spread| {
            Verdict::new(format!("{name}: {what}"), unit, Limit::None, spread)
        };
        verdicts.push(for_reader("p50", "ms", spread(mode, median)));
        verdicts.push(for_reader("p99", "ms", spread(mode, p99)));
        if mode != Mode::ByHand && is_compared {
            // What is minted on demand cannot be as fast; the budget is about the usual way.
            let most = match mode {
                Mode::Ahead => Limit::AtMost(LATENCY_RATIO_MAX),
                _ => Limit::None,
            };
            let what = format!("{name}: p50, ratio to the call alone");
            verdicts.push(Verdict::new(what, "", most, ratio(mode, median)));
            verdicts.push(for_reader("p99, ratio to the call alone", "", ratio(mode, p99)));
        }
    }
    verdicts
}

/// One line for each round and mode.
pub(super) fn chart(measured: &Measured) -> Chart {
    let lines = measured.rounds.iter().flatten();
    let lines = lines.map(|turn| Line::new(turn.mode.name(), turn.latency.curve.clone()));
    let Load { rate, burst, delay_ms, .. } = measured.load;
    let how = format!(
        "{rate} statuses per second, {burst} at a time, {delay_ms} ms per call to Azure DevOps"
    );
    Chart::of_latencies("From stored to shown at Azure DevOps", &how, lines.collect())
}
