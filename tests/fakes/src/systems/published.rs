//! Comparison of answers and requests with the published API documents of CI systems.
//!
//! The documents lie beside the checkout and are not part of it. Where they are missing, nothing is
//! compared.

use std::path::Path;

use serde_json::Value;

/// The text of a document; none where the documents are missing.
pub(super) fn text(file: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/specs/ci").join(file);
    let is_wanted = std::env::var_os("AZDO_GATEWAY_WITHOUT_SPECS").is_none();
    let text = is_wanted.then(|| std::fs::read_to_string(&path).ok()).flatten();
    if text.is_none() {
        println!("nothing is checked against {file}");
    }
    text
}

/// A document, OpenAPI or Swagger, with its definitions.
pub(super) struct Document(Value);

impl Document {
    pub(super) fn json(file: &str) -> Option<Self> {
        Some(Self(serde_json::from_str(&text(file)?).unwrap()))
    }

    /// The schema at that JSON pointer.
    pub(super) fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the document"))
    }

    /// Asserts that a value has every property that is required and none that is not described,
    /// each of its type.
    pub(super) fn check(&self, schema: &Value, value: &Value) {
        let mut differences = Vec::new();
        self.compare(schema, value, "", &mut differences);
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => self.resolved(self.at(name.trim_start_matches('#'))),
            None => schema,
        }
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, differences: &mut Vec<String>) {
        let schema = self.resolved(schema);
        if let Some(choices) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
            let fits = choices.iter().any(|choice| {
                let mut own = Vec::new();
                self.compare(choice, value, at, &mut own);
                own.is_empty()
            });
            if !fits {
                differences.push(format!("{at}: {value} is none of the alternatives"));
            }
            return;
        }
        if value.is_null() {
            let is_typed = schema["type"].is_string() && schema["type"] != "null";
            if is_typed && schema["nullable"] != true {
                differences.push(format!("{at} is null"));
            }
            return;
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            if value.get(required.as_str().unwrap()).is_none() {
                differences.push(format!("{at}.{required} is missing"));
            }
        }
        if let (Some(object), Some(known)) = (value.as_object(), schema["properties"].as_object()) {
            for (key, content) in object {
                match (known.get(key), &schema["additionalProperties"]) {
                    (Some(schema), _) => {
                        self.compare(schema, content, &format!("{at}.{key}"), differences);
                    }
                    (None, Value::Bool(true) | Value::Object(_)) => {}
                    _ => differences.push(format!("{at}.{key} is not described")),
                }
            }
        }
        for one in value.as_array().into_iter().flatten() {
            self.compare(&schema["items"], one, &format!("{at}[]"), differences);
        }
        let is_one = |words: &Vec<Value>| words.contains(value);
        if !schema["enum"].as_array().is_none_or(is_one) {
            differences.push(format!("{at}: {value} is not one of {}", schema["enum"]));
        }
        let fits = match schema["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        if !fits {
            differences.push(format!("{at}: {value} is not of type {}", schema["type"]));
        }
    }
}
