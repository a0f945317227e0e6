//! Who may import whom. The table stands in ARCHITECTURE.md word for word (see `papers`).

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, root, sources, tidy};

const PIPELINE: &str = "domain, storage, ado, ci, credentials, worker, clock, secret";

/// A module, and what it may import of ours: modules, or what is named of them.
pub(super) const TABLE: [(&str, &str); 17] = [
    ("domain", ""),
    ("clock", "domain::time"),
    ("secret", "domain::id"),
    ("telemetry", ""),
    ("priority", ""),
    ("storage", "domain, secret, priority"),
    ("ado", "domain, secret, clock"),
    ("ci", "domain, secret"),
    ("credentials", "domain, storage, ado, secret, clock"),
    ("worker", "storage, clock"),
    ("pipeline", PIPELINE),
    ("reconcile", PIPELINE),
    (
        "server",
        "domain, storage, pipeline::{accept, observe, Notifiers}, \
         reconcile::{catch_up, policies, schedule, subscriptions, survey, turn}, \
         credentials, telemetry, clock, secret",
    ),
    (
        "config",
        "domain, secret, ado::Options, ci::{Options, webhook}, \
         credentials::{Options, App, Proof, PatUse, ServiceUser}, \
         server::{Options, ApiToken, Role}, storage::{Options, Engine}",
    ),
    ("app", "*"),
    ("cli", "*"),
    ("main", "*"),
];

/// By module what may be imported of it; nothing named means everything.
fn allowed(may: &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut of = None;
    for part in may.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (module, item) = match (part.split_once("::"), of) {
            (Some((module, item)), _) => (module, Some(item)),
            (None, Some(module)) => (module, Some(part)),
            (None, None) => (part, None),
        };
        let items = allowed.entry(module).or_default();
        items.extend(item.map(|item| item.trim_matches(['{', '}'])));
        let opens = item.is_some_and(|item| item.starts_with('{')) || of.is_some();
        of = Some(module).filter(|_| opens && !part.ends_with('}'));
    }
    allowed
}

/// The paths of a use tree, such as `a::{self, b as c}` → `a`, `a::b` with the names they get.
fn leaves(tree: &str, prefix: &str, found: &mut Vec<(String, String)>) {
    let join =
        |part: &str| if prefix.is_empty() { part.into() } else { format!("{prefix}::{part}") };
    let name = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
    if let Some((before, inside)) = tree.split_once('{') {
        let prefix = join(before.trim_end_matches("::"));
        let prefix = prefix.trim_end_matches(':');
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        let (mut depth, mut begin) = (0, 0);
        for (at, c) in inside.char_indices().chain([(inside.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    leaves(inside[begin..at].trim(), prefix, found);
                    begin = at + 1;
                }
                _ => {}
            }
        }
        return;
    }
    match tree.split_once(" as ") {
        _ if tree.is_empty() => {}
        Some((path, alias)) => found.push((join(path), alias.to_owned())),
        None if tree == "self" => found.push((prefix.to_owned(), name(prefix))),
        None => found.push((join(tree), name(tree))),
    }
}

/// Every `crate::…` in code: its line, the path, and the name that it gets.
fn imports(code: &str) -> Vec<(usize, String, String)> {
    let mut imports = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let is_use = code[..at].trim_end().ends_with("use");
        let end = match is_use {
            true => rest.find(';'),
            false => rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')),
        };
        let tree = rest[..end.unwrap_or(rest.len())].split_whitespace().collect::<Vec<_>>();
        let line = code[..at].lines().count().max(1);
        let mut found = Vec::new();
        leaves(&tree.join(" "), "", &mut found);
        imports.extend(found.into_iter().map(|(path, name)| (line, path, name)));
    }
    imports
}

/// What is used of a module through a name, as in `name::item`.
fn items_used<'a>(code: &'a str, name: &str) -> BTreeSet<&'a str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let start = format!("{name}::");
    let found = code
        .match_indices(&start)
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| is_word(c) || c == ':'));
    let item = |(at, _): (usize, &str)| {
        let rest = &code[at + start.len()..];
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    };
    found.map(item).filter(|item| !item.is_empty()).collect()
}

