//! What a test sets up: pipelines, who may use them, and what becomes of their builds.

use std::collections::{BTreeMap, BTreeSet};

use super::pipeline::{Pipeline, QueueStatus, RUN_PARAMETER, Record, Shown, TemplateParameter};
use crate::ado::lookup::known;
use crate::ado::security::permission::{Permission, Resource};
use crate::ado::world::World;
use crate::systems::{Build, Builds, State};

impl World {
    /// Adds a pipeline whose YAML is in a repository, given by GUID, on every ref, and declares
    /// `azdo_gateway_run`. It belongs to the project of the repository. Returns its number.
    pub fn create_pipeline(&mut self, repository: &str, name: &str) -> u64 {
        let id = self.pipelines.keys().last().map_or(1, |last| last + 1);
        let pipeline = Pipeline {
            id,
            name: name.to_owned(),
            repository: self.repository(repository).id.clone(),
            queue_status: QueueStatus::Enabled,
            parameters: vec![TemplateParameter::optional(RUN_PARAMETER)],
            parameters_at: BTreeMap::new(),
            settable_variables: Vec::new(),
            problems: Vec::new(),
            builds: Builds::numbered_from(1),
            records: BTreeMap::new(),
            open: BTreeSet::new(),
            by: self.actor.clone(),
            created_ms: self.now_ms,
        };
        self.pipelines.insert(id, pipeline);
        id
    }

    /// The pipeline of that number.
    pub fn pipeline(&self, id: u64) -> &Pipeline {
        known(self.pipelines.get(&id), "pipeline", &id.to_string())
    }

    /// The pipeline of that number, to be changed.
    pub fn pipeline_mut(&mut self, id: u64) -> &mut Pipeline {
        known(self.pipelines.get_mut(&id), "pipeline", &id.to_string())
    }

    /// Denies a permission on one pipeline to an identity: to see its builds, to queue, stop or
    /// tag them.
    pub fn deny_for_pipeline(&mut self, identity: &str, permission: Permission, id: u64) {
        let project = self.repository(&self.pipeline(id).repository).project.clone();
        self.deny_at(identity, permission, Resource::of_pipeline(&project, id));
    }

    /// The builds of a pipeline, to be looked at and changed. Their numbers count across all
    /// pipelines. What was changed takes effect, and is announced, with the next call or delivery.
    pub fn builds_of(&mut self, pipeline: u64) -> &mut Builds {
        &mut self.pipeline_mut(pipeline).builds
    }

    /// The tags of a build, oldest first.
    pub fn build_tags(&self, number: u64) -> &[String] {
        let pipeline = known(self.pipeline_of(number), "build", &number.to_string());
        pipeline.records.get(&number).map_or(&[], |record| &record.tags)
    }

    /// Puts a build back into the queue and postpones it.
    pub fn postpone_build(&mut self, number: u64) {
        self.show(number, State::Queued, Shown::Postponed);
    }

    /// Completes a build as partially succeeded; among its states, that is failed.
    pub fn partially_succeed(&mut self, number: u64) {
        self.show(number, State::Failed, Shown::PartiallySucceeded);
    }

    /// Completes a build with the result `none`; among its states, that is errored.
    pub fn end_without_result(&mut self, number: u64) {
        self.show(number, State::Errored, Shown::NoResult);
    }

    /// Completes a build that could not run for these reasons: it has failed, and its
    /// `validationResults` have them.
    pub fn fail_validation(&mut self, number: u64, reasons: &[&str]) {
        let pipeline = self.pipeline_of_mut(number);
        pipeline.builds.set_state(number, State::Errored);
        if let Some(record) = pipeline.records.get_mut(&number) {
            record.problems = reasons.iter().map(|&reason| reason.to_owned()).collect();
        }
    }

    fn show(&mut self, number: u64, state: State, shown: Shown) {
        let pipeline = self.pipeline_of_mut(number);
        pipeline.builds.set_state(number, state);
        if let Some(record) = pipeline.records.get_mut(&number) {
            record.shown = Some(shown);
        }
    }

    /// Whether an identity may see a build.
    pub(in crate::ado) fn may_see_build(&self, identity: &str, number: u64) -> bool {
        let pipeline = self.pipeline_of(number);
        pipeline.is_some_and(|one| self.may_with_pipeline(identity, Permission::ViewBuilds, one.id))
    }

    /// The pipeline of a build.
    pub(super) fn pipeline_of(&self, number: u64) -> Option<&Pipeline> {
        self.pipelines.values().find(|one| one.records.contains_key(&number))
    }

    fn pipeline_of_mut(&mut self, number: u64) -> &mut Pipeline {
        let id = self.pipeline_of(number).map(|pipeline| pipeline.id);
        self.pipeline_mut(known(id, "build", &number.to_string()))
    }

    /// Notes when builds started and ended, and announces those that have ended.
    pub(in crate::ado) fn settle_builds(&mut self) {
        let now_ms = self.now_ms;
        let mut ended = Vec::new();
        for pipeline in self.pipelines.values_mut() {
            let Pipeline { builds, records, open, .. } = pipeline;
            open.retain(|&number| {
                let build = builds.get(number);
                let (Some(build), Some(record)) = (build, records.get_mut(&number)) else {
                    return false;
                };
                record.note(build, now_ms);
                if build.state.is_final() {
                    ended.push((pipeline.id, number));
                }
                !build.state.is_final()
            });
        }
        for (pipeline, number) in ended {
            self.announce_completion(pipeline, number);
        }
    }

    /// Whether a build has ended whose end was not announced.
    pub(in crate::ado) fn has_unsettled_build(&self) -> bool {
        self.pipelines.values().any(|one| {
            let has_ended =
                |number: &u64| one.builds.get(*number).is_none_or(|build| build.state.is_final());
            one.open.iter().any(has_ended)
        })
    }
}

impl Record {
    /// A build that could not run has no start, nor has one that was cancelled in the queue.
    fn note(&mut self, build: &Build, now_ms: i64) {
        if matches!(build.state, State::Running | State::Succeeded | State::Failed)
            && self.started_ms.is_none()
        {
            self.started_ms = Some(now_ms);
            self.changed_ms = now_ms;
        }
        if build.state.is_final() {
            self.finished_ms = Some(now_ms);
            self.changed_ms = now_ms;
        }
    }
}
