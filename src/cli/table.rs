//! Tables and colours for people.

use std::io::IsTerminal;

use super::output::coloured_line;
use crate::printable::printable;

/// Prints a head and rows with aligned columns. Each row is one line, whatever its cells contain.
pub(super) fn print(head: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = head.iter().map(|name| name.to_uppercase()).collect();
    let cells = |row: &Vec<String>| row.iter().map(|cell| printable(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    let width = |column: usize| {
        let of = |row: &Vec<String>| row.get(column).map_or(0, |cell| cell.chars().count());
        rows.iter().map(of).chain([of(&head)]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for (number, row) in std::iter::once(&head).chain(&rows).enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padded = format!("{cell:<width$}");
            if number > 0 { painted(cell, &padded) } else { padded }
        });
        coloured_line(cells.collect::<Vec<_>>().join("  ").trim_end());
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
