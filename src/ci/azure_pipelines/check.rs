//! Whether the pipeline exists and takes the run id: a preview renders its YAML and starts nothing.
//!
//! Source: Pipelines, "Preview - Preview".

use reqwest::Method;
use serde_json::{Value, json};

use super::{AzurePipelines, Permission};
use crate::ci::system::Finding;

/// What to do where the identity may not read the pipeline, and where there is none.
const RIGHT: &str = "give the identity \"View builds\" on the pipeline";
const ID: &str = "write the id that the address of the pipeline has behind definitionId=";

impl AzurePipelines {
    pub(super) async fn check_settings(&self) -> Vec<Finding> {
        let pipeline = self.options.pipeline.to_string();
        let found = match self.get(&["build", "definitions", &pipeline], &[]).await {
            Ok(found) => found,
            Err(error) => return vec![Finding::unanswered(&error, RIGHT, ID)],
        };
        let name = found.get("name").and_then(Value::as_str).unwrap_or_default();
        let mut findings = vec![Finding::note(format!("pipeline {pipeline} is {name}"))];
        if found.get("queueStatus").is_some_and(|status| status == "disabled") {
            let help = "enable it at Azure Pipelines";
            findings.push(Finding::problem(format!("pipeline {name} is disabled"), help));
        }
        let Some(parameter) = &self.options.parameter else {
            let what = "parameter = \"\": a start whose answer is lost is repeated blindly";
            findings.push(Finding::note(what));
            return findings;
        };
        let body = json!({ "previewRun": true, "templateParameters": { parameter: "check" } });
        let path = ["pipelines", &pipeline, "preview"];
        let preview = self.call(Permission::Read, Method::POST, &path, &[], Some(body)).await;
        findings.push(match preview {
            Ok(_) => Finding::note(format!("it takes the parameter {parameter}")),
            Err(error) => Finding::problem(
                format!("its default branch does not render: {error}"),
                format!("declare the parameter {parameter} (type string, default '') in its YAML"),
            ),
        });
        findings
    }
}
