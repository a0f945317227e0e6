//! Starting the workflow.

use serde_json::{Map, Value, json};

use super::refusal::{error, invalid_request};
use super::route::NO_EMPTY_DISPATCH;
use super::token::{Level, Token};
use super::world::{Run, RunDetails, World};
use crate::http::{Request, Response};
use crate::systems::{Build, State};

/// How many inputs a dispatch may have.
const INPUTS_MAX: usize = 25;
/// How long all inputs together may be.
const INPUTS_MAX_CHARACTERS: usize = 65_535;
/// How many keys the payload of a `repository_dispatch` may have, how long it may be, and how long
/// the type of its event.
const PAYLOAD_KEYS_MAX: usize = 10;
const PAYLOAD_MAX_BYTES: usize = 64 * 1024;
const EVENT_TYPE_MAX_CHARACTERS: usize = 100;

impl World {
    /// `POST …/workflows/{workflow}/dispatches`.
    pub(super) fn dispatch(
        &mut self,
        request: &Request,
        token: &Token,
        workflow: &str,
        now_ms: i64,
    ) -> Result<Response, Response> {
        token.may_act(Level::Write)?;
        self.known_workflow(workflow)?;
        let body = object(request)?;
        let (git_ref, inputs, wants_details) = self.asked(&body)?;
        let Some((full, head_sha)) = self.found_ref(&git_ref) else {
            return Err(error(422, &format!("No ref found for: {git_ref}")));
        };
        self.workflow.permit(&inputs)?;
        if self.workflow.state != "active" {
            let message = "Cannot trigger a 'workflow_dispatch' on a disabled workflow";
            return Err(error(422, message));
        }
        let branch = full.rsplit_once("refs/heads/").map_or(full.as_str(), |(_, name)| name);
        let run = Run {
            title: self.workflow.title(&inputs),
            branch: branch.trim_start_matches("refs/tags/").to_owned(),
            head_sha,
            attempt: 1,
            shown: None,
        };
        let carried = inputs.get(&self.run_input).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: carried.to_owned(),
            commit: String::new(),
            git_ref,
            inputs,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        self.runs.insert(build.number, run);
        let is_always = request.header("x-github-api-version") == Some(NO_EMPTY_DISPATCH);
        let has_details = (wants_details || is_always) && self.run_details == RunDetails::Given;
        Ok(match has_details {
            true => Response::json(
                200,
                &json!({
                    "workflow_run_id": build.number,
                    "run_url": self.run_url(build.number),
                    "html_url": self.run_page(build.number),
                }),
            ),
            false => Response::empty(204),
        })
    }

    /// Ref and inputs of a dispatch, and whether it asks for the run.
    fn asked(
        &self,
        body: &Map<String, Value>,
    ) -> Result<(String, Map<String, Value>, bool), Response> {
        let is_permitted = |key: &&String| match key.as_str() {
            "ref" | "inputs" => true,
            "return_run_details" => self.run_details != RunDetails::Refused,
            _ => false,
        };
        if let Some(key) = body.keys().find(|key| !is_permitted(key)) {
            return Err(invalid_request(&format!("\"{key}\" is not a permitted key.")));
        }
        let wrong = |name: &str, value: &Value, wanted: &str| {
            invalid_request(&format!("For 'properties/{name}', {value} is not {wanted}."))
        };
        let git_ref = match body.get("ref") {
            None => return Err(invalid_request("\"ref\" wasn't supplied.")),
            Some(Value::String(git_ref)) => git_ref.clone(),
            Some(other) => return Err(wrong("ref", other, "a string")),
        };
        let wants_details = match body.get("return_run_details") {
            None => false,
            Some(Value::Bool(wants)) => *wants,
            Some(other) => return Err(wrong("return_run_details", other, "a boolean")),
        };
        Ok((git_ref, inputs_of(body)?, wants_details))
    }

    /// `POST …/dispatches`, which no workflow of this repository listens to.
    pub(super) fn repository_dispatch(
        &self,
        request: &Request,
        token: &Token,
    ) -> Result<Response, Response> {
        token.may_open(Level::Write)?;
        let body = object(request)?;
        let event = body.get("event_type").and_then(Value::as_str).unwrap_or_default();
        if event.is_empty() {
            return Err(invalid_request("\"event_type\" wasn't supplied."));
        }
        let payload = body.get("client_payload").cloned().unwrap_or_else(|| json!({}));
        let keys = payload.as_object().map(Map::len);
        if event.chars().count() > EVENT_TYPE_MAX_CHARACTERS
            || keys.is_none_or(|keys| keys > PAYLOAD_KEYS_MAX)
            || payload.to_string().len() >= PAYLOAD_MAX_BYTES
        {
            return Err(error(422, "Validation Failed"));
        }
        Ok(Response::empty(204))
    }

    /// Asks a run to cancel. Forced, it does not go on with what runs always.
    pub(super) fn cancel(&mut self, number: u64, is_forced: bool) {
        self.builds.cancel(number);
        if is_forced {
            self.builds.set_state(number, State::Cancelled);
        }
        let ends = self.builds.get(number).is_some_and(|build| build.state.is_final());
        if let Some(run) = self.runs.get_mut(&number).filter(|_| ends) {
            run.shown = None;
        }
    }

    /// The full name of a branch or tag, and its commit. A commit is neither.
    pub(super) fn found_ref(&self, name: &str) -> Option<(String, String)> {
        let names = [name.to_owned(), format!("refs/heads/{name}"), format!("refs/tags/{name}")];
        names.into_iter().find_map(|full| {
            let sha = self.refs.get(&full)?.clone();
            Some((full, sha))
        })
    }
}

/// The body, which has to be a JSON object; its content type does not matter.
fn object(request: &Request) -> Result<Map<String, Value>, Response> {
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(body)) => Ok(body),
        Ok(_) => Err(error(400, "Body should be a JSON object")),
        Err(_) => Err(error(400, "Problems parsing JSON")),
    }
}

fn inputs_of(body: &Map<String, Value>) -> Result<Map<String, Value>, Response> {
    let inputs = match body.get("inputs") {
        None => Map::new(),
        Some(Value::Object(inputs)) => inputs.clone(),
        Some(other) => {
            let message = format!("For 'properties/inputs', {other} is not an object.");
            return Err(invalid_request(&message));
        }
    };
    if inputs.len() > INPUTS_MAX {
        return Err(invalid_request(&format!(
            "For 'properties/inputs', object has more than {INPUTS_MAX} properties."
        )));
    }
    if let Some((name, value)) = inputs.iter().find(|(_, value)| !value.is_string()) {
        let message = format!("For 'properties/inputs/{name}', {value} is not a string.");
        return Err(invalid_request(&message));
    }
    let characters = inputs.values().filter_map(Value::as_str).map(|text| text.chars().count());
    if characters.sum::<usize>() > INPUTS_MAX_CHARACTERS {
        return Err(error(422, "inputs are too large."));
    }
    Ok(inputs)
}
