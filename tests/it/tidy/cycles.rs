//! No two files of a crate depend on each other, directly or through others. What counts is the
//! file that defines a thing, not the one that re-exports it; a file may use what the modules
//! around it define, since it is a part of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::model::Crate;
use super::{crates, tidy};

/// By file, what it names of which other file.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// A re-export by itself is no dependency, nor is what a file's own tests use.
fn graph(source: &Crate) -> Graph {
    let mut graph = Graph::new();
    for mention in source.mentions.iter().filter(|mention| !mention.is_reexport) {
        let module = &source.modules[mention.module];
        if let Some((file, name)) = source.definition(mention)
            && file != module.file
            && !module.is_inline_test
            && !source.is_around(mention.module, file)
        {
            let of = graph.entry(module.file.clone()).or_default();
            of.entry(file.to_owned()).or_default().insert(name);
        }
    }
    graph
}

/// The shortest way from a file back to itself.
fn shortest_cycle<'a>(graph: &'a Graph, start: &'a str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![start]]);
    while let Some(way) = ways.pop_front() {
        for next in graph.get(*way.last()?).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

/// The cycles of a graph, the shortest first, and none that shares a step with one before it. Each
/// lists its files, and what each file names of the next.
fn cycles(graph: &Graph) -> Vec<String> {
    let mut found: Vec<Vec<&str>> =
        graph.keys().filter_map(|file| shortest_cycle(graph, file)).collect();
    for files in &mut found {
        let first = (0..files.len()).min_by_key(|at| files[*at]).unwrap_or(0);
        files.rotate_left(first);
    }
    found.sort_by_key(|files| (files.len(), files.clone()));
    let mut seen = BTreeSet::new();
    let mut cycles = Vec::new();
    for files in found {
        let next = files.iter().cycle().skip(1);
        let steps: Vec<(&str, &str)> = files.iter().copied().zip(next.copied()).collect();
        if steps.iter().any(|step| seen.contains(step)) {
            continue;
        }
        seen.extend(steps.iter().copied());
        let named = steps.iter().map(|(file, next)| {
            let names: Vec<&str> = graph[*file][*next].iter().map(String::as_str).collect();
            format!(" → {next}: {}", names.join(", "))
        });
        cycles.push([files[0].to_owned()].into_iter().chain(named).collect());
    }
    cycles
}

#[test]
fn no_two_files_depend_on_each_other() {
    let crates = crates();
    tidy(crates.iter().flat_map(|source| cycles(&graph(source))));
}

#[test]
fn a_cycle_through_a_re_export_is_found() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(file("a")).expect("a folder can be made");
    let found = |c: &str| {
        for (name, code) in [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod b; mod c; pub use b::One; pub struct Around(c::Two);"),
            ("a/b.rs", "pub struct One(super::c::Two, super::Around);"),
            ("a/c.rs", c),
        ] {
            std::fs::write(file(name), code).expect("a file can be written");
        }
        cycles(&graph(&Crate::read(&file("lib.rs"))))
    };
    let in_tests = found("pub struct Two; #[cfg(test)] mod tests { use super::super::One; }");
    assert!(in_tests.is_empty(), "{in_tests:?}");
    let (b, c) = (file("a/b.rs"), file("a/c.rs"));
    let expected = [format!("{b} → {c}: Two → {b}: One")];
    assert_eq!(found("use super::One as First; pub struct Two(First);"), expected);
    assert_eq!(
        found("pub struct Two; fn name() { print!(\"{}\", crate::a::One::NAME) }"),
        expected
    );
}
