//! Finds the build with the run id among its template parameters.
//!
//! Source: Build, "Builds - List". The list may leave out template parameters; then each run is
//! read by itself.

use std::time::Duration;

use serde_json::Value;

use super::AzurePipelines;
use crate::ci::error::Error;
use crate::domain::run::{Run, Started};

/// The clocks may differ by so much.
const SKEW: Duration = Duration::from_secs(60);
/// Runs that are read one by one, at most.
const SINGLE_MAX: usize = 20;

impl AzurePipelines {
    pub(super) async fn find_build(&self, run: &Run) -> Result<Option<Started>, Error> {
        let Some(parameter) = &self.options.parameter else { return Ok(None) };
        let id = run.id.to_string();
        let pipeline = self.options.pipeline.to_string();
        let (branch, _) = self.built(run);
        let since = run.created_at.minus(SKEW).to_string();
        let query = [
            ("definitions", pipeline.as_str()),
            ("branchName", &branch),
            ("minTime", &since),
            ("queryOrder", "queueTimeDescending"),
            ("$top", "50"),
        ];
        let answer = self.get(&["build", "builds"], &query).await?;
        let Some(builds) = answer.get("value").and_then(Value::as_array) else {
            return Err(Error::ambiguous("its answer is no list of builds"));
        };
        let mut unclear = Vec::new();
        // The oldest one, should it have been started twice.
        for build in builds.iter().rev() {
            let Some(number) = build.get("id").and_then(Value::as_i64) else { continue };
            match carried(build, parameter) {
                Some(carried) if carried == id => return Ok(Some(self.accepted(number))),
                Some(_) => {}
                None => unclear.push(number),
            }
        }
        for number in unclear.into_iter().take(SINGLE_MAX) {
            let one = number.to_string();
            let run = self.get(&["pipelines", &pipeline, "runs", &one], &[]).await?;
            if carried(&run, parameter).is_some_and(|carried| carried == id) {
                return Ok(Some(self.accepted(number)));
            }
        }
        Ok(None)
    }

    fn accepted(&self, build_id: i64) -> Started {
        let id = build_id.to_string();
        Started::Accepted { url: Some(self.web_url(&id)), ci_id: Some(id) }
    }
}

/// The value of a template parameter; none where the build does not tell its parameters.
fn carried(build: &Value, parameter: &str) -> Option<String> {
    if let Some(Value::Object(parameters)) = build.get("templateParameters") {
        let value = parameters.get(parameter).and_then(Value::as_str).unwrap_or_default();
        return Some(value.to_owned());
    }
    let text = build.get("parameters").and_then(Value::as_str)?;
    let parameters: Value = serde_json::from_str(text).ok()?;
    parameters.get(parameter).and_then(Value::as_str).map(str::to_owned)
}
