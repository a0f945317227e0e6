//! Starts a build of the run's commit on its branch.

use reqwest::Method;
use serde_json::json;

use super::{Buildkite, RUN_KEY};
use crate::ci::client::Call;
use crate::ci::error::Error;
use crate::ci::template::short_ref;
use crate::ci::trigger::Trigger;

impl Buildkite {
    pub(super) fn trigger_call(&self, trigger: &Trigger<'_>) -> Result<Call, Error> {
        let run = trigger.run;
        let mut body = json!({
            "commit": run.commit,
            "branch": short_ref(&run.git_ref),
            "message": run.reason,
            "env": trigger.inputs()?,
            "meta_data": { RUN_KEY: run.id },
            // A filter of the pipeline would refuse the build.
            "ignore_pipeline_branch_filters": true,
        });
        if let (Some(of), Some(fields)) = (&run.pull_request, body.as_object_mut()) {
            fields.insert("pull_request_id".into(), json!(of.id));
            let base = short_ref(&of.target_ref);
            fields.insert("pull_request_base_branch".into(), json!(base));
            fields.insert("message".into(), json!(of.title));
        }
        Ok(self.call(Method::POST, &["builds"], &[]).json(&body))
    }
}
