//! The reader, `gateway.toml`, `gateway.schema.json` and `docs/configuration.md` name the same
//! keys, and mean the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::given;
use crate::config::{Content, Known, parse, read};

const REFERENCE: &str = include_str!("../../../config/gateway.toml");
const DEMO: &str = include_str!("../../../config/demo.toml");
pub(super) const SCHEMA: &str = include_str!("../../../config/gateway.schema.json");
const DOCUMENT: &str = include_str!("../../../docs/configuration.md");

const KINDS: [&str; 5] =
    ["service_user", "service_principal", "managed_identity", "workload_identity", "pat"];

pub(super) type Keys = BTreeMap<String, BTreeSet<String>>;

/// `gateway.toml` with its only optional table in use.
fn gateway() -> String {
    let (before, rest) = REFERENCE.split_once("#[sign_in]\n").unwrap();
    let (keys, after) = rest.split_once("[[organization]]\n").unwrap();
    let required = ["tenant_id", "client_id", "client_secret"];
    let line = |line: &str| match line.strip_prefix('#') {
        Some(key) if required.iter().any(|one| key.starts_with(&format!("{one} = "))) => {
            format!("{key}\n")
        }
        _ => format!("{line}\n"),
    };
    let keys: String = keys.lines().map(line).collect();
    format!("{before}[sign_in]\n{keys}[[organization]]\n{after}")
}

/// The keys that the reader reads from `gateway.toml` with any kind of CI.
fn keys_of_reader() -> Keys {
    let mut keys = Keys::new();
    for (_, text) in with_each_ci() {
        for (table, known) in keys_of_text(&text) {
            keys.entry(table).or_default().extend(known);
        }
    }
    keys
}

/// The keys that the reader reads from a valid text.
pub(super) fn keys_of_text(text: &str) -> Keys {
    let (outcome, known): (_, Known) = read("gateway.toml", text, &given());
    outcome.unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    known
        .into_iter()
        .map(|(table, keys)| (table.to_owned(), keys.into_iter().map(str::to_owned).collect()))
        .collect()
}

/// Each kind of CI, and `gateway.toml` with a CI of that kind, all of whose keys are in use.
fn with_each_ci() -> Vec<(String, String)> {
    let gateway = gateway();
    let (before, ci) = gateway.split_once("[ci.builder]\n").unwrap();
    let blocks = ci.split("\n# --- ").enumerate().map(|(at, block)| {
        let block = if at == 0 { block.to_owned() } else { format!("# {block}") };
        let block = uncommented(&block);
        let kind = block.lines().find_map(|line| line.strip_prefix("kind = ")).unwrap();
        let kind = kind.trim_matches('"').to_owned();
        (kind, format!("{before}[ci.builder]\n{block}"))
    });
    blocks.collect()
}

/// The keys of the lines `key = …` and `#key = …` below each header of `gateway.toml`.
fn keys_of_reference() -> Keys {
    let mut keys = Keys::new();
    let mut table = String::new();
    for line in gateway().lines() {
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
        if key.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '_') {
            keys.entry(table.clone()).or_default().insert(key.to_owned());
        }
    }
    keys
}

/// The text with its commented-out keys in use.
fn uncommented(text: &str) -> String {
    let line = |line: &str| {
        let is_key = line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
        if is_key { format!("{}\n", &line[1..]) } else { format!("{line}\n") }
    };
    text.lines().map(line).collect()
}

/// `gateway.toml` with the credential of one kind, and all of its keys in use.
fn with_kind(kind: &str) -> String {
    let gateway = gateway();
    let (before, rest) = gateway.split_once("[organization.credential]\n").unwrap();
    let (kinds, after) = rest.split_once("[[check]]\n").unwrap();
    let line = format!("kind = \"{kind}\"\n");
    let block = kinds.split("\n# --- ").find(|block| block.contains(&line)).unwrap();
    let block = uncommented(&format!("# {block}"));
    let after = after.split("\n# --- ").next().unwrap();
    format!("{before}[organization.credential]\n{block}[[check]]\n{after}")
}

fn without_key(text: &str, key: &str) -> String {
    let others = text.lines().filter(|line| !line.starts_with(&format!("{key} = ")));
    others.map(|line| format!("{line}\n")).collect()
}

/// The text without the lines of a key, in the table of the credential and in all tables below it.
/// The same key above it stays.
fn without_credential_key(text: &str, key: &str) -> String {
    let header = "[organization.credential]\n";
    let (before, after) = text.split_once(header).unwrap();
    format!("{before}{header}{}", without_key(after, key))
}

fn resolve<'s>(schema: &'s Value, node: &'s Value) -> &'s Value {
    match node.get("$ref").and_then(Value::as_str) {
        Some(to) => resolve(schema, schema.pointer(to.trim_start_matches('#')).unwrap()),
        None => node,
    }
}

