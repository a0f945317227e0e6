//! Microsoft's OpenAPI documents, and the comparison of requests and answers with them.
//!
//! It compares JSON with definitions, whatever the JSON comes from.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Says that the published documents are missing on purpose, so that nothing can be checked.
const WITHOUT_SPECS: &str = "AZDO_GATEWAY_WITHOUT_SPECS";

/// A folder of the published documents, which lie beside the checkout and are not part of it.
///
/// Panics where it is missing, so that a test which compares nothing cannot pass by accident. With
/// `AZDO_GATEWAY_WITHOUT_SPECS=1` there is no folder and nothing is checked.
pub(crate) fn published(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(folder);
    if path.is_dir() {
        return Some(path);
    }
    assert!(
        std::env::var(WITHOUT_SPECS).is_ok_and(|value| value == "1"),
        "{} is missing: put Microsoft's published documents there, or set {WITHOUT_SPECS}=1 to \
         run without comparing the fake with them",
        path.display()
    );
    println!("nothing was checked: {} is missing and {WITHOUT_SPECS}=1 is set", path.display());
    None
}

/// One OpenAPI document.
pub(crate) struct Spec(Value);

impl Spec {
    pub(crate) fn load(file: &str) -> Option<Self> {
        let text = std::fs::read_to_string(published("specs")?.join(file)).unwrap();
        Some(Self(serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap()))
    }

    /// Asserts that the operation exists.
    pub(crate) fn expect_operation(&self, method: &str, path: &str) {
        assert!(self.0["paths"][path][method].is_object(), "{method} {path} is not in the spec");
    }

    /// Asserts that the operation exists and that the answer has only its properties.
    pub(crate) fn check(&self, method: &str, path: &str, answer: Value) {
        self.expect_operation(method, path);
        let responses = self.0["paths"][path][method]["responses"].as_object().unwrap();
        let schema = &responses.values().next().unwrap()["schema"];
        let answer = match (schema["type"] == "array", answer.get("value")) {
            (true, Some(list)) => {
                assert_eq!(answer["count"], list.as_array().unwrap().len());
                assert!(
                    !list.as_array().unwrap().is_empty(),
                    "{path}: there is nothing to compare"
                );
                list.clone()
            }
            _ => answer,
        };
        let mut differences = Vec::new();
        self.compare(schema, &answer, path, &mut differences);
        assert!(differences.is_empty(), "{method} {path}:\n{}", differences.join("\n"));
    }

    /// Asserts that the body of a request has only the properties of its operation, in nested
    /// objects, too.
    pub(crate) fn check_request(&self, method: &str, path: &str, body: &Value) {
        self.expect_operation(method, path);
        let parameters = self.0["paths"][path][method]["parameters"].as_array().unwrap();
        let parameter = parameters.iter().find(|parameter| parameter["in"] == "body").unwrap();
        let mut differences = Vec::new();
        self.compare(&parameter["schema"], body, path, &mut differences);
        assert!(differences.is_empty(), "{method} {path}:\n{}", differences.join("\n"));
    }

    /// [`Spec::check`] for an operation in `x-ms-paths`, where those are that share their path with
    /// another.
    pub(crate) fn check_other(&self, method: &str, path: &str, answer: Value) {
        let mut document = self.0.clone();
        document["paths"] = document["x-ms-paths"].take();
        Self(document).check(method, path, answer);
    }

    fn compare(&self, schema: &Value, value: &Value, at: &str, differences: &mut Vec<String>) {
        if schema["$ref"].as_str().is_some_and(|name| name.ends_with("/JObject")) {
            return;
        }
        let schema = self.resolved(schema);
        if let Some(list) = value.as_array() {
            for one in list {
                self.compare(&schema["items"], one, &format!("{at}[]"), differences);
            }
        } else if let Some(object) = value.as_object() {
            let properties = self.properties(schema);
            for (key, content) in object {
                let known = properties.iter().find(|(name, _)| name == key);
                match known {
                    // Links and objects without properties are not described.
                    Some((name, _)) if *name == "_links" => {}
                    Some((_, schema)) => {
                        self.compare(schema, content, &format!("{at}.{key}"), differences);
                    }
                    None if properties.is_empty() => {}
                    None => differences.push(format!("{at}.{key} is not in the spec")),
                }
            }
        } else if let Some(difference) = scalar_difference(schema, value) {
            differences.push(format!("{at}: {difference}"));
        }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => &self.0["definitions"][name.trim_start_matches("#/definitions/")],
            None => schema,
        }
    }

    fn properties<'a>(&'a self, schema: &'a Value) -> Vec<(&'a str, &'a Value)> {
        let own = schema["properties"].as_object().into_iter().flatten();
        let mut all: Vec<_> = own.map(|(name, schema)| (name.as_str(), schema)).collect();
        for parent in schema["allOf"].as_array().into_iter().flatten() {
            all.extend(self.properties(self.resolved(parent)));
        }
        all
    }
}

fn scalar_difference(schema: &Value, value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    if let Some(words) = schema["enum"].as_array() {
        // The published enumeration of states lacks one that ADO has (docs/azure-devops.md §5).
        let legal = words.contains(value) || value == "partiallySucceeded";
        return (!legal).then(|| format!("{value} is not one of {words:?}"));
    }
    let fits = match schema["type"].as_str() {
        // ADO answers a number where the document has a byte string (docs/azure-devops.md §1.4).
        Some("string") => value.is_string() || schema["format"] == "byte",
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    (!fits).then(|| format!("{value} is not of type {}", schema["type"]))
}

/// The keys of a sample that `answer` lacks, in each object that both have.
pub(crate) fn missing_keys(sample: &Value, answer: &Value, at: &str) -> Vec<String> {
    match (sample, answer) {
        (Value::Object(sample), Value::Object(answer)) => sample
            .iter()
            .flat_map(|(key, value)| match answer.get(key) {
                Some(own) => missing_keys(value, own, &format!("{at}.{key}")),
                None => vec![format!("{at}.{key}")],
            })
            .collect(),
        (Value::Array(sample), Value::Array(answer)) => match (sample.first(), answer.first()) {
            (Some(first), Some(own)) => missing_keys(first, own, &format!("{at}[]")),
            (Some(_), None) => vec![format!("{at}[]")],
            _ => Vec::new(),
        },
        (Value::Object(_), _) => vec![format!("{at} is not an object")],
        _ => Vec::new(),
    }
}
