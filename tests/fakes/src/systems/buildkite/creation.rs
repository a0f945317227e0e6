//! What a request to start a build must be.
//!
//! Unknown properties are ignored. A body that is not declared as JSON has no properties.

use serde_json::{Map, Value, json};

use super::{State, refusal};
use crate::http::{Request, Response};

/// A property, whether it is required, and which values it takes.
type Property = (&'static str, bool, fn(&Value) -> bool);

const PROPERTIES: [Property; 12] = [
    ("commit", true, is_filled),
    ("branch", true, is_filled),
    ("message", false, is_text_or_null),
    ("author", false, is_author),
    ("env", false, is_text_map),
    ("meta_data", false, is_text_map),
    ("clean_checkout", false, Value::is_boolean),
    ("ignore_pipeline_branch_filters", false, Value::is_boolean),
    ("pull_request_id", false, Value::is_u64),
    ("pull_request_base_branch", false, is_text_or_null),
    ("pull_request_repository", false, is_text_or_null),
    ("pull_request_labels", false, is_text_list),
];

/// What Buildkite knows of a build beside what all systems know.
#[derive(Debug, Clone, Default)]
pub(super) struct Details {
    pub(super) message: Option<String>,
    pub(super) author: Value,
    pub(super) env: Map<String, Value>,
    pub(super) meta_data: Map<String, Value>,
    pub(super) pull_request: Value,
    pub(super) cancel_reason: Option<String>,
    pub(super) is_blocked: bool,
    /// A state to show as long as the build is in the other.
    pub(super) shown: Option<(State, String)>,
}

/// A build that is asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) commit: String,
    pub(super) branch: String,
    pub(super) ignores_filters: bool,
    pub(super) details: Details,
}

/// The build that a request asks for.
pub(super) fn wanted(request: &Request) -> Result<Wanted, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    let body: Value = match kind.starts_with("application/json") {
        true => serde_json::from_slice(&request.body)
            .map_err(|_| refusal(400, "There was a problem parsing the JSON body"))?,
        false => json!({}),
    };
    let empty = Map::new();
    let body = body.as_object().unwrap_or(&empty);
    let errors: Vec<_> = errors(body).collect();
    if !errors.is_empty() {
        let answer = json!({"message": "Validation Failed", "errors": errors});
        return Err(Response::json(422, &answer));
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let map = |field| body.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let pull_request = body.get("pull_request_id").map(|id| {
        json!({
            "id": id.to_string(),
            "base": body.get("pull_request_base_branch"),
            "repository": body.get("pull_request_repository"),
            "labels": body.get("pull_request_labels").cloned().unwrap_or(json!([])),
        })
    });
    Ok(Wanted {
        commit: text("commit").to_owned(),
        branch: text("branch").to_owned(),
        ignores_filters: body.get("ignore_pipeline_branch_filters") == Some(&json!(true)),
        details: Details {
            message: body.get("message").and_then(Value::as_str).map(str::to_owned),
            author: body.get("author").cloned().unwrap_or_default(),
            env: map("env"),
            meta_data: map("meta_data"),
            pull_request: pull_request.unwrap_or_default(),
            ..Details::default()
        },
    })
}

/// What is wrong with the properties.
fn errors(body: &Map<String, Value>) -> impl Iterator<Item = Value> {
    PROPERTIES.iter().filter_map(|(field, is_required, fits)| {
        let code = match body.get(*field) {
            None | Some(Value::Null) if *is_required => "missing_field",
            None => return None,
            Some(value) if fits(value) => return None,
            Some(_) => "invalid",
        };
        Some(json!({"field": field, "code": code}))
    })
}

fn is_filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

/// Variables and meta-data are handed to the build as texts.
fn is_text_map(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.values().all(Value::is_string))
}

fn is_text_list(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

fn is_author(value: &Value) -> bool {
    value.get("name").is_some_and(Value::is_string)
}
