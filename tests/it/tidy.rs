//! House style as a test: the source is read as text, and what is wrong is printed as a compiler
//! prints it, `path:line: what`. It must never judge what a compiler or clippy judges.

/// Who may import whom, and what satellites must not know.
mod layers;
/// What README.md and ARCHITECTURE.md promise about the source.
mod papers;
/// Headers, sizes, and files that nobody compiles.
mod shape;
/// Words that must not be left, and names that say nothing.
mod words;

use std::path::Path;

/// One file of ours.
struct Source {
    /// From the root of the repository, with slashes.
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// What is wrong at a line.
    fn wrong(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Only in tests, or only to play a neighbour.
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests") || self.is_beside()
    }

    /// Tests in a file beside the code.
    fn is_beside(&self) -> bool {
        self.path.ends_with("_tests.rs")
    }

    /// The text with comments, strings and characters blanked out; lines stay lines.
    fn code(&self) -> String {
        let mut code = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        while let Some(first) = rest.chars().next() {
            let skipped = skipped(rest, code.chars().last());
            if skipped == 0 {
                code.push(first);
                rest = &rest[first.len_utf8()..];
            } else {
                let (blanked, after) = rest.split_at(skipped);
                code.extend(blanked.chars().map(|c| if c == '\n' { c } else { ' ' }));
                rest = after;
            }
        }
        code
    }
}

/// How many bytes of `rest` are a comment, a string or a character.
fn skipped(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..].find(end).map_or(rest.len(), |found| from + found + end.len())
    };
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if rest.starts_with("r#\"") && !in_word {
        return until("\"#", 3);
    }
    if rest.starts_with("r\"") && !in_word {
        return until("\"", 2);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    let mut after = rest.chars().skip(1);
    match (rest.starts_with('\''), after.next(), after.next()) {
        (true, Some('\\'), _) => quoted(rest, '\''),
        (true, Some(one), Some('\'')) => one.len_utf8() + 2,
        _ => 0,
    }
}

/// Bytes from a quotation mark to the next that is not escaped.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it is a folder of ours") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("source is text");
                let path = path.strip_prefix(root()).expect("it is below");
                let path = path.to_str().expect("it is text").replace('\\', "/");
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "there is no source in {folder}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Everything of ours.
fn all() -> Vec<Source> {
    ["src", "tests", "loadtest"].into_iter().flat_map(sources).collect()
}

/// Fails the test with everything that is wrong.
fn tidy(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{} things are not tidy:\n{}", wrong.len(), wrong.join("\n"));
}
