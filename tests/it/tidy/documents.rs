//! README.md, ARCHITECTURE.md, the other papers and docs/ agree with the code and with each other.

use std::collections::BTreeSet;

use super::{Source, files, root, sources, text, tidy};

const README_BYTES_MAX: usize = 10_000;
const FACTS: &str = "docs/azure-devops.md";

/// Every document that readers have.
fn documents() -> Vec<Source> {
    let own = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    let own = own.map(|path| Source { path: path.to_owned(), text: text(path) });
    own.into_iter().chain(files("docs", "md")).collect()
}

/// What each of two sets lacks, in a sentence each.
fn compare(listed: &BTreeSet<String>, real: &BTreeSet<String>, table: &str) -> Vec<String> {
    let missing = real.difference(listed).map(|name| format!("{table} lacks `{name}`"));
    let unknown =
        listed.difference(real).map(|name| format!("{table} has `{name}`, which is gone"));
    missing.chain(unknown).collect()
}

#[test]
fn the_readme_is_short() {
    let bytes = text("README.md").len();
    assert!(bytes <= README_BYTES_MAX, "README.md:1: {bytes} bytes, {README_BYTES_MAX} at most");
}

#[test]
fn links_lead_to_files() {
    let mut wrong = Vec::new();
    for document in documents() {
        let folder = root().join(&document.path);
        let folder = folder.parent().expect("a file is in a folder");
        for (line, text) in document.lines() {
            let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
            let lost = links.filter(|link| !link.contains("://") && !folder.join(link).exists());
            wrong.extend(lost.map(|link| document.wrong(line, &format!("there is no {link}"))));
        }
    }
    tidy(wrong);
}

/// The sections that are cited right after a document's name: `§1.3, §2 and §4.1`.
fn sections(mut rest: &str) -> Vec<&str> {
    // A citation may go on in the next line of a comment.
    let between = |c: char| c.is_whitespace() || "/!`,".contains(c);
    let mut found = Vec::new();
    while let Some(number) = rest.trim_start_matches(between).strip_prefix('§') {
        let end = number.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(number.len());
        found.push(number[..end].trim_end_matches('.'));
        rest = number[end..].trim_start_matches(between).trim_start_matches("and");
    }
    found
}

#[test]
fn citations_lead_to_sections() {
    let facts = text(FACTS);
    let numbers: BTreeSet<&str> = facts
        .lines()
        .filter(|line| line.starts_with('#'))
        .filter_map(|line| line.trim_start_matches(['#', ' ', '§']).split_whitespace().next())
        .map(|number| number.trim_end_matches('.'))
        .collect();
    let mut wrong = Vec::new();
    for source in sources().into_iter().chain(documents()) {
        let line = |at: usize| source.text[..at].lines().count().max(1);
        for (at, name) in source.text.match_indices(FACTS) {
            let lost = sections(&source.text[at + name.len()..]);
            let lost =
                lost.into_iter().filter(|number| !number.is_empty() && !numbers.contains(number));
            wrong.extend(lost.map(|section| {
                source.wrong(line(at), &format!("{FACTS} has no section {section}"))
            }));
        }
        // Documents that readers do not have.
        for (at, _) in source.text.match_indices('§') {
            let before = source.text[..at].trim_end_matches([' ', '\n', '/', '!', '*']);
            if before.ends_with("facts") || before.ends_with("design") {
                wrong.push(source.wrong(line(at), &format!("cite {FACTS} or say it here")));
            }
        }
    }
    tidy(wrong);
}

/// What is between backticks and looks like a file or folder of the source: the end of a path.
/// NAME stands for a name that the reader chooses.
#[test]
fn developers_are_led_to_files_that_exist() {
    let paths: Vec<String> = sources().iter().map(|source| format!("/{}", source.path)).collect();
    let exists = |name: &str| {
        let name = format!("/{name}");
        paths
            .iter()
            .any(|path| path.ends_with(&name) || name.ends_with('/') && path.contains(&name))
    };
    let is_source =
        |name: &&str| name.ends_with(".rs") || name.ends_with('/') && !name.starts_with('/');
    let for_developers = |document: &Source| !document.path.starts_with("docs/");
    let mut wrong = Vec::new();
    for document in documents().into_iter().filter(for_developers) {
        for (line, text) in document.lines() {
            let names = text.split('`').skip(1).step_by(2).filter(is_source);
            let lost = names.filter(|name| !name.contains("NAME") && !exists(name));
            wrong.extend(lost.map(|name| document.wrong(line, &format!("there is no {name}"))));
        }
    }
    tidy(wrong);
}

#[test]
fn the_architecture_has_a_glossary() {
    let text = text("ARCHITECTURE.md");
    assert!(text.lines().any(|line| line == "## Glossary"), "ARCHITECTURE.md:1: no `## Glossary`");
}

#[test]
fn the_architecture_gives_a_reason_for_every_dependency() {
    let architecture = text("ARCHITECTURE.md");
    let (_, table) =
        architecture.split_once("| crate | for |").expect("there is a table of crates");
    let rows = table.lines().skip(2).map_while(|row| row.strip_prefix("| ")?.split(" | ").next());
    let mut listed = BTreeSet::new();
    for row in rows {
        // What is in brackets is a remark.
        let names = row.split(" (").next().unwrap_or(row).split(", ");
        listed.extend(names.map(str::to_owned));
    }
    let manifest: toml::Table = text("Cargo.toml").parse().expect("Cargo.toml is TOML");
    let dependencies = manifest["workspace"]["dependencies"].as_table().expect("it has them");
    let real = dependencies.keys().cloned().collect();
    tidy(compare(&listed, &real, "ARCHITECTURE.md:1: the table of crates"));
}

/// The keys of `config/gateway.toml`, those that are commented out included.
fn keys_of_the_reference() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut table = String::new();
    for line in text("config/gateway.toml").lines() {
        // The only table that may be left out is commented out, as keys are.
        let line = if line == "#[sign_in]" { "[sign_in]" } else { line };
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).replace("ci.builder", "ci.NAME");
        } else if let Some((key, _)) = line.split_once(" = ") {
            let key = key.strip_prefix('#').unwrap_or(key);
            if key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') {
                keys.insert(format!("{table}.{key}"));
            }
        }
    }
    keys
}

/// The keys that docs/configuration.md has rows for, in a section for each table.
fn keys_of_the_document() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut table = None;
    for line in text("docs/configuration.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let name = heading.trim_matches('`').strip_prefix('[');
            table = name.map(|name| name.trim_matches(['[', ']']).to_owned());
        } else if let Some(table) = &table
            && let Some((key, _)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |"))
        {
            keys.insert(format!("{table}.{key}"));
        }
    }
    keys
}

#[test]
fn every_key_of_the_configuration_is_described() {
    let reference = keys_of_the_reference();
    let mut described = keys_of_the_document();
    // A table is no key of the reference.
    described.retain(|key| !reference.iter().any(|other| other.starts_with(&format!("{key}."))));
    tidy(compare(&described, &reference, "docs/configuration.md:1: the table"));
}