/// Collects the properties of every object of the schema; a secret has none.
fn collect(schema: &Value, node: &Value, name: &str, keys: &mut Keys) {
    let node = resolve(schema, node);
    let node = node.get("items").map_or(node, |items| resolve(schema, items));
    // What is below the calls of kind `http` is compared by `http_keys`.
    let is_composed = node.get("allOf").is_some();
    let properties = node.get("properties").filter(|_| !is_composed);
    let Some(properties) = properties.and_then(Value::as_object) else {
        if let Some(any) = node.get("additionalProperties").filter(|any| any.is_object()) {
            collect(schema, any, &format!("{name}.NAME"), keys);
        }
        return;
    };
    assert_eq!(node["additionalProperties"], false, "{name} would accept unknown keys");
    for (key, property) in properties {
        keys.entry(name.to_owned()).or_default().insert(key.clone());
        assert!(property.get("description").is_some(), "{name}.{key} has no description");
        let below = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        collect(schema, property, &below, keys);
    }
}

fn keys_of_schema() -> Keys {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys = Keys::new();
    collect(&schema, &schema, "", &mut keys);
    keys
}

/// One row of a table of the document: the key, and the text of its column "default".
type Row = (String, String);

/// The rows below each heading that is a table of the configuration, such as ``## `[server]` ``.
fn rows_of_document() -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    let mut table = None;
    for line in DOCUMENT.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            let header = title.strip_prefix("`[").and_then(|rest| rest.strip_suffix("]`"));
            table = header.map(|header| header.trim_matches(['[', ']']).to_owned());
            continue;
        }
        let (Some(table), Some(row)) = (&table, line.strip_prefix("| `")) else { continue };
        let cells: Vec<&str> = row.split(" | ").collect();
        let key = cells[0].strip_suffix('`').expect("the first cell is one key");
        rows.entry(table.clone()).or_default().push((key.to_owned(), cells[2].to_owned()));
    }
    rows
}

fn keys_of_document() -> Keys {
    let mut keys = Keys::new();
    for (table, rows) in rows_of_document() {
        for (key, _) in rows {
            let is_new = keys.entry(table.clone()).or_default().insert(key.clone());
            assert!(is_new, "docs/configuration.md has two rows for {table}.{key}");
        }
    }
    keys
}

#[test]
fn reference_and_demo_are_valid_without_warnings() {
    let config = parse("gateway.toml", REFERENCE, &given()).unwrap();
    assert_eq!(config.warnings, []);
    assert!(config.sign_in.is_none());
    assert!(config.secrets.previous.is_none());
    let config = parse("demo.toml", DEMO, &given()).unwrap();
    assert_eq!(config.warnings, []);
    assert_eq!(config.organizations[0].ado.identity_url.as_str(), "http://127.0.0.1:7070/fabrikam");
}

#[test]
fn reader_reference_schema_and_document_name_the_same_keys() {
    let mut reader = keys_of_reader();
    let secret = reader.remove("secret").unwrap();
    assert_eq!(secret, BTreeSet::from(["env".to_owned(), "file".to_owned()]));
    // An App is described with its key, as a secret is.
    assert!(reader.remove("app").is_some_and(|keys| keys.contains("private_key")));
    // docs/ci.md describes what is below a key of a CI.
    reader.retain(|table, _| !table.starts_with("ci.NAME."));
    let mut schema = keys_of_schema();
    schema.retain(|table, _| !table.starts_with("ci.NAME."));
    assert_eq!(schema, reader, "schema against reader");
    reader.remove("");
    assert_eq!(keys_of_reference(), reader, "gateway.toml against reader");
    assert_eq!(keys_of_document(), reader, "docs/configuration.md against reader");
}

/// Compares the defaults, and which keys every kind of a table requires.
#[test]
fn the_document_has_the_defaults_of_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (table, rows) in rows_of_document() {
        let name = table.rsplit('.').next().unwrap().replace("NAME", "ci");
        let definition = &schema["$defs"][name.as_str()];
        let is_required = |key: &str| {
            let required = definition["required"].as_array();
            required.is_some_and(|keys| keys.iter().any(|one| one == key))
        };
        for (key, shown) in rows {
            let property = &definition["properties"][key.as_str()];
            let row = format!("docs/configuration.md: {table}.{key}");
            if let Some(default) = property.get("default") {
                let shown: Option<Value> = serde_json::from_str(shown.trim_matches('`')).ok();
                assert_eq!(shown.as_ref(), Some(default), "{row}");
            } else {
                assert_eq!(shown == "required", is_required(&key), "{row}: {shown}");
            }
        }
    }
}

