//! Azure Pipelines over REST: runs and builds, which are one thing with two faces.
//!
//! This file finds the pipeline and passes the call on. What tests set up is in `setup`.

/// Builds over REST: list, read, cancel, tag.
mod builds;
/// The event of a completed build.
mod completion;
/// What exists: pipelines and what a build has besides.
pub mod pipeline;
/// Refusals, in the shape that ADO gives them.
mod refusal;
/// Pipelines, runs and builds as JSON.
mod render;
/// What a test sets up, and what becomes of builds.
mod setup;
/// Starting a run.
mod start;
/// Whether a run may be started as asked.
mod validation;

pub use pipeline::{ParameterKind, Pipeline, QueueStatus, TemplateParameter};

use crate::ado::rest::refusal::{method_not_allowed, page_not_found};
use crate::ado::rest::route::{Call, Reply};
use crate::ado::security::permission::{Permission, Resource};
use crate::ado::security::scope::Scope;
use crate::ado::world::World;
use crate::http::Response;

impl World {
    /// Everything below `_apis/pipelines`.
    pub(crate) fn pipelines_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        let key = "PipelineNotFoundException";
        match (call.method(), tail) {
            ("POST", [id, "runs"]) => {
                call.needs(&[Scope::BuildExecute])?;
                let id = self.visible_pipeline(call, id, key)?.id;
                self.start_run(call, id)
            }
            ("POST", [id, "preview"]) => {
                call.needs(&[Scope::Build])?;
                self.preview_run(call, self.visible_pipeline(call, id, key)?)
            }
            ("GET", [id, "runs", run]) => {
                call.needs(&[Scope::Build])?;
                let pipeline = self.visible_pipeline(call, id, key)?;
                let number = run.parse().ok();
                let found = number.and_then(|number| pipeline.builds.get(number));
                let found = found.ok_or_else(|| refusal::run_unknown(run))?;
                Ok(Response::json(200, &self.run_json(pipeline, found)))
            }
            (method, [_, "runs" | "preview"] | [_, "runs", _]) => Err(method_not_allowed(method)),
            _ => Err(page_not_found()),
        }
    }

    /// Everything below `_apis/build`.
    pub(crate) fn build_call(&mut self, call: &Call<'_>, tail: &[&str]) -> Reply {
        match call.method() {
            "GET" => call.needs(&[Scope::Build])?,
            _ => call.needs(&[Scope::BuildExecute])?,
        }
        match (call.method(), tail) {
            ("GET", ["definitions", id]) => {
                let pipeline = self.visible_pipeline(call, id, "DefinitionNotFoundException")?;
                Ok(Response::json(200, &self.definition_json(pipeline)))
            }
            ("GET", ["builds"]) => self.list_builds(call),
            ("GET", ["builds", number]) => {
                let (pipeline, build) = self.visible_build(call, number)?;
                Ok(Response::json(200, &self.build_json(pipeline, build)))
            }
            ("PATCH", ["builds", number]) => self.change_build(call, number),
            ("PUT", ["builds", number, "tags", _]) => self.tag_build(call, number),
            (
                method,
                ["definitions", _] | ["builds"] | ["builds", _] | ["builds", _, "tags", _],
            ) => Err(method_not_allowed(method)),
            _ => Err(page_not_found()),
        }
    }

    /// The pipeline of that number in the project of the path. One that the caller may not see does
    /// not exist for it; `key` is what the refusal says then.
    fn visible_pipeline(
        &self,
        call: &Call<'_>,
        id: &str,
        key: &str,
    ) -> Result<&Pipeline, Response> {
        let project = call.project.as_ref().ok_or_else(page_not_found)?;
        let found = id.parse().ok().and_then(|id| self.pipelines.get(&id));
        let found = found.filter(|one| {
            self.repository(&one.repository).project == *project
                && self.may_with_pipeline(&call.caller.identity, Permission::ViewBuilds, one.id)
        });
        found.ok_or_else(|| refusal::pipeline_unknown(key, id))
    }

    pub(super) fn may_with_pipeline(
        &self,
        identity: &str,
        permission: Permission,
        id: u64,
    ) -> bool {
        let Some(pipeline) = self.pipelines.get(&id) else { return false };
        let project = self.repository(&pipeline.repository).project.clone();
        self.may_at(identity, permission, &Resource::of_pipeline(&project, id))
    }
}
