//! What a request to start a run must be. Unknown properties are ignored.

use serde_json::{Map, Value, json};

use super::{refusal, status};
use crate::http::{Request, Response};

/// The properties that say which pull request a run is for.
pub(super) const PULL_REQUESTS: [&str; 4] = [
    "azure_pull_request_id",
    "github_pull_request_id",
    "gitlab_merge_request_id",
    "non_native_pull_request_id",
];

const TEXTS: [&str; 6] = [
    "cause",
    "git_sha",
    "git_branch",
    "schema_override",
    "dbt_version_override",
    "target_name_override",
];
const NUMBERS: [&str; 2] = ["threads_override", "timeout_seconds_override"];
const BOOLEAN: &str = "generate_docs_override";
const LIST: &str = "steps_override";
const CAUSE_CHARACTERS: usize = 255;

/// The known properties of a request, which are right.
pub(super) fn wanted(request: &Request, is_ci: bool) -> Result<Map<String, Value>, Response> {
    let body = body_of(request)?;
    let mut errors = Map::new();
    let mut wanted = Map::new();
    for (key, value) in body {
        let key = key.as_str();
        let error = if TEXTS.contains(&key) {
            text_error(key, &value)
        } else if NUMBERS.contains(&key) || PULL_REQUESTS.contains(&key) {
            (!value.is_i64() && !value.is_u64()).then_some("A valid integer is required.")
        } else if key == BOOLEAN {
            (!value.is_boolean()).then_some("Must be a valid boolean.")
        } else if key == LIST {
            list_error(&value)
        } else {
            continue;
        };
        if let Some(error) = error {
            errors.insert(key.to_owned(), json!([error]));
        }
        wanted.insert(key.to_owned(), value);
    }
    if !wanted.contains_key("cause") {
        errors.insert("cause".to_owned(), json!(["This field is required."]));
    }
    if !errors.is_empty() {
        let message =
            "The request was invalid. Please double check the provided data and try again.";
        let answer = json!({"status": status(400, message), "data": errors});
        return Err(Response::json(400, &answer));
    }
    let has_any = |keys: &[&str]| keys.iter().any(|key| wanted.contains_key(*key));
    if is_ci && !(has_any(&PULL_REQUESTS) && has_any(&["git_sha", "git_branch"])) {
        return Err(refusal(
            400,
            "A CI job requires a pull request id and either a git_sha or a git_branch.",
        ));
    }
    Ok(wanted)
}

/// The run id in a cause: the word in the shape of a GUID, or the whole text where none is.
pub(super) fn run_in(cause: &str) -> String {
    let is_id = |word: &&str| {
        let groups: Vec<_> = word.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12]
            && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    let mut words = cause.split(|letter: char| letter != '-' && !letter.is_ascii_alphanumeric());
    words.find(is_id).unwrap_or(cause).to_owned()
}

fn text_error(key: &str, value: &Value) -> Option<&'static str> {
    match value.as_str() {
        None if value.is_null() => Some("This field may not be null."),
        None => Some("Not a valid string."),
        Some(text) if text.trim().is_empty() => Some("This field may not be blank."),
        Some(text) if key == "cause" && text.chars().count() > CAUSE_CHARACTERS => {
            Some("Ensure this field has no more than 255 characters.")
        }
        Some(_) => None,
    }
}

fn list_error(value: &Value) -> Option<&'static str> {
    let is_step = |step: &Value| step.as_str().is_some_and(|step| !step.trim().is_empty());
    match value.as_array() {
        None => Some("Expected a list of items."),
        Some(list) if list.is_empty() => Some("This list may not be empty."),
        Some(list) if !list.iter().all(is_step) => Some("This field may not be blank."),
        Some(_) => None,
    }
}

/// A JSON object or a form. In a form numbers, booleans and lists are texts.
fn body_of(request: &Request) -> Result<Map<String, Value>, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    if kind.starts_with("application/json") {
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| refusal(400, "JSON parse error"))?;
        return match body {
            Value::Object(map) => Ok(map),
            _ => Err(refusal(400, "Invalid data. Expected a dictionary.")),
        };
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let mut map = Map::new();
        for (key, value) in url::form_urlencoded::parse(&request.body) {
            let number =
                || value.parse().map_or_else(|_| json!(value), |number: i64| json!(number));
            let value = match key.as_ref() {
                LIST => {
                    let mut steps = map.get(LIST).and_then(Value::as_array).cloned();
                    steps.get_or_insert_default().push(json!(value));
                    json!(steps)
                }
                BOOLEAN => value.parse().map_or_else(|_| json!(value), |is_so: bool| json!(is_so)),
                key if TEXTS.contains(&key) => json!(value),
                _ => number(),
            };
            map.insert(key.into_owned(), value);
        }
        return Ok(map);
    }
    Err(refusal(415, &format!("Unsupported media type \"{kind}\" in request.")))
}
