//! A resource of the API that is listed, and how it is shown.

use serde_json::Value;

/// See the module.
pub(super) struct Resource {
    /// The path of the list, with its query.
    pub(super) path: String,
    pub(super) head: &'static [&'static str],
    pub(super) row: fn(&Value) -> Vec<String>,
    /// What the gateway calls a change of it, where it tells of those.
    pub(super) kind: Option<&'static str>,
}

/// The items of an answer.
pub(super) fn items(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("items").and_then(Value::as_array).into_iter().flatten()
}
