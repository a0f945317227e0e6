//! What happened, iteration by iteration, and whose time passed.

use std::time::Duration;

use super::super::moment::{Moment, span};
use super::super::visit::Visit;
use super::load::Loaded;
use super::matrix::commit;
use crate::domain::decision::Source;
use crate::domain::text::cut;
use crate::domain::timeline::{Entry, Iteration, Kind, Party, Row, Shares};

/// As much of the words of an entry as a timeline shows.
const WORDS_CHARS_MAX: usize = 400;
/// The width of the bar, which is scaled to that of the page.
const BAR_WIDTH: u128 = 1_000;

/// One iteration.
pub(super) struct Part {
    pub(super) commit: String,
    pub(super) is_newest: bool,
    pub(super) entries: usize,
    pub(super) begun: Moment,
    pub(super) shares: Vec<Share>,
    pub(super) goes_on: bool,
    pub(super) lines: Vec<Line>,
}

/// Whose time it was, and how much.
pub(super) struct Share {
    /// The class of its colour.
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) lasted: String,
    /// Where its part of the bar begins, and how wide it is.
    pub(super) x: u128,
    pub(super) width: u128,
}

/// A row of the timeline.
pub(super) struct Line {
    /// The day, where it is another one than in the row before.
    pub(super) day: Option<String>,
    /// `14:00:59.412`; none for a gap.
    pub(super) time: Option<String>,
    pub(super) after: Option<String>,
    pub(super) kind: &'static str,
    pub(super) words: String,
    /// The page that has more about it, and a word for that.
    pub(super) more: Option<(String, &'static str)>,
}

/// All iterations, newest first.
pub(super) fn parts(visit: &Visit, loaded: &Loaded, iterations: &[Iteration]) -> Vec<Part> {
    let last = iterations.len().saturating_sub(1);
    let part = |(number, iteration): (usize, &Iteration)| Part {
        commit: commit(loaded, iteration, number == last),
        is_newest: number == last,
        entries: iteration.entries(),
        begun: visit.moment(iteration.begun_at).full(),
        shares: shares(&iteration.shares),
        goes_on: iteration.goes_on,
        lines: lines(visit, &iteration.rows),
    };
    iterations.iter().enumerate().map(part).rev().collect()
}

fn shares(shares: &Shares) -> Vec<Share> {
    let all_us = shares.sum().as_micros();
    let scaled = |us: u128| (us * BAR_WIDTH).checked_div(all_us).unwrap_or_default();
    let parties = [
        ("ado", "Azure DevOps", shares.azure_devops),
        ("gateway", "gateway", shares.gateway),
        ("ci", "CI", shares.ci),
        ("limits", "limits of concurrency", shares.concurrency),
    ];
    let mut before_us = 0;
    let mut found = Vec::new();
    for (class, word, lasted) in parties {
        if lasted == Duration::ZERO {
            continue;
        }
        let (x, end_us) = (scaled(before_us), before_us + lasted.as_micros());
        let width = scaled(end_us).saturating_sub(x);
        found.push(Share { class, word, lasted: span(lasted), x, width });
        before_us = end_us;
    }
    found
}

fn lines(visit: &Visit, rows: &[Row]) -> Vec<Line> {
    let mut day = None;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        lines.push(match row {
            Row::Entry(entry, after) => {
                let mut line = line(visit, entry, *after);
                line.day = line.day.filter(|new| day.as_ref() != Some(new));
                day = line.day.clone().or(day);
                line
            }
            Row::Gap { lasted, waited_for, goes_on } => gap(*lasted, *waited_for, *goes_on),
        });
    }
    lines
}

fn line(visit: &Visit, entry: &Entry, after: Option<Duration>) -> Line {
    let absolute = visit.moment(entry.at).absolute();
    let (day, time) = absolute.split_once(' ').unwrap_or(("", &absolute));
    let (kind, words) = words(entry);
    let more = match (entry.kind, entry.run, entry.delivery) {
        (_, Some(run), _) => Some((visit.href(&format!("/runs/{run}")), "run")),
        (Kind::AzureDevOps, _, _) => None,
        (Kind::Decision(_), _, Some(id)) => Some((visit.href(&format!("/deliveries/{id}")), "why")),
        (_, _, Some(id)) => Some((visit.href(&format!("/deliveries/{id}")), "delivery")),
        _ => None,
    };
    Line {
        day: Some(day.to_owned()),
        time: Some(time.trim_end_matches(" UTC").to_owned()),
        after: after.map(|after| format!("+{}", span(after))),
        kind,
        words: cut(&words, WORDS_CHARS_MAX),
        more,
    }
}

fn words(entry: &Entry) -> (&'static str, String) {
    let words = entry.words.clone();
    match entry.kind {
        Kind::AzureDevOps => ("Azure DevOps", format!("{words} (by its clock)")),
        Kind::Delivery(source) => {
            let by = match source {
                Source::Hook => "stored, by a hook",
                Source::CatchUp => "found by catch-up",
                Source::Replay => "replayed by a person",
            };
            ("delivery", format!("{words}: {by}"))
        }
        Kind::Decision(_) => ("decision", words),
        Kind::Planned => ("person", words),
        Kind::Attempt => ("attempt", words),
        Kind::Report | Kind::RefusedReport => ("report", words),
        Kind::Lease => ("runner", words),
        Kind::Ended(_) => ("ended", words),
        Kind::Status(..) => ("status", words),
    }
}

fn gap(lasted: Duration, waited_for: Party, goes_on: bool) -> Line {
    let words = match (waited_for, goes_on) {
        (Party::AzureDevOps, _) => "Azure DevOps had not told us",
        (Party::Gateway, false) => "waited for the gateway",
        (Party::Gateway, true) => "waits for the gateway",
        (Party::Ci, false) => "waited for the CI",
        (Party::Ci, true) => "waits for the CI",
        (Party::Concurrency, false) => {
            "waited for other runs, which the limits of concurrency count"
        }
        (Party::Concurrency, true) => "waits for other runs, which the limits of concurrency count",
        (Party::Person, _) => "waited for a person",
    };
    Line {
        day: None,
        time: None,
        after: Some(span(lasted)),
        kind: "gap",
        words: words.to_owned(),
        more: None,
    }
}
