//! Flow runs: created once for each idempotency key, found, asked to change their state.

use serde_json::{Value, json};

use super::route::{not_found, object, unprocessable};
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::{Build, State};
use crate::timestamp::whole_seconds;

const CREATE: [&str; 9] = [
    "name",
    "parameters",
    "context",
    "state",
    "tags",
    "idempotency_key",
    "work_queue_name",
    "job_variables",
    "labels",
];
/// The types of a state that a caller may propose.
const TYPES: [&str; 9] = [
    "SCHEDULED",
    "PENDING",
    "RUNNING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "CRASHED",
    "PAUSED",
    "CANCELLING",
];

impl World {
    /// The flow run of that id.
    pub(super) fn run(&self, id: &str) -> Option<Build> {
        let (number, _) = self.ids.iter().find(|(_, known)| known.as_str() == id)?;
        self.builds.get(*number).cloned()
    }

    /// `POST …/create_flow_run`: 201, or 200 with the run that the key has already.
    pub(super) fn create(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let body = object(request, &CREATE)?;
        let parameters = match body.get("parameters") {
            None => serde_json::Map::new(),
            Some(Value::Object(parameters)) => parameters.clone(),
            Some(_) => {
                let text = "Input should be a valid dictionary";
                return Err(unprocessable("dict_type", "parameters", text));
            }
        };
        let key = match body.get("idempotency_key") {
            None | Some(Value::Null) => "",
            Some(Value::String(key)) => key,
            Some(_) => {
                let text = "Input should be a valid string";
                return Err(unprocessable("string_type", "idempotency_key", text));
            }
        };
        if !key.is_empty()
            && let Some(build) = self.builds.of_run(key).next()
        {
            return Ok(Response::json(200, &self.rendered(build)));
        }
        let text = |name: &str| parameters.get(name).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: key.to_owned(),
            commit: text("commit").to_owned(),
            git_ref: text("ref").to_owned(),
            inputs: parameters,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        let id = self.random.guid();
        self.ids.insert(build.number, id);
        Ok(Response::json(201, &self.rendered(&build)))
    }

    /// `POST …/flow_runs/filter`.
    pub(super) fn filter(&self, request: &Request) -> Result<Response, Response> {
        let body = object(request, &["flow_runs", "sort", "limit", "offset"])?;
        let of = body.get("flow_runs").cloned().unwrap_or_default();
        let keys = of.pointer("/idempotency_key/any_").and_then(Value::as_array);
        let matches = |build: &&Build| {
            !build.is_gone && keys.is_none_or(|keys| keys.iter().any(|key| *key == *build.run))
        };
        let found = self.builds.all().iter().filter(matches);
        let runs: Vec<_> = found.map(|build| self.rendered(build)).collect();
        Ok(Response::json(200, &json!(runs)))
    }

    /// `POST …/set_state`, which the server's rules accept, change or do not carry out: 201 or 200
    /// in any case.
    pub(super) fn set_state(&mut self, request: &Request, id: &str) -> Result<Response, Response> {
        let body = object(request, &["state", "force"])?;
        let kind = body.get("state").and_then(|state| state["type"].as_str());
        let Some(kind) = kind.filter(|kind| TYPES.contains(kind)) else {
            let text = "Input should be 'SCHEDULED', 'PENDING', 'RUNNING', … or 'CANCELLING'";
            return Err(unprocessable("enum", "state", text));
        };
        let build = self.run(id).ok_or_else(|| not_found("Flow run not found"))?;
        if build.state.is_final() {
            let details = json!({"type": "abort_details",
                "reason": "This run has already terminated."});
            let state = self.rendered(&build).get("state").cloned();
            let answer = json!({"state": state, "status": "ABORT", "details": details});
            return Ok(Response::json(200, &answer));
        }
        let status = match kind {
            // Nothing runs yet that could be told: it has ended at once.
            "CANCELLING" if build.state == State::Queued => "REJECT",
            _ => "ACCEPT",
        };
        match kind {
            "CANCELLING" => _ = self.builds.cancel(build.number),
            "CANCELLED" => {
                self.builds.cancel(build.number);
                self.builds.set_state(build.number, State::Cancelled);
            }
            _ => {}
        }
        let after = self.builds.get(build.number).unwrap_or(&build);
        let state = self.rendered(after).get("state").cloned();
        Ok(Response::json(
            201,
            &json!({"state": state, "status": status,
            "details": {"type": "accept_details"}}),
        ))
    }

    pub(super) fn rendered(&self, build: &Build) -> Value {
        let (kind, name, message) = match build.state {
            State::Queued => ("SCHEDULED", "Scheduled", Value::Null),
            State::Running if build.cancels > 0 => ("CANCELLING", "Cancelling", Value::Null),
            State::Running => ("RUNNING", "Running", Value::Null),
            State::Succeeded => ("COMPLETED", "Completed", Value::Null),
            State::Failed => {
                let text = "Flow run encountered an exception: AssertionError: 2 tests failed";
                ("FAILED", "Failed", json!(text))
            }
            State::Errored => {
                ("CRASHED", "Crashed", json!("Flow run infrastructure exited with status code 137"))
            }
            State::Cancelled => ("CANCELLED", "Cancelled", Value::Null),
        };
        let id = self.ids.get(&build.number).cloned().unwrap_or_default();
        let at = whole_seconds(build.started_ms);
        json!({
            "id": id,
            "created": at,
            "updated": at,
            "name": "gentle-otter",
            "flow_id": "1f1f9c0e-2f57-4a42-8a4b-5c9a0c1f7a10",
            "deployment_id": self.deployment,
            "idempotency_key": build.run,
            "parameters": build.inputs,
            "state_type": kind,
            "state_name": name,
            "state": {"type": kind, "name": name, "timestamp": at, "message": message},
        })
    }
}
