//! Runners: who is there, with what, and since when.

use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::paging::{Parameters, listed, rendered};
use crate::deps::Deps;
use crate::pipeline::runners::Runners;
use crate::server::auth::Viewer;
use crate::server::problem::Problem;
use crate::storage::{Page, RunnerRow};

/// `GET /v1/runners`.
pub(super) async fn list(
    _viewer: Viewer,
    parameters: Parameters,
    page: Page,
    deps: Data<Deps>,
    runners: Data<Runners>,
) -> Result<Json<Value>, Problem> {
    parameters.only(&[])?;
    let leased = runners.leased().await?;
    let render = |row: &RunnerRow| {
        let has = leased
            .iter()
            .filter(|run| run.runner.held.as_ref().is_some_and(|held| held.runner == row.name));
        let runs: Vec<Value> = has.map(|run| json!({ "id": run.id, "check": run.check })).collect();
        json!({
            "id": row.id,
            "name": row.name,
            "token": row.token,
            "labels": row.labels,
            "since": row.since,
            "seen_at": row.seen_at,
            "runs": runs,
        })
    };
    Ok(Json(listed(rendered(deps.store.runners(page).await?, render))))
}
