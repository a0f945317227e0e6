//! `POST /v1/runs/{run}/reports`: what a runner says about its run. Late and repeated reports are
//! answered like any other, with `applied: false` and why. It must never decide what counts.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, Responder};
use serde_json::{Map, Value, json};

use super::State;
use super::auth::require_report;
use super::body::{body_of, link, text};
use super::problem::Problem;
use crate::domain::id::RunId;
use crate::domain::run::{Report, Reported};
use crate::storage::Changed;

pub(super) async fn report(
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
    state: Data<State>,
) -> Result<impl Responder, Problem> {
    let path = path.into_inner();
    let id: RunId = path.parse().map_err(|_| Problem::not_found("run", &path))?;
    require_report(&request, &state, id)?;
    let report = understand(&body_of(payload).await?)?;
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
