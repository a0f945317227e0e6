//! Jobs and builds as JSON, from what the world knows of them.

use serde_json::{Value, json};

use super::{Details, Kind, Parameter, World};
use crate::http::Request;
use crate::systems::{Build, State};

/// So many builds are in the property `builds`; `allBuilds` has all.
const NEWEST: usize = 100;

/// Jenkins itself.
pub(super) fn root(world: &World) -> Value {
    json!({
        "_class": "hudson.model.Hudson",
        "mode": "NORMAL",
        "nodeDescription": "the Jenkins controller's built-in node",
        "quietingDown": world.refuses_starts,
        "url": format!("{}/", world.base_url),
        "useCrumbs": true,
        "useSecurity": true,
    })
}

/// The folder that the job is in.
pub(super) fn folder(world: &World) -> Value {
    json!({
        "_class": "com.cloudbees.hudson.plugins.folder.Folder",
        "jobs": [{"_class": job_class(world), "name": world.names.last(), "url": job_url(world)}],
    })
}

/// The job. Without a tree its builds are numbers and addresses only.
pub(super) fn job(world: &World, request: &Request) -> Value {
    let is_whole = request.query.iter().any(|(key, _)| key == "tree");
    let executed = world.builds.all().iter().rev().filter_map(|one| world.executed(one.number));
    let all: Vec<_> = executed
        .map(|one| match is_whole {
            true => build(world, one),
            false => reference(world, one.number),
        })
        .collect();
    let newest: Vec<_> = all.iter().take(NEWEST).cloned().collect();
    let definitions: Vec<_> = world.parameters.iter().map(definition).collect();
    let mut properties = Vec::new();
    if !definitions.is_empty() {
        properties.push(json!({
            "_class": "hudson.model.ParametersDefinitionProperty",
            "parameterDefinitions": definitions,
        }));
    }
    let mut job = json!({
        "_class": job_class(world),
        "name": world.names.last(),
        "fullName": world.names.join("/"),
        "displayName": world.names.last(),
        "url": job_url(world),
        "buildable": !world.is_disabled,
        "disabled": world.is_disabled,
        "color": if world.is_disabled { "disabled" } else { "blue" },
        "inQueue": world.builds.all().iter().any(|one| world.is_waiting(one.number)),
        "builds": newest,
        "lastBuild": newest.first(),
        "nextBuildNumber": world.builds.all().len() + 1,
        "concurrentBuild": world.runs_concurrently,
        "property": properties,
    });
    if let Some(job) = job.as_object_mut().filter(|_| is_whole) {
        job.insert("allBuilds".to_owned(), Value::Array(all));
    }
    job
}

/// A build, with the id of the item that it was.
pub(super) fn build(world: &World, build: &Build) -> Value {
    let known = world.details.get(&build.number);
    let number = build.number;
    let is_building = build.state == State::Running;
    let shown = known.and_then(|known| known.result.as_ref());
    let shown = shown.filter(|(state, _)| *state == build.state).map(|(_, word)| word.as_str());
    let result = shown.or(match build.state {
        State::Queued | State::Running => None,
        State::Succeeded => Some("SUCCESS"),
        State::Failed => Some("FAILURE"),
        State::Errored => Some("NOT_BUILT"),
        State::Cancelled => Some("ABORTED"),
    });
    json!({
        "_class": build_class(world),
        "actions": known.map(|known| actions(world, known)),
        "building": is_building,
        "inProgress": is_building,
        "description": null,
        "displayName": format!("#{number}"),
        "fullDisplayName": format!("{} #{number}", world.names.join(" » ")),
        "duration": if is_building { 0 } else { 1_000 },
        "estimatedDuration": -1,
        "id": number.to_string(),
        "keepLog": false,
        "number": number,
        "queueId": world.item_id(number),
        "result": result,
        "timestamp": build.started_ms,
        "url": build_url(world, number),
    })
}

/// Parameters and causes, as items and builds have them. Passwords have no value.
pub(super) fn actions(world: &World, known: &Details) -> Value {
    let parameters = known.parameters.iter().map(|(name, value)| match value {
        Value::Bool(_) => {
            json!({"_class": "hudson.model.BooleanParameterValue", "name": name, "value": value})
        }
        _ if !is_shown(world, name) => {
            json!({"_class": "hudson.model.PasswordParameterValue", "name": name})
        }
        _ => json!({"_class": "hudson.model.StringParameterValue", "name": name, "value": value}),
    });
    let cause = json!({
        "_class": "hudson.model.Cause$UserIdCause",
        "shortDescription": format!("Started by user {}", known.user),
        "userId": known.user,
        "userName": known.user,
    });
    let causes = json!({"_class": "hudson.model.CauseAction", "causes": [cause]});
    match known.parameters.is_empty() {
        true => json!([causes]),
        false => json!([
            {
                "_class": "hudson.model.ParametersAction",
                "parameters": parameters.collect::<Vec<_>>(),
            },
            causes,
        ]),
    }
}

/// Whether Jenkins shows the value of a parameter.
pub(super) fn is_shown(world: &World, name: &str) -> bool {
    let of_name = world.parameters.iter().find(|parameter| parameter.name == name);
    of_name.is_none_or(|parameter| parameter.kind != Kind::Password)
}

pub(super) fn job_class(world: &World) -> &'static str {
    match world.is_pipeline {
        true => "org.jenkinsci.plugins.workflow.job.WorkflowJob",
        false => "hudson.model.FreeStyleProject",
    }
}

pub(super) fn build_class(world: &World) -> &'static str {
    match world.is_pipeline {
        true => "org.jenkinsci.plugins.workflow.job.WorkflowRun",
        false => "hudson.model.FreeStyleBuild",
    }
}

pub(super) fn job_url(world: &World) -> String {
    format!("{}{}/", world.base_url, world.job_path())
}

pub(super) fn build_url(world: &World, number: u64) -> String {
    format!("{}{number}/", job_url(world))
}

fn reference(world: &World, number: u64) -> Value {
    json!({"_class": build_class(world), "number": number, "url": build_url(world, number)})
}

fn definition(parameter: &Parameter) -> Value {
    let default = match parameter.kind {
        Kind::Boolean => json!(parameter.default == "true"),
        Kind::Password => Value::Null,
        _ => json!(parameter.default),
    };
    let kind = parameter.type_name();
    let mut json = json!({
        "_class": format!("hudson.model.{kind}"),
        "name": parameter.name,
        "type": kind,
        "description": "",
        "defaultParameterValue": {"name": parameter.name, "value": default},
    });
    if let (Kind::Choice(choices), Some(json)) = (&parameter.kind, json.as_object_mut()) {
        json.insert("choices".to_owned(), json!(choices));
    }
    json
}
