//! Which module may import which: the table in ARCHITECTURE.md says it, and allows no more than
//! the code needs.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{Crate, leaves};
use super::{files, text, tidy};

/// Each module of the table with what it may import, as paths; `None` is anything.
fn table() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let document = text("ARCHITECTURE.md");
    let (_, rows) = document
        .split_once("| module | may import of ours |\n|---|---|\n")
        .expect("ARCHITECTURE.md has the import table");
    let row = |row: &str| {
        let (module, may) = row.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        let may = match may {
            "anything" => None,
            "nothing" => Some(BTreeSet::new()),
            paths => {
                let item = syn::parse_str::<syn::ItemUse>(&format!("use {{{paths}}};"));
                let tree = item.expect("the table has paths as imports have them").tree;
                Some(leaves(&tree, &[]).into_iter().map(|(path, _)| path.join("::")).collect())
            }
        };
        Some((module.to_owned(), may))
    };
    rows.lines().map_while(row).collect()
}

/// The module of `src` that a file belongs to, and the one below that.
fn modules_of(file: &str) -> (&str, &str) {
    let inside = file.strip_prefix("src/").unwrap_or(file).trim_end_matches(".rs");
    let (module, inside) = inside.split_once('/').unwrap_or((inside, ""));
    (module, inside.split('/').next().unwrap_or(inside))
}

#[test]
fn modules_import_what_the_table_says() {
    let table = table();
    let library = Crate::read("src/lib.rs");
    let mut used = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for mention in &library.mentions {
        let file = &library.modules[mention.module].file;
        let (module, _) = modules_of(file);
        let Some(Some(may)) = table.get(module) else { continue };
        let Some((definer, name)) = library.definition(mention) else { continue };
        let (of, inside) = modules_of(definer);
        if of == module {
            continue;
        }
        let ways = [of.to_owned(), format!("{of}::{inside}"), format!("{of}::{name}")];
        if !ways.iter().any(|way| may.contains(way)) && seen.insert((file, definer, name.clone())) {
            let what = format!("{module} may not import {name} of {definer}");
            wrong.push(format!("{file}:{}: {what}", mention.line));
        }
        used.extend(ways.map(|way| (module, way)));
    }
    let of_table = |what: &str| format!("ARCHITECTURE.md:1: in the import table, {what}");
    let files = files("src", "rs");
    let mut modules: BTreeSet<&str> = files.iter().map(|file| modules_of(&file.path).0).collect();
    modules.remove("lib");
    let rows: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    wrong.extend(modules.difference(&rows).map(|module| of_table(&format!("{module} is missing"))));
    wrong.extend(rows.difference(&modules).map(|module| of_table(&format!("{module} is gone"))));
    for (module, may) in &table {
        for way in may.iter().flatten().filter(|way| !used.contains(&(module, (*way).clone()))) {
            wrong.push(of_table(&format!("{module} has {way} and does not use it")));
        }
    }
    tidy(wrong);
}

/// The fakes and the load test must not share our types, or a misspelt field would be misspelt on
/// both sides.
#[test]
fn satellites_depend_on_nothing_of_ours() {
    tidy(["tests/fakes/Cargo.toml", "loadtest/Cargo.toml"].into_iter().filter_map(|file| {
        let text = text(file);
        let (_, dependencies) = text.split_once("dependencies]").expect("it has dependencies");
        let is_ours = dependencies.contains("azdo") || dependencies.contains("path = ");
        is_ours.then(|| format!("{file}:1: it must not depend on anything of ours"))
    }));
}
