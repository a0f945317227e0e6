//! Whether a trigger follows the contract (docs/ci.md).
//!
//! Required keys must be there with their types. Unknown keys are accepted, as the contract may
//! grow.

use serde_json::Value;

#[derive(Clone, Copy)]
enum ValueType {
    Text,
    /// Text that is not empty.
    NonEmptyText,
    Integer,
    Boolean,
    Object,
    /// Forty hexadecimal digits.
    ObjectId,
    OptionalText,
    OptionalObjectId,
}

const TRIGGER: [(&str, ValueType); 18] = [
    ("/type", ValueType::NonEmptyText),
    ("/run", ValueType::NonEmptyText),
    ("/check", ValueType::NonEmptyText),
    ("/attempt", ValueType::Integer),
    ("/organization", ValueType::NonEmptyText),
    ("/project", ValueType::Object),
    ("/project/id", ValueType::NonEmptyText),
    ("/project/name", ValueType::NonEmptyText),
    ("/repository", ValueType::Object),
    ("/repository/id", ValueType::NonEmptyText),
    ("/repository/name", ValueType::NonEmptyText),
    ("/repository/clone_url", ValueType::NonEmptyText),
    ("/commit", ValueType::ObjectId),
    ("/ref", ValueType::NonEmptyText),
    ("/report", ValueType::Object),
    ("/report/url", ValueType::NonEmptyText),
    ("/report/token", ValueType::NonEmptyText),
    ("/inputs", ValueType::Object),
];

const PULL_REQUEST: [(&str, ValueType); 10] = [
    ("/pull_request/id", ValueType::Integer),
    ("/pull_request/title", ValueType::Text),
    ("/pull_request/source_ref", ValueType::NonEmptyText),
    ("/pull_request/target_ref", ValueType::NonEmptyText),
    ("/pull_request/merge_ref", ValueType::OptionalText),
    ("/pull_request/source_commit", ValueType::ObjectId),
    ("/pull_request/target_commit", ValueType::OptionalObjectId),
    ("/pull_request/merge_commit", ValueType::OptionalObjectId),
    ("/pull_request/is_draft", ValueType::Boolean),
    ("/pull_request/is_fork", ValueType::Boolean),
];

/// How a trigger violates the contract; none when it does not.
pub(super) fn violation(trigger: &Value) -> Option<String> {
    let has_pull_request = trigger.get("pull_request").is_some_and(|value| !value.is_null());
    let optional = PULL_REQUEST.iter().filter(|_| has_pull_request);
    let broken = TRIGGER.iter().chain(optional).find(|(pointer, wanted)| {
        !has_type(trigger.pointer(pointer).unwrap_or(&Value::Null), *wanted)
    });
    broken.map(|(pointer, _)| format!("{pointer} is missing or of the wrong type"))
}

/// The keys in which two triggers differ, except `attempt`: a repeated trigger must be the same.
pub(super) fn differences(first: &Value, second: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (first, second) =
        (first.as_object().unwrap_or(&empty), second.as_object().unwrap_or(&empty));
    let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
    keys.filter(|key| *key != "attempt" && first.get(*key) != second.get(*key)).cloned().collect()
}

fn has_type(value: &Value, wanted: ValueType) -> bool {
    let text = value.as_str();
    match wanted {
        ValueType::Text => text.is_some(),
        ValueType::NonEmptyText => text.is_some_and(|text| !text.is_empty()),
        ValueType::Integer => value.is_u64(),
        ValueType::Boolean => value.is_boolean(),
        ValueType::Object => value.is_object(),
        ValueType::ObjectId => text.is_some_and(is_object_id),
        ValueType::OptionalText => value.is_null() || text.is_some(),
        ValueType::OptionalObjectId => value.is_null() || text.is_some_and(is_object_id),
    }
}

fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
