//! Refusals of Azure Pipelines. The numbers of some are not documented; the `typeKey` counts.

use serde_json::json;

use super::pipeline::Pipeline;
use crate::ado::rest::refusal::refusal;
use crate::ado::rest::render::put;
use crate::http::Response;

const BUILD: &str = "Microsoft.TeamFoundation.Build.WebApi";
const PIPELINES: &str = "Microsoft.Azure.Pipelines.WebApi";

/// A run that the YAML does not allow.
pub(super) fn not_allowed(message: &str) -> Response {
    refusal(400, PIPELINES, "PipelineValidationException", message)
}

/// A run that cannot be queued. The message hides the reasons; they are elsewhere.
pub(super) fn not_queued(reasons: &[String]) -> Response {
    let message = "Could not queue the build because there were validation errors or warnings.";
    let plain = refusal(400, BUILD, "BuildRequestValidationFailedException", message);
    let result = |reason: &String| json!({"result": "error", "message": reason});
    let results: Vec<_> = reasons.iter().map(result).collect();
    let mut body = plain.body_json();
    put(&mut body, "customProperties", json!({"ValidationResults": results}));
    Response::json(plain.status, &body)
}

/// An unknown pipeline, or one that the caller may not see.
pub(super) fn pipeline_unknown(key: &str, id: &str) -> Response {
    let assembly = if key.starts_with("Definition") { BUILD } else { PIPELINES };
    let text = format!("No pipeline with id {id} could be found, or you may not see it.");
    refusal(404, assembly, key, &text)
}

/// An unknown run of a pipeline.
pub(super) fn run_unknown(id: &str) -> Response {
    refusal(404, PIPELINES, "RunNotFoundException", &format!("No run with id {id} was found."))
}

/// An unknown build, or one of a pipeline that the caller may not see.
pub(super) fn build_unknown(id: &str) -> Response {
    let text = format!("The requested build {id} could not be found.");
    refusal(404, BUILD, "BuildNotFoundException", &text)
}

/// A start of a disabled pipeline.
pub(super) fn disabled(pipeline: &Pipeline) -> Response {
    let text =
        format!("Could not queue the build because the definition {} is disabled.", pipeline.name);
    refusal(400, BUILD, "DefinitionDisabledException", &text)
}

/// A missing permission.
pub(super) fn access_denied(who: &str, permission: &str, pipeline: &Pipeline) -> Response {
    let text = format!(
        "TF215106: Access denied. {who} needs {permission} permissions for build pipeline {} to \
         perform the action.",
        pipeline.name
    );
    refusal(403, BUILD, "AccessDeniedException", &text)
}

/// A change of a build that has ended.
pub(super) fn already_completed(number: u64) -> Response {
    let text = format!("The status of build {number} cannot be changed: it is completed.");
    refusal(400, BUILD, "BuildStatusInvalidChangeException", &text)
}
