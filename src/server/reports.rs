//! `POST /v1/runs/{run}/reports`: what a runner says about its run. Late and repeated reports are
//! answered like any other, with `applied: false` and why. It must never decide what counts.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, Responder};
use serde_json::{Map, Value, json};
use url::Url;

use super::State;
use super::api::body_of;
use super::auth::require_report;
use super::problem::Problem;
use crate::domain::id::RunId;
use crate::domain::run::{Report, Reported};
use crate::storage::Changed;

/// Links longer than this are no links.
const URL_CHARS_MAX: usize = 2_048;

pub(super) async fn report(
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
    state: Data<State>,
) -> Result<impl Responder, Problem> {
    let path = path.into_inner();
    let id: RunId = path.parse().map_err(|_| Problem::not_found("run", &path))?;
    require_report(&request, &state, id)?;
    let report = understand(&body_of(payload, &state).await?)?;
    match state.observe.report(id, &report).await? {
        Changed::To(run) => Ok(Json(json!({ "run": run.id, "state": run.state, "applied": true }))),
        Changed::Not(run, reason) => Ok(Json(
            json!({ "run": run.id, "state": run.state, "applied": false, "reason": reason }),
        )),
        Changed::Unknown => Err(Problem::not_found("run", &path)),
    }
}

fn understand(body: &Map<String, Value>) -> Result<Report, Problem> {
    let state = body.get("state").cloned().unwrap_or_default();
    let state: Reported = serde_json::from_value(state).map_err(|_| {
        Problem::field("state", "one of running, succeeded, failed, errored, cancelled is needed")
    })?;
    Ok(Report { state, description: text(body, "description")?, url: link(body, "url")? })
}

/// An optional text.
pub(super) fn text(body: &Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    match body.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(Problem::field(field, "a text is needed, or nothing")),
    }
}

/// An optional link that a browser may be sent to.
pub(super) fn link(body: &Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    let Some(link) = text(body, field)?.filter(|link| !link.is_empty()) else { return Ok(None) };
    let is_web = |url: Url| matches!(url.scheme(), "http" | "https");
    if link.chars().count() > URL_CHARS_MAX || !Url::parse(&link).is_ok_and(is_web) {
        return Err(Problem::field(field, "an absolute http or https URL is needed"));
    }
    Ok(Some(link))
}
