//! Statuses: what Azure DevOps is to show and whether it does; and statuses from a CI that started
//! by itself.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::page::{Parameters, listed, named, only, page, parsed};
use crate::domain::id::StatusId;
use crate::domain::status::{Context, DESCRIPTION_CHARS_MAX, Shown, Status, Target, cut};
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::body::{body_of, link, text};
use crate::server::problem::Problem;
use crate::storage::{StatusFilter, StatusRow};

const OUTCOMES: [&str; 5] = ["queued", "posted", "unchanged", "superseded", "refused"];

pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &["organization", "run", "outcome"])?;
    let outcome = |text: &str| OUTCOMES.contains(&text).then(|| text.to_owned());
    let filter = StatusFilter {
        organization: parameters.get("organization").cloned(),
        run: parsed(&parameters, "run", "the id of a run")?,
        outcome: named(&parameters, "outcome", &OUTCOMES.join(", "), outcome)?,
    };
    let statuses = state.store.statuses(filter, page(&parameters)?).await?;
    Ok(Json(listed(statuses, render)))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let missing = || Problem::not_found("status", &path);
    let id: StatusId = path.parse().map_err(|_| missing())?;
    Ok(Json(render(&state.store.status(id).await?.ok_or_else(missing)?)))
}

pub(super) async fn post(
    request: HttpRequest,
    payload: Payload,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Report)?;
    let status = understand(&body_of(payload).await?, &state)?;
    let id = state.store.queue_status(status, state.clock.now()).await?;
    state.notifiers.publish.notify();
    Ok(HttpResponse::Accepted().json(json!({ "status": id })))
}

fn understand(body: &Map<String, Value>, state: &State) -> Result<Status, Problem> {
    let organization = needed(body, "organization")?;
    let organization = state
        .organizations
        .get(&organization.to_ascii_lowercase())
        .ok_or_else(|| Problem::field("organization", "it is not configured here"))?;
    let commit = text(body, "commit")?.map(|commit| commit.to_lowercase());
    let is_hash = |hash: &String| hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if commit.as_ref().is_some_and(|commit| !is_hash(commit)) {
        return Err(Problem::field("commit", "40 hexadecimal digits are needed"));
    }
    let target = match (body.get("pull_request"), commit) {
        (None | Some(Value::Null), Some(commit)) => Target::Commit { commit },
        (None | Some(Value::Null), None) => {
            return Err(Problem::field("commit", "a commit or a pull_request is needed"));
        }
        (Some(id), commit) => Target::PullRequest {
            id: id.as_i64().ok_or_else(|| Problem::field("pull_request", "a number is needed"))?,
            commit,
        },
    };
    let context = match body.get("context") {
        Some(Value::Object(context)) => context,
        _ => return Err(Problem::field("context", "an object {genre, name} is needed")),
    };
    let words = Shown::parse(&needed(body, "state")?).ok_or_else(|| {
        let known = "pending, succeeded, failed, error or notApplicable";
        Problem::field("state", format!("{known} is needed"))
    })?;
    let name = needed(context, "name")
        .map_err(|_| Problem::field("context.name", "the name of the status context is needed"))?;
    Ok(Status {
        organization: organization.clone(),
        project: needed(body, "project")?,
        repository: needed(body, "repository")?,
        target,
        context: Context { genre: text(context, "genre")?.unwrap_or_default(), name },
        state: words,
        description: cut(&text(body, "description")?.unwrap_or_default(), DESCRIPTION_CHARS_MAX),
        url: link(body, "url")?,
        run: None,
    })
}

fn needed(body: &Map<String, Value>, field: &str) -> Result<String, Problem> {
    text(body, field)?
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Problem::field(field, "a text is needed"))
}

fn render(row: &StatusRow) -> Value {
    let status = &row.status;
    json!({
        "id": row.id,
        "run": status.run,
        "organization": status.organization,
        "project": status.project,
        "repository": status.repository,
        "target": status.target,
        "context": status.context,
        "state": status.state,
        "description": status.description,
        "url": status.url,
        "queued_at": row.queued_at,
        "posted_at": row.posted_at,
        "outcome": row.outcome,
        "reason": row.reason,
    })
}
