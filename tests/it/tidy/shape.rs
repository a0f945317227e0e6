//! Headers, sizes, and files that nobody compiles.

use std::collections::BTreeSet;

use super::{Source, all, sources, tidy};

const FILE_LINES_MAX: usize = 400;
const BODY_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;

#[test]
fn every_file_says_what_it_is() {
    let silent = |source: &&Source| !source.text.starts_with("//!");
    tidy(all().iter().filter(silent).map(|source| source.wrong(1, "it begins without `//!`")));
}

#[test]
fn no_file_is_long() {
    tidy(sources("src").iter().filter_map(|source| {
        let lines = source.text.lines().count();
        let what = format!("{lines} lines, and {FILE_LINES_MAX} are the limit");
        (lines > FILE_LINES_MAX).then(|| source.wrong(lines, &what))
    }));
}

#[test]
fn no_line_is_wide() {
    let wide = |source: &Source| -> Vec<String> {
        let columns = source.lines().map(|(number, line)| (number, line.chars().count()));
        columns
            .filter(|(_, columns)| *columns > COLUMNS_MAX)
            .map(|(number, columns)| source.wrong(number, &format!("{columns} columns wide")))
            .collect()
    };
    tidy(all().iter().flat_map(wide));
}

/// Where functions begin, and how many lines their bodies have. The source is formatted, so a body
/// ends at the first brace that stands as far left as its `fn`.
fn bodies(source: &Source) -> Vec<(usize, usize)> {
    let code = source.code();
    let lines: Vec<&str> = code.lines().collect();
    let mut bodies = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let indent = line.len() - words.len();
        let is_start = words.split_whitespace().take_while(|word| {
            ["async", "const", "fn", "unsafe"].contains(word) || word.starts_with("pub")
        });
        if !is_start.into_iter().any(|word| word == "fn") {
            continue;
        }
        let rest = || (at..).zip(&lines[at..]);
        let head = rest().find(|(_, line)| line.trim_end().ends_with(['{', ';', '}']));
        let Some((begin, _)) = head.filter(|(_, line)| line.trim_end().ends_with('{')) else {
            continue;
        };
        let is_end = |line: &str| line.trim_end() == format!("{}}}", " ".repeat(indent));
        if let Some((end, _)) = rest().skip(begin - at).find(|(_, line)| is_end(line)) {
            bodies.push((at + 1, end - begin - 1));
        }
    }
    bodies
}

#[test]
fn no_function_is_long() {
    let mut count = 0;
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (line, lines) in bodies(&source) {
            count += 1;
            if lines > BODY_LINES_MAX {
                let what = format!("a body of {lines} lines, and {BODY_LINES_MAX} are the limit");
                wrong.push(source.wrong(line, &what));
            }
        }
    }
    assert!(count > 300, "only {count} functions were found");
    tidy(wrong);
}

/// The files of which `source` says that they are modules.
fn children(source: &Source) -> Vec<String> {
    let (folder, name) = source.path.rsplit_once('/').unwrap_or(("", &source.path));
    let own = match name {
        "mod.rs" | "lib.rs" | "main.rs" => folder.to_owned(),
        other => format!("{folder}/{}", other.trim_end_matches(".rs")),
    };
    let mut children = Vec::new();
    for (_, line) in source.lines() {
        let line = line.trim();
        if let Some(path) = line.strip_prefix("#[path = \"") {
            children.push(format!("{folder}/{}", path.trim_end_matches("\"]")));
        }
        let declared = line.strip_suffix(';').and_then(|line| line.split_once("mod "));
        if let Some((before, name)) = declared
            && (before.is_empty() || before.starts_with("pub"))
        {
            children.extend([format!("{own}/{name}.rs"), format!("{own}/{name}/mod.rs")]);
        }
    }
    children
}

#[test]
fn every_file_is_compiled() {
    let mut wrong = Vec::new();
    for (folder, roots) in [
        ("src", ["src/lib.rs", "src/main.rs"].as_slice()),
        ("tests/it", &["tests/it/main.rs"]),
        ("tests/fakes/src", &["tests/fakes/src/lib.rs", "tests/fakes/src/main.rs"]),
        ("loadtest/src", &["loadtest/src/main.rs"]),
    ] {
        let sources = sources(folder);
        let mut reached: BTreeSet<String> = roots.iter().map(|&root| root.to_owned()).collect();
        let mut new: Vec<String> = reached.iter().cloned().collect();
        while let Some(path) = new.pop() {
            let found = sources.iter().find(|source| source.path == path);
            for child in found.map(children).unwrap_or_default() {
                if reached.insert(child.clone()) {
                    new.push(child);
                }
            }
        }
        let lost = sources.iter().filter(|source| !reached.contains(&source.path));
        wrong.extend(lost.map(|source| source.wrong(1, "no `mod` leads to this file")));
    }
    tidy(wrong);
}
