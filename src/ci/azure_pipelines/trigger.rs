//! Starts a run of the pipeline, which is then tagged for people.
//!
//! Source: Pipelines, "Runs - Run Pipeline". Template parameters have to be declared in the YAML of
//! the ref that is built, and their values are text.

use reqwest::Method;
use serde_json::{Value, json};

use super::{AzurePipelines, Permission, Ref};
use crate::ci::error::Error;
use crate::ci::trigger::Trigger;
use crate::domain::run::{Run, Started};

/// The tag of every build that the gateway has started.
const TAG: &str = "azdo-gateway";

impl AzurePipelines {
    /// The request to run the pipeline. `merge` is the merge commit of the pull request, where it
    /// is not known from the run.
    pub(super) fn body(
        &self,
        trigger: &Trigger<'_>,
        merge: Option<String>,
    ) -> Result<Value, Error> {
        let (git_ref, version) = self.built(trigger.run);
        let version = version.or(merge);
        let mut repository = json!({ "refName": git_ref });
        if let (Some(version), Some(fields)) = (version, repository.as_object_mut()) {
            fields.insert("version".into(), json!(version));
        }
        let mut parameters = trigger.inputs()?;
        if let Some(parameter) = &self.options.parameter {
            parameters.insert(parameter.clone(), trigger.run.id.to_string());
        }
        Ok(json!({
            "resources": { "repositories": { "self": repository } },
            "templateParameters": parameters,
        }))
    }

    /// The ref and the commit that are built.
    pub(super) fn built(&self, run: &Run) -> (String, Option<String>) {
        match &run.pull_request {
            Some(of) if self.options.git_ref == Ref::Merge => {
                (of.merge_ref.clone(), of.merge_commit.clone())
            }
            _ => (run.git_ref.clone(), Some(run.commit.clone())),
        }
    }

    pub(super) async fn run_pipeline(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        let pipeline = self.options.pipeline.to_string();
        let path = ["pipelines", &pipeline, "runs"];
        let merge = self.merge_of(trigger.run).await?;
        let body = Some(self.body(trigger, merge)?);
        let run = self.call(Permission::Execute, Method::POST, &path, &[], body).await?;
        let Some(id) = run.get("id").and_then(Value::as_i64) else {
            return Err(Error::ambiguous("its answer has no run"));
        };
        let id = id.to_string();
        self.tag(&id, trigger.run).await;
        let url = Some(self.web_url(&id));
        Ok(Started::Accepted { ci_id: Some(id), url })
    }

    /// Tags are for people, so a build without its tag is no problem.
    async fn tag(&self, build_id: &str, run: &Run) {
        for tag in [TAG.to_owned(), format!("{TAG}-run-{}", run.id)] {
            let path = ["build", "builds", build_id, "tags", &tag];
            let tagged = self.call(Permission::Execute, Method::PUT, &path, &[], None).await;
            if let Err(error) = tagged {
                tracing::debug!(run = %run.id, "the build is not tagged: {error}");
            }
        }
    }
}
