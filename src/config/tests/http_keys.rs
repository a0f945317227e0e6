//! What is below a key of kind `http`: the reader, `gateway.schema.json` and docs/ci.md name the
//! same keys, each in the same tables.

use std::collections::BTreeSet;

use serde_json::Value;

use super::reference::{Keys, SCHEMA, keys_of_text};
use super::{CI, file, read};

const DOCUMENT: &str = include_str!("../../../docs/ci.md");

const CALLS: [&str; 4] = ["start", "find", "poll", "cancel"];
/// The other tables that have the keys of a request.
const OTHER_REQUESTS: [&str; 3] = ["then", "for_each", "login"];

/// A CI with every table that there is, but for one way to authorize calls.
const EVERY_TABLE: &str = r#"[ci.builder]
kind = "http"
callback = { scheme = "token", header = "X-Token", id = "/id" }
webhook_secret = { env = "CI_WEBHOOK_SECRET" }
[ci.builder.start]
url = "https://ci.example.com/start"
json = { run = "{{ run }}" }
headers = { Accept = "application/json" }
id = { value = "{{ run }}" }
then = { from = "/a", url = "https://ci.example.com/{{ value }}", id = "/id" }
[ci.builder.find]
url = "https://ci.example.com/runs"
id = "/id"
[ci.builder.poll]
url = "https://ci.example.com/{{ id }}"
rules = [{ when = {}, is = "running" }]
[ci.builder.cancel]
method = "POST"
url = "https://ci.example.com/{{ value }}"
for_each = { url = "https://ci.example.com/{{ id }}", items = "/items", value = "/id" }
"#;
const LOGIN: &str = "{ login = { url = \"https://ci.example.com/login\", keep = \"cookie\", \
                     basic = { user = \"a\", password = { env = \"CI_TOKEN\" } } } }";
const HEADER: &str = "{ header = { name = \"X-Token\", value = { env = \"CI_TOKEN\" } } }";

fn text(ci: &str) -> String {
    file(&[(CI, ci)])
}

/// What the reader says about a call with one more key.
fn errors_with(call: &str, line: &str) -> String {
    let header = format!("[ci.builder.{call}]\n");
    let with = EVERY_TABLE.replace(&header, &format!("{header}{line}\n"));
    assert_ne!(with, EVERY_TABLE);
    read(&text(&with)).err().map(|errors| errors.to_string()).unwrap_or_default()
}

fn keys_of_reader() -> Keys {
    let mut keys = Keys::new();
    for auth in [LOGIN, HEADER] {
        let with =
            EVERY_TABLE.replace("kind = \"http\"\n", &format!("kind = \"http\"\nauth = {auth}\n"));
        for (table, known) in keys_of_text(&text(&with)) {
            let Some(table) = table.strip_prefix("ci.NAME.") else { continue };
            keys.entry(table.to_owned()).or_default().extend(known);
        }
    }
    // The names of headers and of fields are anybody's.
    keys.retain(|_, known| !known.is_empty());
    for call in CALLS {
        let known = keys.get_mut(call).expect("every call is read");
        known.retain(|key| {
            let refused = format!("{key} does not apply to this call");
            !errors_with(call, &format!("{key} = 1")).contains(&refused)
        });
    }
    keys
}

/// The properties of a definition of the schema, and those of what it is made of.
fn described(schema: &Value, definition: &Value, keys: &mut BTreeSet<String>) {
    let properties = definition["properties"].as_object();
    keys.extend(properties.into_iter().flat_map(|all| all.keys().cloned()));
    for part in ["allOf", "oneOf"] {
        for one in definition[part].as_array().into_iter().flatten() {
            match one["$ref"].as_str() {
                Some(to) => {
                    described(schema, schema.pointer(to.trim_start_matches('#')).unwrap(), keys);
                }
                None => described(schema, one, keys),
            }
        }
    }
}

fn keys_of_schema(tables: impl Iterator<Item = String>) -> Keys {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let keys_of = |table: String| {
        let definition = &schema["$defs"][format!("http_{table}")];
        let mut properties = BTreeSet::new();
        described(&schema, definition, &mut properties);
        if let Some(names) = definition["propertyNames"]["enum"].as_array() {
            let names: BTreeSet<_> =
                names.iter().map(|it| it.as_str().unwrap().to_owned()).collect();
            assert_eq!(names, properties, "{table} permits what it describes");
        }
        (table, properties)
    };
    tables.map(keys_of).collect()
}

/// The rows of all tables of the section whose second column is "in".
fn keys_of_document() -> Keys {
    let (_, section) = DOCUMENT.split_once("\n### The calls\n").unwrap();
    let mut keys = Keys::new();
    let mut is_about_keys = false;
    for line in section.lines() {
        if !line.starts_with('|') || line.starts_with("| key |") {
            is_about_keys = line.starts_with("| key | in |");
            continue;
        }
        if !is_about_keys || line.starts_with("|--") {
            continue;
        }
        let cells: Vec<&str> = line.trim_matches(['|', ' ']).split(" | ").collect();
        let key = cells[0].trim_matches('`');
        let tables: Vec<&str> = match cells[1] {
            "every request" => CALLS.into_iter().chain(OTHER_REQUESTS).collect(),
            "every call" => CALLS.to_vec(),
            "an `id` or `web_url`" => vec!["text"],
            names => names.split(", ").map(|name| name.trim_matches('`')).collect(),
        };
        for table in tables {
            let is_new = keys.entry(table.to_owned()).or_default().insert(key.to_owned());
            assert!(is_new, "docs/ci.md has two rows for {key} in {table}");
        }
    }
    keys
}

#[test]
fn reader_schema_and_document_name_the_same_keys_inside_of_calls() {
    let reader = keys_of_reader();
    assert!(reader.len() > 12, "{:?}", reader.keys());
    assert_eq!(keys_of_schema(reader.keys().cloned()), reader, "schema against reader");
    assert_eq!(keys_of_document(), reader, "docs/ci.md against reader");
}

#[test]
fn what_the_schema_requires_of_a_call_is_missed() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for call in CALLS {
        let keys = schema["$defs"][format!("http_{call}")]["required"].as_array();
        for key in keys.into_iter().flatten().map(|key| key.as_str().unwrap()) {
            let header = format!("[ci.builder.{call}]\n");
            let (before, after) = EVERY_TABLE.split_once(&header).unwrap();
            let (_, rest) = after.split_once(&format!("{key} = ")).unwrap();
            let (_, rest) = rest.split_once('\n').unwrap();
            let start = after.find(&format!("{key} = ")).unwrap();
            let without = format!("{before}{header}{}{rest}", &after[..start]);
            let errors = read(&text(&without)).unwrap_err().to_string();
            assert!(
                errors.contains(&format!("{key} is missing in [ci.builder.{call}]")),
                "{errors}"
            );
        }
    }
}
