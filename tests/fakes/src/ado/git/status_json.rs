//! Statuses as JSON: read from request bodies, written into answers (docs/azure-devops.md §5).
//!
//! Whether a status may be posted is decided in `statuses`.

use serde_json::{Value, json};

use crate::ado::model::{Repository, Status};
use crate::ado::rest::refusal::bad_request;
use crate::ado::rest::render::put;
use crate::ado::rest::route::Call;
use crate::ado::world::World;
use crate::http::Response;
use crate::timestamp::rfc3339;

const STATES: [&str; 7] =
    ["notSet", "pending", "succeeded", "failed", "error", "notApplicable", "partiallySucceeded"];

impl World {
    /// Reads a status from a body. Of the context only the name is required.
    pub(super) fn status_of(
        &self,
        call: &Call<'_>,
        body: &Value,
        id: u64,
    ) -> Result<Status, Response> {
        let state = body.get("state").and_then(Value::as_str);
        let state = state.filter(|word| STATES.contains(word));
        let state =
            state.ok_or_else(|| bad_request(&format!("state must be one of {STATES:?}.")))?;
        let empty = json!({});
        let context = body.get("context").unwrap_or(&empty);
        let name = optional_text(context, "name")?.unwrap_or_default();
        if name.trim().is_empty() {
            return Err(bad_request("A status must have a context with a name."));
        }
        let target_url = optional_text(body, "targetUrl")?;
        if target_url.as_ref().is_some_and(|text| url::Url::parse(text).is_err()) {
            return Err(bad_request("targetUrl is not an absolute URL."));
        }
        Ok(Status {
            id,
            iteration: None,
            state: state.to_owned(),
            genre: optional_text(context, "genre")?.unwrap_or_default(),
            name,
            description: optional_text(body, "description")?,
            target_url,
            by: call.caller.identity.clone(),
            at_ms: self.now_ms,
        })
    }

    pub(super) fn pull_request_status_json(&self, id: u64, status: &Status) -> Value {
        let pull_request = self.pull_request(id);
        let repository = self.repository(&pull_request.repository);
        let url = format!("{}/statuses/{}", self.pull_request_url(pull_request), status.id);
        let mut value = self.status_json(repository, status);
        if let Some(iteration) = status.iteration {
            put(&mut value, "iterationId", json!(iteration));
        }
        let repository = self.repository_url(repository);
        let links = json!({"self": {"href": url}, "repository": {"href": repository}});
        put(&mut value, "_links", links);
        value
    }

    pub(super) fn commit_status_json(
        &self,
        repository: &Repository,
        sha: &str,
        status: &Status,
    ) -> Value {
        let mut value = self.status_json(repository, status);
        let url = format!("{}/statuses", self.commit_url(repository, sha));
        put(&mut value, "_links", json!({"self": {"href": url}}));
        value
    }

    fn status_json(&self, repository: &Repository, status: &Status) -> Value {
        let mut context = json!({"name": status.name});
        if !status.genre.is_empty() {
            put(&mut context, "genre", json!(status.genre));
        }
        let mut value = json!({
            "id": status.id,
            "state": status.state,
            "context": context,
            "creationDate": rfc3339(status.at_ms),
            "updatedDate": rfc3339(status.at_ms),
            "createdBy": self.identity_json(&status.by, &repository.organization),
        });
        for (key, text) in [("description", &status.description), ("targetUrl", &status.target_url)]
        {
            if let Some(text) = text {
                put(&mut value, key, json!(text));
            }
        }
        value
    }
}

fn optional_text(value: &Value, key: &str) -> Result<Option<String>, Response> {
    match value.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad_request(&format!("{key} must be text."))),
    }
}
