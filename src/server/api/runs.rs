//! Runs: how they go; ending one, and starting one anew.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::page::{Parameters, listed, named, only, page, parsed};
use crate::domain::id::RunId;
use crate::domain::run::{Run, State as RunState};
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;
use crate::storage::{Changed, RunFilter};

pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(
        &parameters,
        &["organization", "check", "repository_id", "commit", "pull_request", "state"],
    )?;
    let known = |text: &str| RunState::parse(text).map(|_| text.to_owned());
    let filter = RunFilter {
        organization: parameters.get("organization").cloned(),
        check: parameters.get("check").cloned(),
        repository: parameters.get("repository_id").cloned(),
        commit: parameters.get("commit").cloned(),
        pull_request: parsed(&parameters, "pull_request", "the number of a pull request")?,
        state: named(&parameters, "state", "a state of a run", known)?,
    };
    let runs = state.store.runs(filter, page(&parameters)?).await?;
    Ok(Json(listed(runs, render)))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let run = state.store.run(id(&path)?).await?;
    Ok(Json(render(&run.ok_or_else(|| Problem::not_found("run", &path))?)))
}

pub(super) async fn cancel(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = require(&request, &state, Right::Operate)?;
    match state.observe.cancel(id(&path)?, &caller.name).await? {
        Changed::To(run) => Ok(HttpResponse::Accepted().json(render(&run))),
        Changed::Not(_, why) => Err(Problem::conflict(why)),
        Changed::Unknown => Err(Problem::not_found("run", &path)),
    }
}

pub(super) async fn rerun(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = require(&request, &state, Right::Operate)?;
    let run = state.observe.rerun(id(&path)?, &caller.name).await?;
    let run = run.ok_or_else(|| Problem::not_found("run", &path))?;
    Ok(HttpResponse::Accepted().json(render(&run)))
}

fn id(path: &str) -> Result<RunId, Problem> {
    path.parse().map_err(|_| Problem::not_found("run", path))
}

fn render(run: &Run) -> Value {
    json!({
        "id": run.id,
        "check": run.check,
        "genre": run.genre,
        "organization": run.organization,
        "project": run.repository.project,
        "repository": run.repository.name,
        "repository_id": run.repository.id,
        "commit": run.commit,
        "ref": run.git_ref,
        "pull_request": run.pull_request.as_ref().map(|of| of.id),
        "state": run.state,
        "reason": run.reason,
        "description": run.description,
        "ci": run.ci,
        "ci_id": run.ci_id,
        "attempts": run.attempts,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "overdue_at": run.overdue_at,
        "url": run.url,
    })
}
