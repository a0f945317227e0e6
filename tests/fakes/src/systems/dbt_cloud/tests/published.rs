//! Compares answers and accepted requests with the published document of the API.
//!
//! The document is not part of this repository: where it is missing nothing is checked.
//! Only the lines that are needed are read of its YAML: names of properties stand eight blanks
//! deep, their types ten.

use std::path::Path;

use serde_json::{Value, json};

use super::{RUN, World, body, get, post};
use crate::systems::{State, System as _};

#[test]
fn answers_and_requests_have_only_published_properties() {
    let Some(document) = document() else { return };
    let mut world = World::new(1);
    let started = post(&mut world, &body(RUN, 'a')).body_json();
    let number = started["data"]["id"].as_u64().unwrap();
    world.builds().set_state(number, State::Failed);
    let query = format!("runs/{number}/?include_related=trigger,run_steps,job,audit");
    let run = get(&mut world, &query);
    let listed = get(&mut world, "runs/?include_related=trigger");
    let job = format!("jobs/{}/", world.job());
    let job = get(&mut world, &job);
    for (schema, value) in [
        ("TriggerRunRequestRequest", &body(RUN, 'a')),
        ("ResponseStatus", &started["status"]),
        ("RunResponse", &started["data"]),
        ("RunResponse", &run["data"]),
        ("RunTrigger", &run["data"]["trigger"]),
        ("RunStep", &run["data"]["run_steps"][0]),
        ("InternalJobDefinition", &run["data"]["job"]),
        ("RunAuditResult", &run["data"]["audit"]),
        ("Extra", &listed["extra"]),
        ("CustomPagination", &listed["extra"]["pagination"]),
        ("RunResponse", &listed["data"][0]),
        ("HumanReadableJobDefinitionResponse", &job["data"]),
        ("JobDefinitionTriggers", &job["data"]["triggers"]),
    ] {
        check(&document, schema, value);
    }
    for (path, method) in [
        ("/api/v2/accounts/{account_id}/jobs/{job_id}/run/", "post"),
        ("/api/v2/accounts/{account_id}/jobs/{id}/", "get"),
        ("/api/v2/accounts/{account_id}/runs/", "get"),
        ("/api/v2/accounts/{account_id}/runs/{id}/", "get"),
        ("/api/v2/accounts/{account_id}/runs/{run_id}/cancel/", "post"),
    ] {
        let block = block(&document, &format!("  {path}:"));
        assert!(block.contains(&format!("    {method}:").as_str()), "{method} {path}");
    }
}

/// Asserts that an object has only properties of the schema, each of its type or null.
fn check(document: &str, schema: &str, value: &Value) {
    let lines = block(document, &format!("    {schema}:"));
    let object = value.as_object().unwrap_or_else(|| panic!("{schema}: {value}"));
    assert!(!object.is_empty(), "{schema}: there is nothing to compare");
    for (key, value) in object {
        let at = lines.iter().position(|line| *line == format!("        {key}:"));
        let at = at.unwrap_or_else(|| panic!("{schema}.{key} is not in the document"));
        let own = lines[at + 1..].iter().take_while(|line| line.starts_with("         "));
        let wanted = own.filter_map(|line| line.strip_prefix("          type: ")).next();
        let fits = value.is_null()
            || match wanted {
                Some("string") => value.is_string(),
                Some("integer") => value.is_i64() || value.is_u64(),
                Some("boolean") => value.is_boolean(),
                Some("array") => value.is_array(),
                Some("object") => value.is_object(),
                _ => true,
            };
        assert!(fits, "{schema}.{key}: {value} is not of type {wanted:?}");
    }
}

/// The lines below one, up to the next that is not deeper.
fn block<'a>(document: &'a str, start: &str) -> Vec<&'a str> {
    let depth = start.len() - start.trim_start().len();
    let inner = format!("{} ", " ".repeat(depth));
    let after = document.lines().skip_while(|line| *line != start).skip(1);
    let lines: Vec<_> =
        after.take_while(|line| line.is_empty() || line.starts_with(&inner)).collect();
    assert!(!lines.is_empty(), "{start} is not in the document");
    lines
}

fn document() -> Option<String> {
    let file = "../../../shared/specs/ci/dbt-v2.cut.yaml";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("AZDO_GATEWAY_WITHOUT_SPECS").is_some() || !path.exists() {
        println!("nothing was checked: {} is missing", path.display());
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

#[test]
fn a_wrong_type_is_found() {
    let document = "    One:\n      properties:\n        id:\n          type: integer\n";
    check(document, "One", &json!({"id": 1}));
    assert!(std::panic::catch_unwind(|| check(document, "One", &json!({"id": "1"}))).is_err());
    assert!(std::panic::catch_unwind(|| check(document, "One", &json!({"other": 1}))).is_err());
}
