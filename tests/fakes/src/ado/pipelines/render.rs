//! Pipelines, runs and builds as JSON. The keys are those of Microsoft's OpenAPI documents (7.1); a
//! test compares them.

use serde_json::{Map, Value, json};

use super::pipeline::{Pipeline, Record, Shown};
use crate::ado::rest::render::put;
use crate::ado::world::World;
use crate::systems::{Build, State};
use crate::timestamp::{precise, rfc3339};

/// The revision of every pipeline.
pub(super) const REVISION: u64 = 1;

impl World {
    /// The base URL of the APIs in the project of a pipeline, without `_apis`.
    fn project_url(&self, pipeline: &Pipeline) -> String {
        let repository = self.repository(&pipeline.repository);
        format!("{}/{}", self.organization_url(&repository.organization), repository.project)
    }

    /// A `Build`.
    pub(super) fn build_json(&self, pipeline: &Pipeline, build: &Build) -> Value {
        let number = build.number;
        let Some(record) = pipeline.records.get(&number) else { return Value::Null };
        let repository = self.repository(&pipeline.repository);
        let project = self.project_url(pipeline);
        let url = format!("{project}/_apis/build/Builds/{number}");
        let requester = self.identity_json(&record.by, &repository.organization);
        let mut value = json!({
            "_links": {
                "self": {"href": url},
                "web": {"href": format!("{project}/_build/results?buildId={number}")},
                "sourceVersionDisplayUri": {"href": format!("{url}/sources")},
                "timeline": {"href": format!("{url}/Timeline")},
                "badge": {"href": format!("{project}/_apis/build/status/{}", pipeline.id)},
            },
            "properties": {},
            "tags": record.tags,
            "validationResults": problems(build, record),
            "plans": [{"planId": record.plan}],
            "templateParameters": build.inputs,
            "triggerInfo": {},
            "id": number,
            "buildNumber": record.build_number,
            "status": status(build, record),
            "queueTime": precise(build.started_ms),
            "url": url,
            "definition": self.definition_reference(pipeline),
            "buildNumberRevision": 1,
            "project": self.project_json(&repository.project),
            "uri": format!("vstfs:///Build/Build/{number}"),
            "sourceBranch": build.git_ref,
            "sourceVersion": record.commit,
            "queue": {
                "id": 18,
                "name": "Azure Pipelines",
                "pool": {"id": 9, "name": "Azure Pipelines", "isHosted": true},
            },
            "priority": "normal",
            "reason": "manual",
            "requestedFor": requester,
            "requestedBy": requester,
            "lastChangedDate": rfc3339(record.changed_ms),
            "lastChangedBy": requester,
            "orchestrationPlan": {"planId": record.plan},
            "logs": {"id": 0, "type": "Container", "url": format!("{url}/logs")},
            "repository": self.build_repository(pipeline),
            "retainedByRelease": false,
            "triggeredByBuild": null,
            "appendCommitMessageToRunName": true,
        });
        if !record.variables.is_empty() {
            let shown = record.variables.iter().filter(|(_, one)| !one.is_secret);
            let shown: Map<_, _> =
                shown.map(|(name, one)| (name.clone(), json!(one.value))).collect();
            put(&mut value, "parameters", json!(Value::Object(shown).to_string()));
        }
        if let Some(result) = result(build, record) {
            put(&mut value, "result", json!(result));
            let finished = record.finished_ms.unwrap_or(self.now_ms);
            put(&mut value, "finishTime", json!(precise(finished)));
        }
        if let Some(started_ms) = record.started_ms {
            put(&mut value, "startTime", json!(precise(started_ms)));
        }
        value
    }

    fn build_repository(&self, pipeline: &Pipeline) -> Value {
        let repository = self.repository(&pipeline.repository);
        json!({
            "id": repository.id,
            "type": "TfsGit",
            "name": repository.name,
            "url": self.repository_json(repository).get("webUrl"),
            "clean": null,
            "checkoutSubmodules": false,
        })
    }

    fn definition_reference(&self, pipeline: &Pipeline) -> Value {
        let id = pipeline.id;
        let url = format!("{}/_apis/build/Definitions/{id}", self.project_url(pipeline));
        json!({
            "id": id,
            "name": pipeline.name,
            "url": format!("{url}?revision={REVISION}"),
            "uri": format!("vstfs:///Build/Definition/{id}"),
            "path": "\\",
            "type": "build",
            "queueStatus": pipeline.queue_status.name(),
            "revision": REVISION,
            "project": self.project_json(&self.repository(&pipeline.repository).project),
        })
    }

