//! What README.md says about the configuration, held against it.

use std::collections::BTreeSet;

use super::{root, tidy};

fn document(name: &str) -> Option<String> {
    std::fs::read_to_string(root().join(name)).ok()
}

/// The keys of `config/gateway.toml`, those that are commented out included.
fn keys_of_the_reference() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut table = String::new();
    for line in document("config/gateway.toml").expect("it is delivered").lines() {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).replace("ci.builder", "ci.NAME");
        } else if let Some((key, _)) = line.split_once(" = ") {
            let key = key.strip_prefix('#').unwrap_or(key);
            if key.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                keys.insert(format!("{table}.{key}"));
            }
        }
    }
    keys
}

#[test]
fn the_readme_lists_every_key() {
    let Some(text) = document("README.md") else { return };
    let reference = keys_of_the_reference();
    let row = |line: &str| -> Option<String> {
        let (key, _) = line.strip_prefix("| `")?.split_once("` |")?;
        Some(key.to_owned()).filter(|key| key.contains('.') && !key.contains(['/', ' ']))
    };
    let listed: BTreeSet<String> = text.lines().filter_map(row).collect();
    assert!(!listed.is_empty(), "README.md:1: it has no table of the configuration");
    let missing = reference.difference(&listed);
    let missing = missing.map(|key| format!("README.md:1: the table lacks `{key}`"));
    let unknown = listed.difference(&reference);
    let unknown = unknown.map(|key| format!("README.md:1: config/gateway.toml has no `{key}`"));
    tidy(missing.chain(unknown));
}
