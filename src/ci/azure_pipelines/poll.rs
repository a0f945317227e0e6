//! Reads how builds are, with one list for many.
//!
//! Source: Build, "Builds - List" and "Builds - Get". Runs of pipelines do not tell
//! `partiallySucceeded`, so builds are read.

use std::collections::HashMap;

use serde_json::Value;

use super::AzurePipelines;
use crate::ci::error::Error;
use crate::ci::system::Observed;
use crate::domain::run::{Reported, Run};

impl AzurePipelines {
    pub(super) async fn poll_builds(&self, runs: &[&Run]) -> Vec<Result<Observed, Error>> {
        let ids: Vec<&str> = runs.iter().filter_map(|run| run.ci_id.as_deref()).collect();
        let mut listed = HashMap::new();
        if ids.len() > 1 {
            let answer = self.get(&["build", "builds"], &[("buildIds", &ids.join(","))]).await;
            match answer {
                Ok(answer) => listed = by_id(&answer),
                Err(error) => return runs.iter().map(|_| Err(error.clone())).collect(),
            }
        }
        let mut observed = Vec::with_capacity(runs.len());
        for run in runs {
            let id = run.ci_id.as_deref().unwrap_or_default();
            let build = match listed.remove(id) {
                Some(build) => Ok(build),
                None => self.get(&["build", "builds", id], &[]).await,
            };
            observed.push(build.map(|build| self.read(id, &build)));
        }
        observed
    }

    fn read(&self, id: &str, build: &Value) -> Observed {
        let (state, description) = state(build, self.options.accepts_partial_success);
        Observed { state, description, url: Some(self.web_url(id)) }
    }
}

fn by_id(answer: &Value) -> HashMap<String, Value> {
    let builds = answer.get("value").and_then(Value::as_array).into_iter().flatten();
    builds
        .filter_map(|build| Some((build.get("id")?.as_i64()?.to_string(), build.clone())))
        .collect()
}

fn state(build: &Value, accepts_partial_success: bool) -> (Reported, Option<String>) {
    let text = |key: &str| build.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("status") != "completed" {
        return (Reported::Running, None);
    }
    let errors = errors(build);
    match text("result") {
        "succeeded" => (Reported::Succeeded, None),
        "partiallySucceeded" => {
            let words = Some("partially succeeded: a step failed that may".to_owned());
            match accepts_partial_success {
                true => (Reported::Succeeded, words),
                false => (Reported::Failed, words),
            }
        }
        "canceled" => (Reported::Cancelled, None),
        "failed" if !errors.is_empty() => (Reported::Errored, Some(errors.join("; "))),
        "failed" if build.get("startTime").is_none_or(Value::is_null) => {
            (Reported::Errored, Some("it never started".to_owned()))
        }
        "failed" => (Reported::Failed, None),
        other => (Reported::Errored, Some(format!("completed with the result {other:?}"))),
    }
}

/// Why the build could not run as it is configured.
fn errors(build: &Value) -> Vec<String> {
    let results = build.get("validationResults").and_then(Value::as_array).into_iter().flatten();
    let errors = results.filter(|one| one.get("result").is_some_and(|result| result == "error"));
    errors.filter_map(|one| Some(one.get("message")?.as_str()?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_state_has_its_meaning() {
        use Reported::{Cancelled, Errored, Failed, Running, Succeeded};
        for (status, result, reported) in [
            ("notStarted", json!(null), Running),
            ("postponed", json!(null), Running),
            ("inProgress", json!(null), Running),
            ("cancelling", json!("canceled"), Running),
            ("none", json!(null), Running),
            ("completed", json!("succeeded"), Succeeded),
            ("completed", json!("partiallySucceeded"), Failed),
            ("completed", json!("failed"), Failed),
            ("completed", json!("canceled"), Cancelled),
            ("completed", json!("none"), Errored),
            ("completed", json!(null), Errored),
        ] {
            let build = json!({ "status": status, "result": result, "startTime": "2026-11-28" });
            assert_eq!(state(&build, false).0, reported, "{build}");
        }
        let partial = json!({ "status": "completed", "result": "partiallySucceeded" });
        assert_eq!(state(&partial, true).0, Succeeded);
        let never = json!({ "status": "completed", "result": "failed" });
        assert_eq!(state(&never, false).0, Errored);
        let invalid = json!({ "status": "completed", "result": "failed", "startTime": "2026",
            "validationResults": [{ "result": "error", "message": "No pool" }] });
        assert_eq!(state(&invalid, false), (Errored, Some("No pool".to_owned())));
    }
}