    /// A `BuildDefinition`.
    pub(super) fn definition_json(&self, pipeline: &Pipeline) -> Value {
        let repository = self.repository(&pipeline.repository);
        let mut value = self.definition_reference(pipeline);
        let settable = |name: &String| (name.clone(), json!({"value": "", "allowOverride": true}));
        let variables: Map<_, _> = pipeline.settable_variables.iter().map(settable).collect();
        let own = self.build_repository(pipeline);
        for (key, content) in [
            ("authoredBy", self.identity_json(&pipeline.by, &repository.organization)),
            ("createdDate", json!(rfc3339(pipeline.created_ms))),
            ("drafts", json!([])),
            ("quality", json!("definition")),
            ("process", json!({"type": 2})),
            ("repository", own),
            ("variables", Value::Object(variables)),
            ("jobAuthorizationScope", json!("project")),
            ("jobTimeoutInMinutes", json!(60)),
            ("triggers", json!([])),
            ("tags", json!([])),
        ] {
            put(&mut value, key, content);
        }
        value
    }

    pub(super) fn pipeline_reference(&self, pipeline: &Pipeline) -> Value {
        let id = pipeline.id;
        let url = format!("{}/_apis/pipelines/{id}", self.project_url(pipeline));
        json!({
            "id": id,
            "name": pipeline.name,
            "folder": "\\",
            "revision": REVISION,
            "url": format!("{url}?revision={REVISION}"),
        })
    }

    /// A `Run`, which knows fewer states and results than a build.
    pub(super) fn run_json(&self, pipeline: &Pipeline, build: &Build) -> Value {
        let number = build.number;
        let Some(record) = pipeline.records.get(&number) else { return Value::Null };
        let project = self.project_url(pipeline);
        let own = format!("{project}/_apis/pipelines/{}", pipeline.id);
        let web = format!("{project}/_build/results?buildId={number}");
        let definition = format!("{project}/_build/definition?definitionId={}", pipeline.id);
        let variable = |(name, one): (&String, &super::pipeline::Variable)| {
            let value = if one.is_secret { Value::Null } else { json!(one.value) };
            (name.clone(), json!({"value": value, "isSecret": one.is_secret}))
        };
        let variables: Map<_, _> = record.variables.iter().map(variable).collect();
        let mut value = json!({
            "_links": {
                "self": {"href": format!("{own}/runs/{number}")},
                "web": {"href": web},
                "pipeline": {"href": format!("{own}?revision={REVISION}")},
                "pipeline.web": {"href": definition},
            },
            "id": number,
            "name": record.build_number,
            "state": match (build.state, build.cancels) {
                (State::Queued, _) | (State::Running, 0) => "inProgress",
                (State::Running, _) => "canceling",
                _ => "completed",
            },
            "createdDate": precise(build.started_ms),
            "url": format!("{own}/runs/{number}"),
            "pipeline": self.pipeline_reference(pipeline),
            "templateParameters": build.inputs,
            "variables": variables,
            "resources": {"repositories": {"self": {
                "repository": {"type": "azureReposGit"},
                "refName": build.git_ref,
                "version": record.commit,
            }}},
        });
        if let Some(result) = result(build, record) {
            let result = match result {
                // A run has no word for it; which one ADO takes is not documented. This is the one
                // that misleads most.
                "partiallySucceeded" => "succeeded",
                "none" => "unknown",
                other => other,
            };
            put(&mut value, "result", json!(result));
            let finished = record.finished_ms.unwrap_or(self.now_ms);
            put(&mut value, "finishedDate", json!(precise(finished)));
        }
        value
    }
}

fn status(build: &Build, record: &Record) -> &'static str {
    match build.state {
        State::Queued if record.shown == Some(Shown::Postponed) => "postponed",
        State::Queued => "notStarted",
        State::Running if build.cancels > 0 => "cancelling",
        State::Running => "inProgress",
        _ => "completed",
    }
}

/// None while the build goes on.
pub(super) fn result(build: &Build, record: &Record) -> Option<&'static str> {
    Some(match build.state {
        State::Queued | State::Running => return None,
        State::Succeeded => "succeeded",
        State::Failed if record.shown == Some(Shown::PartiallySucceeded) => "partiallySucceeded",
        State::Errored if record.shown == Some(Shown::NoResult) => "none",
        State::Failed | State::Errored => "failed",
        State::Cancelled => "canceled",
    })
}

/// The `validationResults`. A build that has begun and errored has at least one; of one that never
/// began, only the missing start may tell.
fn problems(build: &Build, record: &Record) -> Value {
    let one = |message: &str| json!({"result": "error", "message": message});
    let is_told = record.shown.is_some() || !record.problems.is_empty();
    if build.state == State::Errored && record.started_ms.is_some() && !is_told {
        return json!([one("The pipeline is not valid. Job Job: no pool was specified.")]);
    }
    record.problems.iter().map(|message| one(message)).collect()
}
