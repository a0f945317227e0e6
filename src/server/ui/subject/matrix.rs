//! Checks by iterations: how far each is, and why there is no run.

use std::collections::BTreeSet;

use super::super::badge::Badge;
use super::super::cell::Cell;
use super::super::moment::span;
use super::super::visit::Visit;
use super::load::Loaded;
use crate::domain::event::short;
use crate::domain::run::Run;
use crate::domain::timeline::{Iteration, OfCheck};

/// So many columns.
const COLUMNS_MAX: usize = 5;

/// See the module.
pub(super) struct Matrix {
    /// The heads, oldest first.
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Line>,
}

pub(super) struct Column {
    pub(super) commit: String,
    /// Whether it is the newest one, which a phone shows alone.
    pub(super) is_head: bool,
}

/// A check.
pub(super) struct Line {
    pub(super) check: String,
    pub(super) cells: Vec<Cell>,
}

/// The newest iterations about which anything was decided.
pub(super) fn matrix(visit: &Visit, loaded: &Loaded, iterations: &[Iteration]) -> Matrix {
    let last = iterations.len().saturating_sub(1);
    let is_head = |number: usize| number == last;
    let all = iterations.iter().enumerate();
    let mut shown: Vec<(usize, &Iteration)> =
        all.filter(|(number, one)| is_head(*number) || !one.checks.is_empty()).collect();
    shown.drain(..shown.len().saturating_sub(COLUMNS_MAX));
    let column = |(number, iteration): &(usize, &Iteration)| Column {
        commit: commit(loaded, iteration, is_head(*number)),
        is_head: is_head(*number),
    };
    let checks: BTreeSet<&String> = shown.iter().flat_map(|(_, one)| one.checks.keys()).collect();
    let line = |check: &String| {
        let of = |(_, one): &(usize, &Iteration)| cell(visit, loaded, one.checks.get(check));
        Line { check: check.clone(), cells: shown.iter().map(of).collect() }
    };
    Matrix {
        columns: shown.iter().map(column).collect(),
        rows: checks.into_iter().map(line).collect(),
    }
}

/// The head of an iteration; of the newest one also where nothing has run on it.
pub(super) fn commit(loaded: &Loaded, iteration: &Iteration, is_newest: bool) -> String {
    let head = loaded.head.as_ref().filter(|_| is_newest);
    let commit = iteration.commit.as_ref().or(head);
    commit.map_or_else(|| "unknown head".to_owned(), |commit| short(commit).to_owned())
}

fn cell(visit: &Visit, loaded: &Loaded, found: Option<&OfCheck>) -> Cell {
    let Some(found) = found else { return Cell::Nothing };
    if let Some(run) = found.run.and_then(|id| loaded.run(id)) {
        return of_run(visit, run);
    }
    let Some(outcome) = &found.outcome else { return Cell::Nothing };
    Cell::Lines(vec![Cell::Badge(Badge::none("Not started")), Cell::cut(&outcome.why)])
}

/// `Running 2 min 8 s` with a link to the run, and one to its CI.
fn of_run(visit: &Visit, run: &Run) -> Cell {
    let until = if run.state.is_final() { run.updated_at } else { visit.now };
    let took = Cell::text(span(until.since(run.created_at)));
    let state = Cell::Badge(run.state.into()).at(visit.href(&format!("/runs/{}", run.id)));
    let ci = Cell::away(run.url.as_ref(), "Open at the CI");
    // What cannot be a link says nothing here.
    let ci = Some(ci).filter(|cell| matches!(cell, Cell::Away(..)));
    let first = Cell::Pair(Box::new(state), Box::new(took));
    Cell::Lines([Some(first), ci].into_iter().flatten().collect())
}
