//! The rules of this repository that neither the compiler nor clippy checks. The source is parsed
//! with `syn`, the documents are read as text; what breaks a rule is printed as a compiler prints
//! it, `path:line: what`.

/// The alerts for Prometheus agree with the metrics and with the documents.
mod alarms;
/// No two files of a crate depend on each other.
mod cycles;
/// README.md, ARCHITECTURE.md and docs/ agree with the code.
mod documents;
/// Which module may import which.
mod imports;
/// What `syn` reads: modules, the names in them, and the paths that the code names.
mod model;
/// Names that are replaced or say nothing, and words that must not be left.
mod names;
/// Headers, widths, lengths, and files that nothing compiles.
mod shape;

use std::path::Path;

/// A file of this repository; the path is relative to the root and has slashes.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn wrong(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    /// Lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder that have an extension, sorted by path.
fn files(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder exists") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let path = path.strip_prefix(root()).expect("the file is below the root");
                let path = path.to_str().expect("the path is UTF-8").replace('\\', "/");
                found.push(Source { text: text(&path), path });
            }
        }
    }
    assert!(!found.is_empty(), "there is no .{extension} in {folder}");
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Every Rust file of this repository.
fn sources() -> Vec<Source> {
    let folders = ["src", "tests", "loadtest", "version"];
    folders.into_iter().flat_map(|folder| files(folder, "rs")).collect()
}

/// Every program, library and binary of integration tests.
fn crates() -> Vec<model::Crate> {
    let is_root = |path: &String| {
        ["src/lib.rs", "src/main.rs", "it/main.rs"].iter().any(|root| path.ends_with(root))
            || path.strip_prefix("tests/fakes/tests/").is_some_and(|file| !file.contains('/'))
    };
    let roots = sources().into_iter().map(|source| source.path).filter(is_root);
    roots.map(|root| model::Crate::read(&root)).collect()
}

/// Fails the test with everything that is wrong.
fn tidy(wrong: impl IntoIterator<Item = String>) {
    let wrong: Vec<String> = wrong.into_iter().collect();
    assert!(wrong.is_empty(), "{} things are not tidy:\n{}", wrong.len(), wrong.join("\n"));
}
