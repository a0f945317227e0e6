//! Whatever the bytes are: nothing panics, and both readers agree.

use std::path::PathBuf;
use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::golden_tests::fixtures;
use super::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_bytes_are_answered(body in prop::collection::vec(any::<u8>(), 0..400)) {
        check(&body);
    }

    #[test]
    fn arbitrary_text_in_every_field_is_answered(text in ".*", at in 0..FIELDS.len()) {
        let body = json!({ "eventType": "git.push", FIELDS[at]: text }).to_string();
        check(body.as_bytes());
    }

    #[test]
    fn flipped_bytes_are_answered(
        which in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut body = which.get(&FIXTURES).1.clone();
        for (at, byte) in flips {
            let at = at.index(body.len());
            body[at] = byte;
        }
        check(&body);
    }

    #[test]
    fn cut_bodies_are_answered(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let body = &which.get(&FIXTURES).1;
        check(&body[..at.index(body.len())]);
    }

    #[test]
    fn odd_values_and_missing_keys_are_answered(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..8_usize), 1..6),
    ) {
        let body = &which.get(&FIXTURES).1;
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let mut value: Value = serde_json::from_slice(body).unwrap();
        for (at, change) in changes {
            let mut places = Vec::new();
            list_places(&value, String::new(), &mut places);
            if !places.is_empty() {
                mutate(&mut value, &places[at.index(places.len())], change);
            }
        }
        let body = value.to_string();
        check(body.as_bytes());
        prop_assert!(!matches!(read(body.as_bytes()).fact, Fact::Unreadable(reason)
            if reason.starts_with("not")), "an odd value must not cost the delivery");
    }
}

static FIXTURES: LazyLock<Vec<(PathBuf, Vec<u8>)>> = LazyLock::new(fixtures);

const FIELDS: [&str; 8] = [
    "subscriptionId",
    "notificationId",
    "id",
    "eventType",
    "createdDate",
    "resource",
    "resourceContainers",
    "anythingElse",
];

/// Reading does not panic, and `envelope` and `read` tell the same.
fn check(body: &[u8]) {
    let delivered = read(body);
    assert_eq!(delivered, read(body), "reading is deterministic");
    match envelope(body) {
        Ok(envelope) => {
            assert!(envelope.event_id.is_none_or(|id| !id.is_empty()));
            if let Some(event_type) = delivered.event_type {
                let in_envelope = envelope.event_type.as_deref().unwrap_or_default();
                assert!(event_type.chars().count() <= 100, "{event_type}");
                assert!(in_envelope.chars().count() > 100 || !in_envelope.is_empty());
            }
        }
        Err(refusal) => {
            // A byte that is no UTF-8 is refused in a key and read over in a title.
            let utf8 = std::str::from_utf8(body).is_ok();
            // Where several things are wrong, each tells what it meets first.
            let is_unreadable = matches!(delivered.fact, Fact::Unreadable(_));
            assert!(!utf8 || is_unreadable, "{refusal}: {delivered:?}");
            assert!(refusal.reason.len() < 200, "{refusal}");
        }
    }
}

/// Every place of a JSON value but the outermost, as JSON pointers.
fn list_places(value: &Value, at: String, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value))
            .collect(),
        Value::Array(list) => {
            list.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, value) in inner {
        let at = format!("{at}/{key}");
        places.push(at.clone());
        list_places(value, at, places);
    }
}

fn mutate(value: &mut Value, place: &str, change: usize) {
    if change == 0 {
        let (parent, key) = place.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Object(map)) = value.pointer_mut(parent) {
            map.remove(&key);
        }
        return;
    }
    let odd = [
        json!(null),
        json!(7),
        json!(-0.5),
        json!(true),
        json!([null, [], {}]),
        json!({}),
        json!("\u{0}é🎏"),
    ];
    if let Some(found) = value.pointer_mut(place) {
        *found = odd[change - 1].clone();
    }
}
