//! Starting a build: it is put into the queue.

use serde_json::{Map, Value};

use super::locator::Locator;
use super::refusal::{error, not_found};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::{Build, State};

/// What a caller may say about a new build.
const KNOWN: [&str; 11] = [
    "buildType",
    "buildTypeId",
    "branchName",
    "comment",
    "properties",
    "lastChanges",
    "personal",
    "triggeringOptions",
    "agent",
    "tags",
    "attributes",
];

impl World {
    /// `POST /app/rest/buildQueue`. Returns the number of the build.
    pub(super) fn start(&mut self, request: &Request, now_ms: i64) -> Result<u64, Response> {
        let body = object(request, &KNOWN)?;
        let of = body.get("buildType").and_then(|of| of.get("id")).or(body.get("buildTypeId"));
        let Some(of) = of.and_then(Value::as_str) else {
            let more = "No build type is specified. Use 'buildType' element.";
            return Err(error(400, "Bad Request", more));
        };
        if of != self.build_type {
            let more = format!("No build type nor template is found by id '{of}'.");
            return Err(not_found(&more));
        }
        let commit = self.pinned(&body)?;
        let inputs = properties(&body)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
        let branch = text("branchName").to_owned();
        let run = inputs.get(&self.run_property).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: run.to_owned(),
            commit,
            git_ref: branch.clone(),
            inputs,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        if !branch.is_empty() && branch != "<default>" {
            self.branches.insert(build.number, branch);
        }
        Ok(build.number)
    }

    /// The commit that the build is pinned to, which has to be known; empty where it is not.
    fn pinned(&self, body: &Map<String, Value>) -> Result<String, Response> {
        let Some(changes) = body.get("lastChanges") else { return Ok(String::new()) };
        let change = changes.get("change").and_then(|list| list.get(0));
        let locator = change.and_then(|change| change.get("locator")).and_then(Value::as_str);
        let parsed = locator.and_then(Locator::parse);
        let Some(version) = parsed.as_ref().and_then(|locator| locator.get("version")) else {
            return Err(error(400, "Bad Request", "No change is specified in 'lastChanges'."));
        };
        match self.changes.contains(version) {
            true => Ok(version.to_owned()),
            false => Err(not_found(&format!(
                "No changes are found by locator '{}'.",
                locator.unwrap_or_default()
            ))),
        }
    }
}

/// The body, which has to be a JSON object without other keys.
pub(super) fn object(request: &Request, known: &[&str]) -> Result<Map<String, Value>, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/json") {
        return Err(error(415, "Unsupported Media Type", &format!("Not supported: '{kind}'.")));
    }
    let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
        return Err(error(400, "Bad Request", "Cannot parse the body as JSON."));
    };
    match body.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => {
            let more = format!("Unrecognized field \"{key}\", not marked as ignorable");
            Err(error(400, "Bad Request", &more))
        }
        None => Ok(body),
    }
}

/// The properties by their names. Numbers and truth values become texts.
fn properties(body: &Map<String, Value>) -> Result<Map<String, Value>, Response> {
    let refused = || error(400, "Bad Request", "Parameter name and value should be specified.");
    let Some(properties) = body.get("properties") else { return Ok(Map::new()) };
    let listed = properties.get("property").and_then(Value::as_array).ok_or_else(refused)?;
    let mut all = Map::new();
    for property in listed {
        let name = property.get("name").and_then(Value::as_str).ok_or_else(refused)?;
        let value = match property.get("value") {
            Some(Value::String(text)) => text.clone(),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
            _ => return Err(refused()),
        };
        all.insert(name.to_owned(), value.into());
    }
    Ok(all)
}
