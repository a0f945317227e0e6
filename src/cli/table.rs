//! Tables and colours for people.

use std::io::IsTerminal;

use super::output::coloured_line;
use crate::printable::printable;

/// Prints a head and rows with aligned columns. Each row is one line, whatever its cells contain.
pub(super) fn print(head: &[&str], rows: &[Vec<String>]) {
    Columns::default().lines(Some(head), rows).iter().for_each(|line| coloured_line(line));
}

/// The widths of columns: of every line so far.
#[derive(Default)]
pub(super) struct Columns(Vec<usize>);

impl Columns {
    /// The lines of a table, or of more rows of it, where it has a head already.
    pub(super) fn lines(&mut self, head: Option<&[&str]>, rows: &[Vec<String>]) -> Vec<String> {
        let head = head.map(|head| head.iter().map(|name| name.to_uppercase()).collect());
        let head_lines = usize::from(head.is_some());
        let printable = |row: &Vec<String>| row.iter().map(|it| printable(it).into()).collect();
        let rows: Vec<Vec<String>> = head.into_iter().chain(rows.iter().map(printable)).collect();
        for row in &rows {
            self.0.resize(self.0.len().max(row.len()), 0);
            for (width, cell) in self.0.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let line = |(number, row): (usize, &Vec<String>)| {
            let cells = row.iter().zip(&self.0).map(|(cell, width)| {
                let padded = format!("{cell:<width$}");
                if number < head_lines { padded } else { painted(cell, &padded) }
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.iter().enumerate().map(line).collect()
    }
}

/// Prints names with their values, without those that have none.
pub(super) fn print_facts(facts: &[(&str, String)]) {
    let facts = facts.iter().filter(|(_, value)| !matches!(value.as_str(), "" | "-"));
    for (name, value) in facts {
        let value = printable(value);
        coloured_line(&format!("{name:<14}{}", painted(&value, &value)));
    }
}

/// Whether standard output is a terminal that shows colours, and nobody has asked for none
/// (<https://no-color.org>).
fn has_colours() -> bool {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let is_refused = !variable("NO_COLOR").is_empty() || variable("TERM") == "dumb";
    !is_refused && std::io::stdout().is_terminal()
}

/// The text in the colour of an outcome such as "failed"; where colours are shown.
pub(super) fn painted(word: &str, text: &str) -> String {
    if !has_colours() {
        return text.to_owned();
    }
    let colour = match word {
        "succeeded" | "started" | "posted" | "yes" => 32,
        "failed" | "errored" | "timed_out" | "quarantined" | "refused" | "error" | "NO" => 31,
        "running" | "dispatched" | "planned" | "pending" | "queued" => 33,
        "ignored" | "stale" | "duplicate" | "superseded" | "cancelled" | "unchanged" => 90,
        _ => return text.to_owned(),
    };
    format!("\x1b[{colour}m{text}\x1b[0m")
}

/// A field of a JSON object as printable text on one line.
pub(super) fn text(item: &serde_json::Value, field: &str) -> String {
    match item.get(field) {
        None | Some(serde_json::Value::Null) => "-".into(),
        Some(serde_json::Value::String(text)) => printable(text).into_owned(),
        Some(other) => printable(&other.to_string()).into_owned(),
    }
}

/// The first eight characters of a commit id.
pub(super) fn short(item: &serde_json::Value, field: &str) -> String {
    text(item, field).chars().take(8).collect()
}