/// Writing a default of the schema into the file changes nothing.
#[test]
fn the_reader_has_the_defaults_of_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let shown = |text: &str| {
        let mut config = parse("gateway.toml", text, &given()).unwrap();
        config.warnings.clear();
        config.content = Content::default();
        format!("{config:?}")
    };
    let mut tried = 0;
    for header in
        ["server", "storage", "sign_in", "organization", "organization.credential", "check"]
    {
        let pointer = format!("/$defs/{}/properties", header.rsplit('.').next().unwrap());
        for (key, property) in schema.pointer(&pointer).unwrap().as_object().unwrap() {
            let Some(default) = property.get("default") else { continue };
            let text = match (header, key.as_str()) {
                ("organization.credential", "endpoint_url") => with_kind("managed_identity"),
                ("organization.credential", _) => with_kind("service_user"),
                _ => gateway(),
            };
            let used = text.lines().filter(|line| !line.starts_with('#'));
            let bare: String = used.map(|line| format!("{line}\n")).collect();
            // gateway.toml sets some keys; they are removed before the default is written.
            let (above, ci) = bare.split_once("[ci.builder]").unwrap();
            let without = format!("{}[ci.builder]{ci}", without_key(above, key));
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

/// The keys of the reference that are accepted and change nothing there: one is for runners, the
/// others are for PostgreSQL.
const WITHOUT_EFFECT: [&str; 8] = [
    "ca_file",
    "connections",
    "idle_in_transaction_session_timeout",
    "labels",
    "listen_url",
    "password",
    "pooler",
    "statement_timeout",
];

#[test]
fn the_commented_out_keys_of_the_reference_are_valid() {
    for kind in KINDS {
        let text = uncommented(&with_kind(kind));
        let texts = match kind {
            "service_principal" => ["client_secret", "client_certificate"]
                .map(|key| without_credential_key(&text, key))
                .to_vec(),
            _ => vec![text],
        };
        for text in texts {
            let config =
                parse("gateway.toml", &text, &given()).unwrap_or_else(|e| panic!("{kind}: {e}"));
            let warned = config.warnings.iter().map(|it| it.what.split([' ', ':']).next().unwrap());
            assert_eq!(warned.collect::<BTreeSet<_>>(), WITHOUT_EFFECT.into());
        }
    }
}

#[test]
fn the_schema_refuses_the_same_keys_for_each_kind() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let credential = &schema["$defs"]["credential"];
    let kinds = credential["oneOf"].as_array().unwrap();
    let names = kinds.iter().map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap());
    assert_eq!(names.clone().collect::<Vec<_>>(), KINDS);
    for (name, kind) in names.zip(kinds) {
        let keys = credential["properties"].as_object().unwrap().keys();
        for key in keys.filter(|key| *key != "kind") {
            let header = "[organization.credential]\n";
            let text = without_credential_key(&with_kind(name), key);
            let text = text.replace(header, &format!("{header}{key} = 1\n"));
            let errors = parse("gateway.toml", &text, &given()).unwrap_err().to_string();
            let is_refused = errors.contains(&format!("{key} does not apply to"));
            assert_eq!(is_refused, kind["properties"][key] == false, "{key} of {name}: {errors}");
        }
        for key in kind["required"].as_array().into_iter().flatten() {
            let key = key.as_str().unwrap();
            let text = without_credential_key(&with_kind(name), key);
            let errors = parse("gateway.toml", &text, &given()).unwrap_err().to_string();
            assert!(errors.contains(&format!("{key} is missing")), "{key} of {name}: {errors}");
        }
    }
}

#[test]
fn the_schema_has_the_keys_of_each_kind_of_ci() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let schema = &schema["$defs"]["ci"];
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let kinds = schema["oneOf"].as_array().unwrap();
    let names = kinds.iter().map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap());
    let of_reference: Vec<_> = with_each_ci();
    assert!(names.eq(of_reference.iter().map(|(kind, _)| kind)), "the order of gateway.toml");
    assert_eq!(texts(&schema["properties"]["kind"]["enum"]).len(), kinds.len());
    for ((name, text), kind) in of_reference.iter().zip(kinds) {
        let keys: BTreeSet<String> = texts(&kind["propertyNames"]["enum"]).into_iter().collect();
        assert_eq!(keys_of_text(text)["ci.NAME"], keys, "{name}");
        let (before, ci) = text.split_once("[ci.builder]\n").unwrap();
        for key in keys.iter().filter(|key| *key != "kind") {
            let text = format!("{before}[ci.builder]\n{}", without_key(ci, key));
            let errors = parse("gateway.toml", &text, &given()).err();
            let is_missing = errors.is_some_and(|errors| {
                errors.to_string().contains(&format!("{key} is missing in [ci.builder]"))
            });
            assert_eq!(is_missing, texts(&kind["required"]).contains(key), "{key} of {name}");
        }
    }
}
