//! Runs: their state, cancelling one, and running one again.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use serde_json::{Value, json};
use uuid::Uuid;

use super::paging::{Parameters, rendered};
use super::resource::{ItemResult, ListResult, Resource};
use crate::domain::id::RunId;
use crate::domain::run::{Run, Sender, State};
use crate::domain::steps::{Step, What};
use crate::server::actions::Actions;
use crate::server::auth::Operator;
use crate::server::problem::Problem;
use crate::storage::{self, Page, RunFilter};

pub(in crate::server) struct Runs;

impl Resource for Runs {
    const PATH: &'static str = "/v1/runs";
    const NAME: &'static str = "run";
    const FILTERS: &'static [&'static str] = &[
        "organization",
        "check",
        "repository_id",
        "commit",
        "pull_request",
        "state",
        "ci",
        "since",
        "until",
    ];
    type Source = dyn storage::Runs;

    async fn list(runs: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        Ok(rendered(runs.runs(filter(parameters)?, page).await?, render))
    }

    async fn show(runs: &Self::Source, id: &str) -> ItemResult {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(runs.run(id).await?.as_ref().map(with_steps))
    }
}

/// The items that the parameters select.
pub(in crate::server) fn filter(parameters: &Parameters) -> Result<RunFilter, Problem> {
    let state = |text: &str| State::parse(text).map(|_| text.to_owned());
    Ok(RunFilter {
        organization: parameters.get("organization"),
        check: parameters.get("check"),
        repository: parameters.get("repository_id"),
        commit: parameters.get("commit"),
        pull_request: parameters.parse("pull_request", "the number of a pull request")?,
        state: parameters.parse_with("state", "a state of a run", state)?,
        ci: parameters.get("ci"),
        between: parameters.between()?,
    })
}

/// `POST /v1/runs/{id}/cancel`.
pub(super) async fn cancel(
    operator: Operator,
    path: Path<String>,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let run = actions.cancel(&operator.actor, id(&path)?).await?;
    Ok(HttpResponse::Accepted().json(render(&run)))
}

/// `POST /v1/runs/{id}/rerun`.
pub(super) async fn rerun(
    operator: Operator,
    path: Path<String>,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let new = RunId(Uuid::now_v7());
    let run = actions.rerun(&operator.actor, id(&path)?, new).await?;
    Ok(HttpResponse::Accepted().json(render(&run)))
}

fn id(path: &str) -> Result<RunId, Problem> {
    path.parse().map_err(|_| Problem::not_found(Runs::NAME, path))
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
        "runner": run.runner.held.as_ref().map(|held| &held.runner),
        "attempts": run.attempts,
        "is_cancelling": run.cancel_attempts.is_some(),
        "ci_problem": run.ci_problem,
        "created_at": run.created_at,
        "updated_at": run.updated_at,
        "overdue_at": run.overdue_at,
        "url": run.url,
    })
}

fn with_steps(run: &Run) -> Value {
    let mut rendered = render(run);
    if let Some(fields) = rendered.as_object_mut() {
        fields.insert("steps".to_owned(), run.steps.iter().map(step).collect());
    }
    rendered
}

/// A step of a run. `by` is who sent a report: `run`, `lease 2`, `reporter` or `ci`.
fn step(step: &Step) -> Value {
    let by = |sender| match sender {
        Sender::Runner => "run".to_owned(),
        Sender::Lease(number) => format!("lease {number}"),
        Sender::Reporter => "reporter".to_owned(),
        Sender::Ci => "ci".to_owned(),
    };
    let (ms, by, reported) = match step.what {
        What::Attempt { ms } => (Some(ms), None, None),
        What::Report { by: sender } => (None, Some(by(sender)), Some(step.state)),
        What::RefusedReport { by: sender, reported } => {
            (None, Some(by(sender)), Some(State::from(reported)))
        }
        What::Planned | What::Lease | What::Ended => (None, None, None),
    };
    json!({
        "at": step.at,
        "what": step.what.as_str(),
        "state": step.state,
        "words": step.words,
        "ms": ms,
        "by": by,
        "reported": reported,
        "skipped": step.skipped,
    })
}
