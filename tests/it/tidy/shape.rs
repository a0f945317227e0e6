//! Headers, widths, lengths, and files that nothing compiles.

use std::collections::BTreeSet;

use super::{Source, crates, sources, tidy};

const BODY_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

#[test]
fn every_file_says_what_it_is() {
    let silent = |source: &&Source| !source.text.starts_with("//!");
    tidy(sources().iter().filter(silent).map(|source| source.wrong(1, "it begins without `//!`")));
}

#[test]
fn no_line_is_wide() {
    tidy(sources().iter().flat_map(|source| {
        let columns = source.lines().map(|(line, text)| (line, text.chars().count()));
        let wide = columns.filter(|(_, columns)| *columns > COLUMNS_MAX);
        wide.map(|(line, columns)| source.wrong(line, &format!("{columns} columns wide")))
            .collect::<Vec<_>>()
    }));
}

#[test]
fn no_function_is_long() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for function in crates().into_iter().flat_map(|source| source.declarations) {
        let (file, name, lines) = (&function.file, &function.name, function.body_lines);
        count += usize::from(lines > 0);
        // A story may be long.
        if lines > BODY_LINES_MAX && !file.starts_with("tests/it/") {
            let what = format!("{name} has {lines} lines, and {BODY_LINES_MAX} are the limit");
            wrong.push(format!("{file}:{}: {what}", function.line));
        }
    }
    assert!(count > 1000, "only {count} functions were found");
    tidy(wrong);
}

#[test]
fn every_file_is_compiled() {
    let modules = crates().into_iter().flat_map(|source| source.modules);
    let compiled: BTreeSet<String> = modules.map(|module| module.file).collect();
    let sources = sources();
    let lost = sources.iter().filter(|source| !compiled.contains(&source.path));
    tidy(lost.map(|source| source.wrong(1, "no `mod` leads to this file")));
}
