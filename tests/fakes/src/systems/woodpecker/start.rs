//! Starting a pipeline on the head of a branch.

use serde_json::{Map, Value};

use super::world::{Pipeline, World};
use crate::http::{Request, Response};
use crate::systems::{Build, State};

impl World {
    /// `POST …/pipelines`. Returns its number. Other keys of the body are ignored, its content type
    /// too.
    pub(super) fn start(&mut self, request: &Request, now_ms: i64) -> Result<u64, Response> {
        let refused = || Response::empty(400);
        let body = match serde_json::from_slice(&request.body) {
            Ok(Value::Object(body)) => body,
            _ => return Err(refused()),
        };
        let text = |name: &str| match body.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(refused()),
        };
        let (branch, message) = (text("branch")?, text("message")?);
        let variables = match body.get("variables") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(all)) if all.values().all(Value::is_string) => all.clone(),
            Some(_) => return Err(refused()),
        };
        // The forge is asked for the head; what it answers is an error of the server.
        let commit = self.branches.get(&branch).cloned().ok_or_else(|| Response::empty(500))?;
        if self.is_filtered {
            return Err(Response::empty(204).with_header("pipeline-filtered", "true"));
        }
        let run = variables.get(&self.run_variable).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: run.to_owned(),
            commit: String::new(),
            git_ref: branch.clone(),
            inputs: variables,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        let message = match message.as_str() {
            "" => format!("MANUAL PIPELINE @ {branch}"),
            _ => message,
        };
        let pipeline = Pipeline { commit, message, never_ran: false, shown: None };
        self.pipelines.insert(build.number, pipeline);
        Ok(build.number)
    }
}
