//! Bodies that have to fit their schema exactly: no other keys, and each value of its type.

use serde_json::{Map, Value};

use super::refusal::unprocessable;
use crate::http::{Request, Response};
use crate::timestamp::parse_rfc3339;

/// What a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Object,
    /// A point in time with its offset.
    Time,
}

/// One key of a body.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_required: bool,
    pub(super) may_be_null: bool,
}

impl Key {
    pub(super) const fn required(name: &'static str, kind: Kind, may_be_null: bool) -> Self {
        Self { name, kind, is_required: true, may_be_null }
    }

    pub(super) const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_required: false, may_be_null: true }
    }
}

/// The body as a JSON object with these keys.
pub(super) fn object(request: &Request, keys: &[Key]) -> Result<Map<String, Value>, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    // Other bodies are taken for text, which is no object.
    let body = match kind.starts_with("application/json") {
        true => serde_json::from_slice(&request.body)
            .map_err(|_| unprocessable("json_invalid", "", "JSON decode error", &Value::Null))?,
        false => Value::from(String::from_utf8_lossy(&request.body).into_owned()),
    };
    let Value::Object(body) = body else {
        let text = "Input should be a valid dictionary or object to extract fields from";
        return Err(unprocessable("model_attributes_type", "", text, &body));
    };
    for key in keys {
        match body.get(key.name) {
            None if key.is_required => {
                let input = Value::Object(body.clone());
                return Err(unprocessable("missing", key.name, "Field required", &input));
            }
            Some(value) => check(key, value)?,
            None => {}
        }
    }
    match body.iter().find(|(name, _)| !keys.iter().any(|key| key.name == name.as_str())) {
        Some((name, value)) => {
            let text = "Extra inputs are not permitted";
            Err(unprocessable("extra_forbidden", name, text, value))
        }
        None => Ok(body),
    }
}

fn check(key: &Key, value: &Value) -> Result<(), Response> {
    if value.is_null() && key.may_be_null {
        return Ok(());
    }
    let (fits, kind, text) = match key.kind {
        Kind::Text => (value.is_string(), "string_type", "Input should be a valid string"),
        Kind::Object => (value.is_object(), "dict_type", "Input should be a valid dictionary"),
        Kind::Time => (
            value.as_str().is_some_and(|text| parse_rfc3339(text).is_some()),
            "timezone_aware",
            "Input should have timezone info",
        ),
    };
    if fits { Ok(()) } else { Err(unprocessable(kind, key.name, text, value)) }
}
