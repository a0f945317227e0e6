//! Starting a pipeline, by a trigger token or by an access token.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::refusal::{base, error, message, not_found};
use super::world::{Pipeline, World};
use crate::http::{Request, Response};
use crate::systems::{Build, State};

/// What a caller asked for.
struct Asked {
    git_ref: String,
    variables: BTreeMap<String, String>,
    inputs: Map<String, Value>,
    source: &'static str,
}

impl World {
    /// `POST …/trigger/pipeline`, form or JSON, with the trigger token in it.
    pub(super) fn trigger(
        &mut self,
        request: &Request,
        project: &str,
        now_ms: i64,
    ) -> Result<Response, Response> {
        // Pipelines that start each other by webhooks would never end.
        if request.header("x-gitlab-event") == Some("Pipeline Hook") {
            return Err(message(403, "403 Forbidden"));
        }
        let body = parameters(request)?;
        let missing: Vec<_> = ["token", "ref"]
            .into_iter()
            .filter(|name| !body.contains_key(*name))
            .map(|name| format!("{name} is missing"))
            .collect();
        if !missing.is_empty() {
            return Err(error(400, &missing.join(", ")));
        }
        let (token, git_ref) = (text(&body, "token")?, text(&body, "ref")?);
        if !self.is_called(project) || token != self.trigger_token {
            return Err(not_found(""));
        }
        let not_strings = || {
            let text = "400 Bad request - variables needs to be a map of key-valued strings";
            message(400, text)
        };
        let variables = object(&body, "variables")?
            .into_iter()
            .map(|(key, value)| Some((key, value.as_str()?.to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(not_strings)?;
        let inputs = object(&body, "inputs")?;
        self.add(Asked { git_ref, variables, inputs, source: "trigger" }, now_ms)
    }

    /// `POST …/pipeline`.
    pub(super) fn create(&mut self, request: &Request, now_ms: i64) -> Result<Response, Response> {
        let body = parameters(request)?;
        if !body.contains_key("ref") {
            return Err(error(400, "ref is missing"));
        }
        let git_ref = text(&body, "ref")?;
        let invalid = || error(400, "variables is invalid");
        let listed = match body.get("variables") {
            None => &[][..],
            Some(Value::Array(listed)) => listed,
            Some(_) => return Err(invalid()),
        };
        let mut variables = BTreeMap::new();
        for variable in listed {
            let text = |key: &str| variable.get(key).and_then(Value::as_str);
            if !["env_var", "file"].contains(&text("variable_type").unwrap_or("env_var")) {
                let refused = "variables[0][variable_type] does not have a valid value";
                return Err(error(400, refused));
            }
            let (key, value) = text("key").zip(text("value")).ok_or_else(invalid)?;
            variables.insert(key.to_owned(), value.to_owned());
        }
        let inputs = object(&body, "inputs")?;
        self.add(Asked { git_ref, variables, inputs, source: "api" }, now_ms)
    }

    fn add(&mut self, asked: Asked, now_ms: i64) -> Result<Response, Response> {
        let Asked { git_ref, variables, inputs, source } = asked;
        let short = git_ref.trim_start_matches("refs/heads/").trim_start_matches("refs/tags/");
        let sha = self.branches.get(short).cloned().ok_or_else(|| base("Reference not found"))?;
        if !variables.is_empty() && !self.permits_variables {
            return Err(base("Insufficient permissions to set pipeline variables"));
        }
        self.permit_inputs(&inputs)?;
        if self.has_no_jobs {
            return Err(base(
                "Pipeline will not run for the selected trigger. The rules configuration \
                 prevented any jobs from being added to the pipeline.",
            ));
        }
        let mut given = inputs.clone();
        given.extend(variables.iter().map(|(key, value)| (key.clone(), value.clone().into())));
        let pipeline = Pipeline {
            source,
            sha,
            is_tag: self.tags.contains(short),
            name: self.pipeline_name.as_deref().map(|name| named(name, &variables, &inputs)),
            variables,
            is_own: source == "api",
            shown: None,
        };
        let build = self.builds.add(Build {
            number: 0,
            run: self.run_in(&given),
            commit: String::new(),
            git_ref: short.to_owned(),
            inputs: given,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        });
        self.pipelines.insert(build.number, pipeline);
        let answer = self.rendered(build.number).ok_or_else(|| not_found(""))?;
        Ok(Response::json(201, &answer))
    }

    /// Refuses inputs that the configuration does not declare, or needs.
    fn permit_inputs(&self, inputs: &Map<String, Value>) -> Result<(), Response> {
        let unknown: Vec<_> =
            inputs.keys().filter(|name| !self.inputs.contains_key(*name)).cloned().collect();
        if !unknown.is_empty() {
            return Err(base(&format!(
                "Given inputs not defined in the `spec` section of the included configuration \
                 file: {}",
                unknown.join(", ")
            )));
        }
        if let Some((name, _)) = inputs.iter().find(|(_, value)| !value.is_string()) {
            return Err(base(&format!("`{name}` input: provided value is not a string")));
        }
        let is_missing = |name: &str, is_required: bool| is_required && !inputs.contains_key(name);
        match self.inputs.iter().find(|(name, required)| is_missing(name, **required)) {
            Some((name, _)) => {
                Err(base(&format!("`{name}` input: required value has not been provided")))
            }
            None => Ok(()),
        }
    }
}

/// `workflow: name` with its values.
fn named(
    template: &str,
    variables: &BTreeMap<String, String>,
    inputs: &Map<String, Value>,
) -> String {
    let name = inputs.iter().fold(template.to_owned(), |name, (key, value)| {
        name.replace(&format!("$[[ inputs.{key} ]]"), value.as_str().unwrap_or_default())
    });
    variables.iter().fold(name, |name, (key, value)| name.replace(&format!("${key}"), value))
}

/// The parameters of a call, from JSON or a form. Unknown ones are ignored.
fn parameters(request: &Request) -> Result<Map<String, Value>, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/json" => match serde_json::from_slice(&request.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(error(400, "The request body is not valid JSON")),
        },
        "application/x-www-form-urlencoded" => Ok(form(&request.body)),
        "" => Ok(request
            .query
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()))
            .collect()),
        other => Err(error(415, &format!("The provided content-type '{other}' is not supported."))),
    }
}

/// A form, in which `a[b]=c` is an object.
fn form(body: &[u8]) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (key, value) in url::form_urlencoded::parse(body).into_owned() {
        let inner = key
            .split_once('[')
            .and_then(|(outer, rest)| Some((outer.to_owned(), rest.strip_suffix(']')?.to_owned())));
        match inner {
            None => _ = parameters.insert(key, value.into()),
            Some((outer, inner)) => {
                let entry = parameters.entry(outer).or_insert_with(|| Map::new().into());
                if let Some(object) = entry.as_object_mut() {
                    object.insert(inner, value.into());
                }
            }
        }
    }
    parameters
}

fn text(body: &Map<String, Value>, name: &str) -> Result<String, Response> {
    let value = body.get(name).and_then(Value::as_str).map(str::to_owned);
    value.ok_or_else(|| error(400, &format!("{name} is invalid")))
}

fn object(body: &Map<String, Value>, name: &str) -> Result<Map<String, Value>, Response> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(error(400, &format!("{name} is invalid"))),
    }
}
