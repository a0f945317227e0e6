//! Whether a run may be started as asked. Where a rule is not documented, the strict reading
//! applies.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::pipeline::{ParameterKind, Pipeline, TemplateParameter, Variable, WantedRun};
use super::refusal::{not_allowed, not_queued};
use crate::ado::actions::merging::descends;
use crate::ado::model::Repository;
use crate::ado::rest::refusal::{bad_request, refuse_unless};
use crate::ado::world::World;
use crate::http::Response;

const BODY: [&str; 6] =
    ["previewRun", "resources", "stagesToSkip", "templateParameters", "variables", "yamlOverride"];
const RESOURCES: [&str; 5] = ["builds", "containers", "packages", "pipelines", "repositories"];
const REPOSITORY: [&str; 4] = ["refName", "token", "tokenType", "version"];

impl World {
    /// Reads and validates the body of a start or of a preview.
    pub(super) fn wanted_run(
        &self,
        pipeline: &Pipeline,
        body: &Value,
    ) -> Result<WantedRun, Response> {
        let body = body.as_object().ok_or_else(|| bad_request("The body must be an object."))?;
        only(body, &BODY, "runParameters")?;
        let is_preview = match body.get("previewRun") {
            None | Some(Value::Null) => false,
            Some(given) => {
                given.as_bool().ok_or_else(|| bad_request("previewRun must be true or false."))?
            }
        };
        let yaml_override = body.get("yamlOverride").and_then(Value::as_str).map(str::to_owned);
        refuse_unless(is_preview || yaml_override.is_none(), "yamlOverride is for previews only.")?;
        let (git_ref, version) = asked_ref(body)?;
        let repository = self.repository(&pipeline.repository);
        let git_ref = git_ref.or_else(|| repository.default_branch.clone()).unwrap_or_default();
        let commit = resolved(repository, &git_ref, &version)?;
        let declared = pipeline.declared_at(&git_ref).ok_or_else(|| {
            let text = format!(
                "File /azure-pipelines.yml not found in repository {} branch {git_ref} version \
                 {commit}.",
                repository.name
            );
            not_queued(&[text])
        })?;
        let parameters = object(body, "templateParameters")?;
        check_parameters(declared, &parameters)?;
        let variables = variables(pipeline, &object(body, "variables")?)?;
        check_stages(body)?;
        Ok(WantedRun { git_ref, version, commit, parameters, variables, is_preview, yaml_override })
    }
}

/// The ref and the version of `self`.
fn asked_ref(body: &Map<String, Value>) -> Result<(Option<String>, String), Response> {
    let resources = object(body, "resources")?;
    only(&resources, &RESOURCES, "resources")?;
    let repositories = object(&resources, "repositories")?;
    for name in resources.keys().filter(|name| *name != "repositories") {
        let none = object(&resources, name)?;
        if let Some(one) = none.keys().next() {
            return Err(not_allowed(&format!("The pipeline has no resource {one} in {name}.")));
        }
    }
    if let Some(other) = repositories.keys().find(|name| *name != "self") {
        return Err(not_allowed(&format!("The pipeline has no repository resource {other}.")));
    }
    let own = object(&repositories, "self")?;
    only(&own, &REPOSITORY, "self")?;
    let text = |key: &str| match own.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(bad_request(&format!("{key} must be text."))),
    };
    Ok((text("refName")?, text("version")?.unwrap_or_default()))
}

/// The commit that is built: the head of the ref, or the version, which must be reachable from it.
/// The ref of a pull request is there only where its last finished merge attempt succeeded.
fn resolved(repository: &Repository, git_ref: &str, version: &str) -> Result<String, Response> {
    let head = repository.refs.get(git_ref);
    let is_reachable = !repository.is_disabled && !repository.is_deleted;
    let Some(head) = head.filter(|_| is_reachable && git_ref.starts_with("refs/")) else {
        let text = format!(
            "Could not get the latest source version for repository {} hosted on Azure Repos using \
             ref {git_ref}.",
            repository.name
        );
        return Err(not_queued(&[text]));
    };
    let head = repository.tag_objects.get(head).unwrap_or(head);
    if version.is_empty() {
        return Ok(head.clone());
    }
    let is_there = repository.commits.contains_key(version) && descends(repository, head, version);
    if is_there {
        return Ok(version.to_owned());
    }
    let text = format!("The commit {version} was not found in {} on {git_ref}.", repository.name);
    Err(not_queued(&[text]))
}

fn check_parameters(
    declared: &[TemplateParameter],
    given: &Map<String, Value>,
) -> Result<(), Response> {
    for (name, value) in given {
        let text = value
            .as_str()
            .ok_or_else(|| bad_request(&format!("templateParameters.{name} must be text.")))?;
        let known = declared.iter().find(|one| one.name.eq_ignore_ascii_case(name));
        let known = known.ok_or_else(|| {
            not_allowed(&format!("/azure-pipelines.yml: Unexpected parameter '{name}'"))
        })?;
        let fits = match known.kind {
            ParameterKind::String => true,
            ParameterKind::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            ParameterKind::Boolean => {
                text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false")
            }
        };
        if !fits || !(known.values.is_empty() || known.values.iter().any(|one| one == text)) {
            return Err(not_allowed(&format!(
                "/azure-pipelines.yml: The '{name}' parameter value '{text}' is not valid."
            )));
        }
    }
    for one in declared.iter().filter(|one| one.default.is_none()) {
        if !given.keys().any(|name| one.name.eq_ignore_ascii_case(name)) {
            return Err(not_allowed(&format!(
                "/azure-pipelines.yml: A value for the '{}' parameter must be provided.",
                one.name
            )));
        }
    }
    Ok(())
}

fn variables(
    pipeline: &Pipeline,
    given: &Map<String, Value>,
) -> Result<BTreeMap<String, Variable>, Response> {
    let mut variables = BTreeMap::new();
    for (name, content) in given {
        let malformed =
            || bad_request(&format!("variables.{name} must have a value and may be a secret."));
        let content = content.as_object().ok_or_else(malformed)?;
        only(content, &["value", "isSecret"], name)?;
        let value = content.get("value").and_then(Value::as_str).ok_or_else(malformed)?.to_owned();
        let is_secret = match content.get("isSecret") {
            None | Some(Value::Null) => false,
            Some(given) => given.as_bool().ok_or_else(malformed)?,
        };
        if !pipeline.settable_variables.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            return Err(not_allowed(&format!(
                "You can't set the following variables ({name}): they are not settable at queue \
                 time."
            )));
        }
        variables.insert(name.clone(), Variable { value, is_secret });
    }
    Ok(variables)
}

/// The pipelines here have no named stages that could be skipped.
fn check_stages(body: &Map<String, Value>) -> Result<(), Response> {
    match body.get("stagesToSkip") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(stages)) => match stages.first() {
            None => Ok(()),
            Some(stage) => Err(not_allowed(&format!("There is no stage {stage}."))),
        },
        Some(_) => Err(bad_request("stagesToSkip must be a list.")),
    }
}

/// The object at a key; empty where there is none.
fn object(of: &Map<String, Value>, key: &str) -> Result<Map<String, Value>, Response> {
    match of.get(key) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object.clone()),
        Some(_) => Err(bad_request(&format!("{key} must be an object."))),
    }
}

/// Refuses what the published document does not have, in which ADO may be more lenient.
fn only(given: &Map<String, Value>, known: &[&str], what: &str) -> Result<(), Response> {
    let other = given.keys().find(|key| !known.contains(&key.as_str()));
    other.map_or(Ok(()), |key| Err(bad_request(&format!("{what} has no {key}."))))
}
