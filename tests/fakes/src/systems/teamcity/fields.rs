//! Which parts of an answer were asked for: `build(id,canceledInfo(user))`.

use serde_json::{Map, Value};

/// The value with only those parts. What does not exist is left out, as null is.
pub(super) fn only(value: &Value, fields: &str) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| only(item, fields)).collect(),
        Value::Object(object) => {
            let mut chosen = Map::new();
            for field in split(fields) {
                let (name, inner) = match field.split_once('(') {
                    Some((name, rest)) => (name, rest.strip_suffix(')')),
                    None => (field, None),
                };
                if name.starts_with('$') || name == "*" {
                    chosen.extend(object.clone());
                } else if let Some(part) = object.get(name) {
                    let part = inner.map_or_else(|| part.clone(), |inner| only(part, inner));
                    chosen.insert(name.to_owned(), part);
                }
            }
            Value::Object(chosen)
        }
        other => other.clone(),
    }
}

/// The parts between commas that stand in no parentheses.
pub(super) fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_i32, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}
