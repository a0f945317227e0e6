//! The reader, `gateway.toml` and `gateway.schema.json` name the same keys, and mean the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::given;
use crate::config::{Known, parse, read};

const GATEWAY: &str = include_str!("../../../config/gateway.toml");
const DEMO: &str = include_str!("../../../config/demo.toml");
const SCHEMA: &str = include_str!("../../../config/gateway.schema.json");

type Keys = BTreeMap<String, BTreeSet<String>>;

/// What the reader asks for, without the root and the two keys of every secret.
fn of_reader() -> Keys {
    let (outcome, known): (_, Known) = read("gateway.toml", GATEWAY, &given());
    outcome.unwrap();
    known
        .into_iter()
        .map(|(table, keys)| (table.to_owned(), keys.into_iter().map(str::to_owned).collect()))
        .collect()
}

/// `key = …` and `#key = …` below each header.
fn of_reference() -> Keys {
    let mut keys = Keys::new();
    let mut table = String::new();
    for line in GATEWAY.lines() {
        if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).replace("ci.builder", "ci.NAME");
            if let Some((above, key)) = table.split_once('.')
                && let Some(above) = keys.get_mut(above)
            {
                above.insert(key.to_owned());
            }
            continue;
        }
        let Some((key, _)) = line.split_once(" = ") else { continue };
        let key = key.strip_prefix('#').unwrap_or(key);
        if key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_') {
            keys.entry(table.clone()).or_default().insert(key.to_owned());
        }
    }
    keys
}

fn resolve<'s>(schema: &'s Value, node: &'s Value) -> &'s Value {
    match node.get("$ref").and_then(Value::as_str) {
        Some(to) => resolve(schema, schema.pointer(to.trim_start_matches('#')).unwrap()),
        None => node,
    }
}

/// The properties of every object that is not a secret.
fn collect(schema: &Value, node: &Value, name: &str, keys: &mut Keys) {
    let node = resolve(schema, node);
    let node = node.get("items").map_or(node, |items| resolve(schema, items));
    let Some(properties) = node.get("properties").and_then(Value::as_object) else {
        if let Some(any) = node.get("additionalProperties").filter(|any| any.is_object()) {
            collect(schema, any, &format!("{name}.NAME"), keys);
        }
        return;
    };
    assert_eq!(node["additionalProperties"], false, "{name} would take unknown keys");
    for (key, property) in properties {
        keys.entry(name.to_owned()).or_default().insert(key.clone());
        assert!(property.get("description").is_some(), "{name}.{key} is not described");
        let below = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        collect(schema, property, &below, keys);
    }
}

fn of_schema() -> Keys {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys = Keys::new();
    collect(&schema, &schema, "", &mut keys);
    keys
}

#[test]
fn reference_and_demo_are_right_as_they_stand() {
    let config = parse("gateway.toml", GATEWAY, &given()).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.secrets.previous.is_none());
    let config = parse("demo.toml", DEMO, &given()).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.organizations[0].ado.identity_url.as_str(), "http://127.0.0.1:7070/fabrikam");
}

#[test]
fn reader_reference_and_schema_name_the_same_keys() {
    let mut reader = of_reader();
    let secret = reader.remove("secret").unwrap();
    assert_eq!(secret, BTreeSet::from(["env".to_owned(), "file".to_owned()]));
    assert_eq!(of_schema(), reader, "schema against reader");
    reader.remove("");
    assert_eq!(of_reference(), reader, "gateway.toml against reader");
}

/// What the schema says that holds where a key is left out.
#[test]
fn defaults_are_what_the_schema_says() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let shown = |text: &str| {
        let mut config = parse("gateway.toml", text, &given()).unwrap();
        config.warnings.clear();
        format!("{config:?}")
    };
    let bare: String =
        GATEWAY.lines().filter(|line| !line.starts_with('#')).map(|l| format!("{l}\n")).collect();
    let mut tried = 0;
    for header in ["server", "storage", "organization", "organization.credential", "check"] {
        let pointer = format!("/$defs/{}/properties", header.rsplit('.').next().unwrap());
        for (key, property) in schema.pointer(&pointer).unwrap().as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            // These are set in gateway.toml; there, another value takes the default's place.
            let (above, ci) = bare.split_once("[ci.builder]").unwrap();
            let without: String = above
                .lines()
                .filter(|line| !line.starts_with(&format!("{key} = ")))
                .map(|line| format!("{line}\n"))
                .collect();
            let without = format!("{without}[ci.builder]{ci}");
            let line = [format!("[{header}]"), format!("[[{header}]]")]
                .into_iter()
                .find(|line| without.contains(&format!("{line}\n")))
                .unwrap();
            let with =
                without.replace(&format!("{line}\n"), &format!("{line}\n{key} = {default}\n"));
            assert_ne!(with, without);
            assert_eq!(shown(&with), shown(&without), "default of {header}.{key}");
            tried += 1;
        }
    }
    assert!(tried > 15, "only {tried} defaults in the schema");
}

/// The commented-out keys of the reference are written as they could be used.
#[test]
fn commented_out_keys_are_right_as_well() {
    let text: String = GATEWAY
        .lines()
        .map(|line| {
            let is_key = line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
            if is_key { format!("{}\n", &line[1..]) } else { format!("{line}\n") }
        })
        .collect();
    let config = parse("gateway.toml", &text, &given()).unwrap();
    let warned: BTreeSet<_> =
        config.warnings.iter().map(|finding| finding.what.split(' ').next().unwrap()).collect();
    let unused = ["catch_up", "commands", "pat_lifetime", "pat_use"];
    assert_eq!(warned, BTreeSet::from(unused));
}
