//! The trigger: is it what the contract says (design §6.2)?
//!
//! Required keys must be there with their types; unknown keys are welcome, as the contract may
//! grow. Nothing here knows what a run is.

use serde_json::Value;

#[derive(Clone, Copy)]
enum Kind {
    Text,
    /// Text that is not empty.
    Filled,
    Whole,
    Flag,
    Object,
    /// Forty hexadecimal digits.
    ObjectId,
    OptionalText,
    OptionalObjectId,
}

const TRIGGER: [(&str, Kind); 18] = [
    ("/type", Kind::Filled),
    ("/run", Kind::Filled),
    ("/check", Kind::Filled),
    ("/attempt", Kind::Whole),
    ("/organization", Kind::Filled),
    ("/project", Kind::Object),
    ("/project/id", Kind::Filled),
    ("/project/name", Kind::Filled),
    ("/repository", Kind::Object),
    ("/repository/id", Kind::Filled),
    ("/repository/name", Kind::Filled),
    ("/repository/clone_url", Kind::Filled),
    ("/commit", Kind::ObjectId),
    ("/ref", Kind::Filled),
    ("/report", Kind::Object),
    ("/report/url", Kind::Filled),
    ("/report/token", Kind::Filled),
    ("/inputs", Kind::Object),
];

const PULL_REQUEST: [(&str, Kind); 10] = [
    ("/pull_request/id", Kind::Whole),
    ("/pull_request/title", Kind::Text),
    ("/pull_request/source_ref", Kind::Filled),
    ("/pull_request/target_ref", Kind::Filled),
    ("/pull_request/merge_ref", Kind::OptionalText),
    ("/pull_request/source_commit", Kind::ObjectId),
    ("/pull_request/target_commit", Kind::OptionalObjectId),
    ("/pull_request/merge_commit", Kind::OptionalObjectId),
    ("/pull_request/is_draft", Kind::Flag),
    ("/pull_request/is_fork", Kind::Flag),
];

/// What is wrong with a trigger, if anything.
pub(super) fn complaint(trigger: &Value) -> Option<String> {
    let has_pull_request = trigger.get("pull_request").is_some_and(|value| !value.is_null());
    let optional = PULL_REQUEST.iter().filter(|_| has_pull_request);
    let broken = TRIGGER.iter().chain(optional).find(|(pointer, kind)| {
        !is_of_kind(trigger.pointer(pointer).unwrap_or(&Value::Null), *kind)
    });
    broken.map(|(pointer, _)| format!("{pointer} is missing or of the wrong type"))
}

/// The keys in which two triggers differ, `attempt` aside: a repeated start must be the same.
pub(super) fn differences(first: &Value, second: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (first, second) =
        (first.as_object().unwrap_or(&empty), second.as_object().unwrap_or(&empty));
    let keys = first.keys().chain(second.keys().filter(|key| !first.contains_key(*key)));
    keys.filter(|key| *key != "attempt" && first.get(*key) != second.get(*key)).cloned().collect()
}

fn is_of_kind(value: &Value, kind: Kind) -> bool {
    let text = value.as_str();
    match kind {
        Kind::Text => text.is_some(),
        Kind::Filled => text.is_some_and(|text| !text.is_empty()),
        Kind::Whole => value.is_u64(),
        Kind::Flag => value.is_boolean(),
        Kind::Object => value.is_object(),
        Kind::ObjectId => text.is_some_and(is_object_id),
        Kind::OptionalText => value.is_null() || text.is_some(),
        Kind::OptionalObjectId => value.is_null() || text.is_some_and(is_object_id),
    }
}

fn is_object_id(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
