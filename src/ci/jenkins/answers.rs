//! Items and builds, as Jenkins describes them.

use serde_json::Value;

use crate::ci::system::Observed;
use crate::ci::text::{Masks, words};
use crate::ci::urls::web_url;
use crate::domain::run::Reported;

/// What of a build says how it is.
pub(super) const BUILD: &str = "number,queueId,building,inProgress,result,displayName,url";
/// What of an item says where it is.
pub(super) const ITEM: &str = "id,cancelled,stuck,executable[number]";

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// In the queue, for a reason that holds for a while.
    Waits(&'static str),
    /// It was cancelled there.
    Cancelled,
    /// It has left, and has no build yet.
    Left,
    /// It is the build of that number.
    Build(u64),
}

/// Reads an item. Jenkins' own texts about waiting change with every second, so that each would be
/// shown anew.
pub(super) fn item(item: &Value) -> Item {
    let is = |key: &str| item.get(key).and_then(Value::as_bool) == Some(true);
    if is("cancelled") {
        return Item::Cancelled;
    }
    if let Some(number) = item.pointer("/executable/number").and_then(Value::as_u64) {
        return Item::Build(number);
    }
    let class = item.get("_class").and_then(Value::as_str).unwrap_or_default();
    match class.rsplit('$').next() {
        Some("LeftItem") => Item::Left,
        _ if is("stuck") => Item::Waits("in the queue, where no executor can take it"),
        Some("WaitingItem") => Item::Waits("in the queue, in its quiet period"),
        Some("BlockedItem") => Item::Waits("in the queue, behind another build"),
        Some("BuildableItem") => Item::Waits("in the queue, waiting for an executor"),
        _ => Item::Waits("in the queue"),
    }
}

/// The item that waits or has just left, as the state of its run.
pub(super) fn waiting(why: &str) -> Observed {
    Observed { description: Some(why.to_owned()), ..Observed::state(Reported::Running) }
}

/// Whether a build goes on. Its result may be known before its last steps have ended.
pub(super) fn goes_on(build: &Value) -> bool {
    let is = |key: &str| build.get(key).and_then(Value::as_bool) == Some(true);
    is("building") || is("inProgress") || result(build).is_none()
}

fn result(build: &Value) -> Option<&str> {
    build.get("result").and_then(Value::as_str)
}

/// How a build is.
pub(super) fn build(build: &Value, masks: &Masks) -> Observed {
    let name = build.get("displayName").and_then(Value::as_str).unwrap_or("build");
    let (state, shown) = match result(build).filter(|_| !goes_on(build)) {
        None => (Reported::Running, None),
        Some("SUCCESS") => (Reported::Succeeded, None),
        Some("FAILURE") => (Reported::Failed, None),
        Some("ABORTED") => (Reported::Cancelled, None),
        Some("UNSTABLE") => (Reported::Failed, Some("unstable")),
        Some("NOT_BUILT") => (Reported::Errored, Some("not built")),
        Some(other) => (Reported::Errored, Some(other)),
    };
    let text = shown.map_or_else(|| name.to_owned(), |shown| format!("{name}: {shown}"));
    let url = web_url(build.get("url"));
    Observed { state, description: Some(words(&text, masks)), url }
}

/// The id of the item that a build was.
pub(super) fn item_id(build: &Value) -> Option<String> {
    build.get("queueId").and_then(Value::as_u64).map(|id| id.to_string())
}

/// A list in an answer; empty where there is none.
pub(super) fn list<'j>(answer: &'j Value, key: &str) -> &'j [Value] {
    answer.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_result_has_a_state() {
        for (result, state, text) in [
            (json!("SUCCESS"), Reported::Succeeded, "#7"),
            (json!("UNSTABLE"), Reported::Failed, "#7: unstable"),
            (json!("FAILURE"), Reported::Failed, "#7"),
            (json!("NOT_BUILT"), Reported::Errored, "#7: not built"),
            (json!("ABORTED"), Reported::Cancelled, "#7"),
            (json!("NEW"), Reported::Errored, "#7: NEW"),
            (json!(null), Reported::Running, "#7"),
        ] {
            let shown = json!({"building": false, "result": result, "displayName": "#7",
                "url": "javascript:alert(1)"});
            let observed = build(&shown, &Masks::default());
            let expected = Observed { state, description: Some(text.to_owned()), url: None };
            assert_eq!(observed, expected, "{result}");
            let early = json!({"building": true, "result": result});
            assert_eq!(build(&early, &Masks::default()).state, Reported::Running);
        }
    }

    #[test]
    fn each_item_is_somewhere() {
        let class = |name: &str| format!("hudson.model.Queue${name}");
        for (shown, expected) in [
            (json!({"_class": class("LeftItem"), "executable": {"number": 7}}), Item::Build(7)),
            (json!({"_class": class("LeftItem"), "executable": null}), Item::Left),
            (json!({"_class": class("LeftItem"), "cancelled": true}), Item::Cancelled),
        ] {
            assert_eq!(item(&shown), expected, "{shown}");
        }
        for name in ["WaitingItem", "BlockedItem", "BuildableItem", "NewItem"] {
            let waits = item(&json!({"_class": class(name)}));
            assert!(matches!(waits, Item::Waits(_)), "{name}");
        }
    }
}
