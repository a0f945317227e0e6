//! `POST /v1/runs/{run}/reports`: a runner reports on its run. A late or repeated report is
//! answered with 200, `applied: false` and the reason.

use std::sync::Arc;

use actix_web::web::{self, Data, Json, Path, Payload, ServiceConfig};
use actix_web::{HttpRequest, Responder};
use serde_json::{Map, Value, json};

use super::Components;
use super::auth::{Reporter, bearer};
use super::json_body::{JsonBodies, optional_text, optional_url};
use super::problem::Problem;
use crate::domain::id::RunId;
use crate::domain::run::{Report, Reported, Sender};
use crate::pipeline::observe::Observe;
use crate::secret::Keyring;
use crate::storage::{Changed, Runs};

/// What reports are verified and applied with.
#[derive(Debug)]
struct State {
    keys: Keyring,
    runs: Arc<dyn Runs>,
    observe: Observe,
}

pub(super) fn routes(components: &Components) -> impl Fn(&mut ServiceConfig) + Clone + use<> {
    let deps = &components.deps;
    let runs = Arc::clone(&deps.store) as Arc<dyn Runs>;
    let (keys, observe) = (deps.keys.clone(), components.observe.clone());
    let state = Data::new(State { keys, runs, observe });
    move |config| {
        config.app_data(state.clone()).route("/v1/runs/{run}/reports", web::post().to(report));
    }
}

async fn report(
    request: HttpRequest,
    reporter: Result<Reporter, Problem>,
    path: Path<String>,
    payload: Payload,
    bodies: Data<JsonBodies>,
    state: Data<State>,
) -> Result<impl Responder, Problem> {
    let path = path.into_inner();
    let id: RunId = path.parse().map_err(|_| Problem::not_found("run", &path))?;
    // A run has a token of its own, and so has the lease of a runner; a reporter may report on
    // every run.
    let token = bearer(&request);
    let lease = token.and_then(|token| state.keys.verified_lease_report(id, token));
    let sender = if let Some(number) = lease {
        Sender::Lease(number)
    } else if token.is_some_and(|token| state.keys.verifies_report(id, token)) {
        Sender::Runner
    } else {
        reporter.map(|_| Sender::Reporter)?
    };
    // Before the body is read: the token of a run stays valid when the run has been deleted.
    if state.runs.run(id).await?.is_none() {
        return Err(Problem::not_found("run", &path));
    }
    let report = parse(&bodies.object(payload).await?, sender)?;
    match state.observe.report(id, report).await? {
        Changed::To(run) => Ok(Json(json!({ "run": run.id, "state": run.state, "applied": true }))),
        Changed::Not(run, reason) => Ok(Json(
            json!({ "run": run.id, "state": run.state, "applied": false, "reason": reason }),
        )),
        Changed::Unknown => Err(Problem::not_found("run", &path)),
    }
}

fn parse(body: &Map<String, Value>, sender: Sender) -> Result<Report, Problem> {
    let state = body.get("state").cloned().unwrap_or_default();
    let state: Reported = serde_json::from_value(state).map_err(|_| {
        Problem::field("state", "one of running, succeeded, failed, errored, cancelled is needed")
    })?;
    let (description, url) = (optional_text(body, "description")?, optional_url(body, "url")?);
    Ok(Report { sender, state, description, url })
}
