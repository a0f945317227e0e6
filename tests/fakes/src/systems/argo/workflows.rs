//! Workflows: submitted under the name that the caller chose, shown, stopped.

use serde_json::{Map, Value, json};

use super::route::error;
use super::world::World;
use crate::http::{Request, Response};
use crate::systems::service_accounts::is_name;
use crate::systems::{Build, State};
use crate::timestamp::whole_seconds;

impl World {
    /// The workflow of that name.
    pub(super) fn run(&self, name: &str) -> Option<Build> {
        self.builds.of_run(name).next().cloned()
    }

    /// `POST …/submit`.
    pub(super) fn submit(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let Ok(Value::Object(body)) = serde_json::from_slice(&request.body) else {
            return Err(error(400, "json: cannot unmarshal into Go value"));
        };
        let known = ["namespace", "resourceKind", "resourceName", "submitOptions"];
        if let Some(other) = body.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(error(400, &format!("json: unknown field \"{other}\"")));
        }
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        match text("resourceKind") {
            "workflowtemplate" | "WorkflowTemplate" => {}
            other => {
                let message = format!("resource kind '{other}' is not supported for submission");
                return Err(error(500, &message));
            }
        }
        if text("resourceName") != self.template {
            let name = text("resourceName");
            let message = format!("workflowtemplates.argoproj.io \"{name}\" not found");
            return Err(error(404, &message));
        }
        let options = body.get("submitOptions").cloned().unwrap_or_default();
        let name = match options.get("name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None => format!("{}-{:05x}", self.template, self.random.below(1 << 20)),
        };
        if !is_name(&name) {
            let message = format!(
                "Workflow.argoproj.io \"{name}\" is invalid: metadata.name: Invalid value: \
                 \"{name}\": a lowercase RFC 1123 subdomain must consist of lower case \
                 alphanumeric characters, '-' or '.'"
            );
            return Err(error(400, &message));
        }
        let mut inputs = Map::new();
        let parameters = options.get("parameters").and_then(Value::as_array);
        for parameter in parameters.into_iter().flatten() {
            let parameter = parameter.as_str().unwrap_or_default();
            let Some((name, value)) = parameter.split_once('=') else {
                let message =
                    format!("expected parameter of the form: NAME=VALUE. Received: {parameter}");
                return Err(error(500, &message));
            };
            inputs.insert(name.to_owned(), json!(value));
        }
        if self.run(&name).is_some() {
            return Err(error(409, &format!("workflows.argoproj.io \"{name}\" already exists")));
        }
        let input = |key: &str| inputs.get(key).and_then(Value::as_str).unwrap_or_default();
        let build = self.builds.add(Build {
            number: 0,
            run: name,
            commit: input("commit").to_owned(),
            git_ref: input("ref").to_owned(),
            inputs,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        Ok(Response::json(200, &self.rendered(&build)))
    }

    /// `PUT …/{name}/stop` and `…/terminate`.
    pub(super) fn stop(
        &mut self,
        request: &Request,
        build: &Build,
        is_terminate: bool,
    ) -> Result<Response, Response> {
        if !matches!(serde_json::from_slice(&request.body), Ok(Value::Object(_))) {
            return Err(error(400, "EOF"));
        }
        if build.state.is_final() {
            let message = format!(
                "cannot shutdown a completed workflow: workflow: {:?}, namespace: {:?}",
                build.run, self.namespace
            );
            return Err(error(500, &message));
        }
        self.is_terminated = is_terminate;
        self.builds.cancel(build.number);
        let build = self.builds.get(build.number).unwrap_or(build);
        Ok(Response::json(200, &self.rendered(build)))
    }

    /// `GET …/{name}`, whole or the `fields` of its status that are asked for.
    pub(super) fn shown(&self, request: &Request, build: &Build) -> Response {
        let whole = self.rendered(build);
        let Some(fields) = request.query("fields") else { return Response::json(200, &whole) };
        let mut part = Map::new();
        for field in fields.split(',') {
            let Some((above, name)) = field.split_once('.') else { continue };
            let Some(value) = whole.get(above).and_then(|it| it.get(name)) else { continue };
            let table = part.entry(above).or_insert_with(|| json!({}));
            if let Some(table) = table.as_object_mut() {
                table.insert(name.to_owned(), value.clone());
            }
        }
        Response::json(200, &Value::Object(part))
    }

    /// A workflow. One that the controller has not looked at has no phase.
    pub(super) fn rendered(&self, build: &Build) -> Value {
        let (phase, message) = match build.state {
            State::Queued => ("", ""),
            State::Running => ("Running", ""),
            State::Succeeded => ("Succeeded", ""),
            State::Failed => ("Failed", "child 'build-1' failed"),
            State::Errored => ("Error", "unable to pull the image"),
            State::Cancelled if self.is_terminated => {
                ("Failed", "Stopped with strategy 'Terminate'")
            }
            State::Cancelled => ("Failed", "Stopped with strategy 'Stop'"),
        };
        let mut status = Map::new();
        for (name, text) in [("phase", phase), ("message", message)] {
            if !text.is_empty() {
                status.insert(name.to_owned(), json!(text));
            }
        }
        let parameters: Vec<_> = build
            .inputs
            .iter()
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": build.run, "namespace": self.namespace,
                "creationTimestamp": whole_seconds(build.started_ms)},
            "spec": {"arguments": {"parameters": parameters},
                "workflowTemplateRef": {"name": self.template}},
            "status": status,
        })
    }
}
