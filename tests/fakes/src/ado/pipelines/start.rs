//! Starting a run, and rendering one without starting it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::pipeline::{Pipeline, QueueStatus, RUN_PARAMETER, Record, WantedRun};
use super::refusal::{access_denied, disabled, not_queued};
use crate::ado::rest::query_parameters::number;
use crate::ado::rest::refusal::refuse_unless;
use crate::ado::rest::render::put;
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::Permission;
use crate::ado::world::World;
use crate::http::Response;
use crate::systems::{Build, State};
use crate::timestamp::rfc3339;

impl World {
    /// `POST _apis/pipelines/{id}/runs`.
    pub(super) fn start_run(&mut self, call: &Call<'_>, id: u64) -> Reply {
        let caller = call.caller.identity.clone();
        let pipeline = self.pipeline(id);
        if !self.may_with_pipeline(&caller, Permission::QueueBuilds, id) {
            let who = &self.identity(&caller).display_name;
            return Err(access_denied(who, "Queue builds", pipeline));
        }
        let wanted = self.wanted_run(pipeline, &requested(call, pipeline)?)?;
        if wanted.is_preview {
            return Ok(Response::json(200, &self.preview_as_run_json(pipeline, &wanted)));
        }
        if pipeline.queue_status == QueueStatus::Disabled {
            return Err(disabled(pipeline));
        }
        if !pipeline.problems.is_empty() {
            return Err(not_queued(&pipeline.problems));
        }
        let build = self.queue_build(id, wanted, caller);
        let pipeline = self.pipeline(id);
        Ok(Response::json(200, &self.run_json(pipeline, &build)))
    }

    /// `POST _apis/pipelines/{id}/preview`. It starts nothing, so it does not ask who may queue,
    /// nor whether the pipeline takes builds.
    pub(super) fn preview_run(&self, call: &Call<'_>, pipeline: &Pipeline) -> Reply {
        let mut body = requested(call, pipeline)?;
        put(&mut body, "previewRun", json!(true));
        let wanted = self.wanted_run(pipeline, &body)?;
        Ok(Response::json(200, &json!({"finalYaml": final_yaml(&wanted)})))
    }

    fn queue_build(&mut self, id: u64, wanted: WantedRun, by: String) -> Build {
        let (now_ms, plan) = (self.now_ms, self.random.guid());
        self.last_build += 1;
        let number = self.last_build;
        let pipeline = self.pipeline_mut(id);
        let run = wanted.parameters.get(RUN_PARAMETER).and_then(Value::as_str);
        let build = Build {
            number,
            run: run.unwrap_or_default().to_owned(),
            commit: wanted.version,
            git_ref: wanted.git_ref,
            inputs: wanted.parameters,
            state: State::Queued,
            started_ms: now_ms,
            cancels: 0,
            is_gone: false,
        };
        pipeline.builds.number_next(number);
        let mut build = pipeline.builds.add(build);
        if pipeline.queue_status == QueueStatus::Paused {
            pipeline.builds.set_state(number, State::Queued);
            build.state = State::Queued;
        }
        let day = rfc3339(now_ms).get(..10).unwrap_or_default().replace('-', "");
        let record = Record {
            build_number: format!("{day}.{}", pipeline.records.len() + 1),
            commit: wanted.commit,
            variables: wanted.variables,
            by,
            plan,
            tags: Vec::new(),
            shown: None,
            started_ms: None,
            finished_ms: None,
            changed_ms: now_ms,
            problems: Vec::new(),
        };
        pipeline.records.insert(number, record);
        pipeline.open.insert(number);
        self.settle_builds();
        build
    }

    /// What `previewRun` answers: a run that does not exist, with the YAML.
    fn preview_as_run_json(&self, pipeline: &Pipeline, wanted: &WantedRun) -> Value {
        json!({
            "id": -1,
            "state": "unknown",
            "finalYaml": final_yaml(wanted),
            "pipeline": self.pipeline_reference(pipeline),
            "templateParameters": wanted.parameters,
        })
    }
}

/// The body of a start or of a preview.
fn requested(call: &Call<'_>, pipeline: &Pipeline) -> Result<Value, Response> {
    if let Some(version) = number::<u64>(call.request, "pipelineVersion")? {
        let is_there = version == super::render::REVISION;
        refuse_unless(is_there, &format!("{} has no version {version}.", pipeline.name))?;
    }
    call.json()
}

fn final_yaml(wanted: &WantedRun) -> String {
    let given = BTreeMap::from_iter(&wanted.parameters);
    let lines = given.iter().map(|(name, value)| format!("# {name}: {value}\n"));
    let steps =
        "stages:\n- stage: __default\n  jobs:\n  - job: Job\n    steps:\n    - script: make\n";
    let own = wanted.yaml_override.as_deref().unwrap_or(steps);
    lines.chain([own.to_owned()]).collect()
}
