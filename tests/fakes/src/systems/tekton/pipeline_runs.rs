//! PipelineRuns: created under the name that the caller chose, shown, cancelled.

use serde_json::{Map, Value, json};

use super::refusal::{denied, status};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::service_accounts::is_name;
use crate::systems::{Build, State};
use crate::timestamp::whole_seconds;

const MERGE_PATCH: &str = "application/merge-patch+json";
/// The ways to end a run that its spec may ask for.
const ENDINGS: [&str; 3] = ["Cancelled", "CancelledRunFinally", "StoppedRunFinally"];

impl World {
    /// The run of that name.
    pub(super) fn run(&self, name: &str) -> Option<Build> {
        self.builds.of_run(name).next().cloned()
    }

    /// `POST …/pipelineruns`.
    pub(super) fn create(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let unreadable = |why: &str| status(400, "BadRequest", why);
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|_| unreadable("the object provided is unrecognized"))?;
        let at = |pointer: &str| body.pointer(pointer).unwrap_or(&Value::Null);
        if at("/apiVersion") != "tekton.dev/v1" || at("/kind") != "PipelineRun" {
            return Err(unreadable("the API version in the data does not match the expected one"));
        }
        let namespace = body.pointer("/metadata/namespace");
        if namespace.is_some_and(|it| *it != self.namespace.as_str()) {
            let why = "the namespace of the provided object does not match the namespace sent on \
                       the request";
            return Err(unreadable(why));
        }
        let name = at("/metadata/name").as_str().unwrap_or_default().to_owned();
        if !is_name(&name) {
            let message = format!(
                "PipelineRun.tekton.dev \"{name}\" is invalid: metadata.name: Invalid value: \
                 \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case \
                 alphanumeric characters, '-' or '.'"
            );
            return Err(status(422, "Invalid", &message));
        }
        let pipeline = at("/spec/pipelineRef/name").as_str();
        if pipeline.is_none() && !at("/spec/pipelineSpec").is_object() {
            let why = "expected exactly one, got neither: spec.pipelineRef, spec.pipelineSpec";
            return Err(denied(why));
        }
        let inputs = parameters(at("/spec/params")).ok_or_else(|| {
            unreadable("json: cannot unmarshal into Go struct field PipelineRunSpec.spec.params")
        })?;
        if self.run(&name).is_some() {
            let message = format!("pipelineruns.tekton.dev \"{name}\" already exists");
            return Err(status(409, "AlreadyExists", &message));
        }
        let build = self.add(&name, inputs, now_ms);
        if pipeline.is_some_and(|pipeline| pipeline != self.pipeline) {
            // It is accepted, and fails when it is looked at.
            self.builds.set_state(build.number, State::Errored);
        }
        Ok(Response::json(201, &self.rendered(&build)))
    }

    pub(super) fn add(&mut self, name: &str, inputs: Map<String, Value>, now_ms: i64) -> Build {
        let text = |key: &str| inputs.get(key).and_then(Value::as_str).unwrap_or_default();
        self.builds.add(Build {
            number: 0,
            run: name.to_owned(),
            commit: text("commit").to_owned(),
            git_ref: text("ref").to_owned(),
            inputs,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        })
    }

    /// `PATCH …/pipelineruns/{name}`, which may change how it ends and nothing else.
    pub(super) fn patch(&mut self, request: &Request, build: &Build) -> Result<Response, Response> {
        if request.header("content-type") != Some(MERGE_PATCH) {
            let message = "the body of the request was in an unknown format - accepted media types \
                           include: application/json-patch+json, application/merge-patch+json, \
                           application/apply-patch+yaml";
            return Err(status(415, "UnsupportedMediaType", message));
        }
        let body: Value = serde_json::from_slice(&request.body)
            .map_err(|_| status(400, "BadRequest", "the patch is not JSON"))?;
        let spec = body.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        if build.state.is_final() && !spec.is_empty() {
            let why =
                "invalid value: Once the PipelineRun is complete, no updates are allowed: spec";
            return Err(denied(why));
        }
        if spec.keys().any(|key| key != "status") {
            let why = "invalid value: Once the PipelineRun has started, only status updates are \
                       allowed: spec";
            return Err(denied(why));
        }
        if let Some(ending) = spec.get("status") {
            if !ending.as_str().is_some_and(|it| ENDINGS.contains(&it)) {
                let why = format!("invalid value: {ending} should be Cancelled: spec.status");
                return Err(denied(&why));
            }
            self.builds.cancel(build.number);
        }
        let build = self.builds.get(build.number).unwrap_or(build);
        Ok(Response::json(200, &self.rendered(build)))
    }

    pub(super) fn list(&self) -> Response {
        let there = self.builds.all().iter().filter(|build| !build.is_gone);
        let items: Vec<_> = there.map(|build| self.rendered(build)).collect();
        let list = json!({"apiVersion": "tekton.dev/v1", "kind": "PipelineRunList",
            "metadata": {"resourceVersion": "9001"}, "items": items});
        Response::json(200, &list)
    }

    /// A run. One that the controller has not looked at has no status.
    pub(super) fn rendered(&self, build: &Build) -> Value {
        let (status, reason, message) = match build.state {
            State::Queued => ("", "", ""),
            State::Running if build.cancels > 0 => ("Unknown", "Cancelled", "It is being ended"),
            State::Running => ("Unknown", "Running", "Tasks Completed: 0, Incomplete: 1"),
            State::Succeeded => ("True", "Succeeded", "Tasks Completed: 1 (Failed: 0)"),
            State::Failed => ("False", "Failed", "Tasks Completed: 1 (Failed: 1)"),
            State::Errored => {
                ("False", "CouldntGetPipeline", "Error retrieving pipeline for pipelinerun")
            }
            State::Cancelled => ("False", "Cancelled", "PipelineRun was cancelled"),
        };
        let mut run = json!({
            "apiVersion": "tekton.dev/v1",
            "kind": "PipelineRun",
            "metadata": {"name": build.run, "namespace": self.namespace,
                "creationTimestamp": whole_seconds(build.started_ms),
                "labels": {"tekton.dev/pipeline": self.pipeline}},
            "spec": {"pipelineRef": {"name": self.pipeline}, "params": build.inputs.iter()
                .map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>()},
        });
        if let (false, Some(fields)) = (status.is_empty(), run.as_object_mut()) {
            let condition = json!({"type": "Succeeded", "status": status, "reason": reason,
                "message": message});
            fields.insert("status".to_owned(), json!({"conditions": [condition]}));
        }
        run
    }
}

/// `params`, by name; none where they are of another form.
fn parameters(params: &Value) -> Option<Map<String, Value>> {
    let params = match params {
        Value::Null => return Some(Map::new()),
        Value::Array(params) => params,
        _ => return None,
    };
    let one = |it: &Value| Some((it["name"].as_str()?.to_owned(), it.get("value")?.clone()));
    params.iter().map(one).collect()
}