fn judge(source: &Source, module: &str, may: &str) -> Vec<String> {
    let (allowed, code) = (allowed(may), source.code());
    let mut wrong = Vec::new();
    for (line, path, name) in imports(&code) {
        let mut parts = path.split("::");
        let (Some(of), item) = (parts.next(), parts.next()) else { continue };
        if of == module {
            continue;
        }
        let Some(items) = allowed.get(of) else {
            wrong.push(source.wrong(line, &format!("{module} must not know {of} ({path})")));
            continue;
        };
        let used = match item {
            Some(item) => BTreeSet::from([item]),
            None => items_used(&code, &name),
        };
        for item in used.into_iter().filter(|item| !items.is_empty() && !items.contains(item)) {
            wrong.push(source.wrong(line, &format!("{module} must not know {of}::{item}")));
        }
    }
    wrong
}

/// The top-level module that a file of src belongs to.
fn module(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let first = inner.split('/').next().unwrap_or(inner);
    first.trim_end_matches(".rs")
}

#[test]
fn modules_import_what_they_may() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources("src").iter().filter(|source| source.path != "src/lib.rs") {
        let module = module(&source.path);
        seen.insert(module.to_owned());
        match TABLE.iter().find(|(name, _)| *name == module) {
            None => wrong.push(source.wrong(1, &format!("{module} is not in the import table"))),
            Some((_, "*")) => {}
            Some((_, may)) => wrong.extend(judge(source, module, may)),
        }
    }
    let gone = TABLE.iter().filter(|(name, _)| !seen.contains(*name));
    wrong.extend(gone.map(|(name, _)| format!("src:1: the import table has {name}, src has not")));
    tidy(wrong);
}

/// `super` must not lead out of a top-level module, where the table could not see it.
#[test]
fn nobody_climbs_out_of_a_module() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        let folders = source.path.matches('/').count();
        let is_mod = source.path.ends_with("/mod.rs");
        // Steps from this file to the root of the crate.
        let steps = folders - usize::from(is_mod) + usize::from(source.is_beside());
        let climb = vec!["super"; steps].join("::") + "::";
        let code = source.code();
        for (line, text) in (1..).zip(code.lines()) {
            // An inline module is one step deeper.
            let inline = text.starts_with(' ');
            if text.contains(&climb) && !inline && steps > 0 {
                wrong.push(source.wrong(line, "say crate:: instead of climbing to the root"));
            }
        }
    }
    tidy(wrong);
}

#[test]
fn satellites_know_nothing_of_ours() {
    let mut wrong = Vec::new();
    for folder in ["tests/fakes", "loadtest"] {
        for source in sources(folder) {
            for (line, code) in (1..).zip(source.code().lines()) {
                if code.contains("azdo_gateway") {
                    wrong.push(source.wrong(line, "it must not know the gateway"));
                }
            }
        }
        let path = format!("{folder}/Cargo.toml");
        let text = std::fs::read_to_string(root().join(&path)).expect("it is a crate");
        let (_, dependencies) = text.split_once("dependencies]").expect("it has dependencies");
        if dependencies.contains("azdo") || dependencies.contains("path = ") {
            wrong.push(format!("{path}:1: it must not depend on anything of ours"));
        }
    }
    tidy(wrong);
}

#[test]
fn the_reader_of_imports_reads() {
    let code = "use crate::{a, b as c};\nuse crate::d::{self, e::{F, G}};\nlet x = crate::h::I;";
    let paths: Vec<String> = imports(code)
        .into_iter()
        .map(|(line, path, name)| format!("{line} {path} {name}"))
        .collect();
    assert_eq!(paths, ["1 a a", "1 b c", "2 d d", "2 d::e::F F", "2 d::e::G G", "3 h::I I"]);
    let may = allowed("a, b::{C, D}, e::F, g");
    assert_eq!(may.keys().copied().collect::<Vec<_>>(), ["a", "b", "e", "g"]);
    assert_eq!(may["b"], BTreeSet::from(["C", "D"]));
    assert!(may["a"].is_empty() && may["g"].is_empty());
}
