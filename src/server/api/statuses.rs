//! Statuses: what Azure DevOps is to show and whether it was posted, and posting one for a CI that
//! started by itself.

use actix_web::HttpResponse;
use actix_web::web::{Data, Payload};
use serde_json::{Map, Value, json};

use super::paging::{Parameters, rendered};
use super::resource::{ItemResult, ListResult, Resource};
use crate::deps::Deps;
use crate::domain::audit::Action;
use crate::domain::pull_request::PullRequest;
use crate::domain::status::{Context, DESCRIPTION_CHARS_MAX, Shown, Status, Target};
use crate::domain::text::cut;
use crate::server::Organizations;
use crate::server::actions::{finish, record};
use crate::server::auth::Reporter;
use crate::server::json_body::{JsonBodies, optional_text, optional_url, text};
use crate::server::problem::Problem;
use crate::storage::{self, Page, StatusFilter, StatusRow};

/// The words of `outcome`.
pub(in crate::server) const OUTCOMES: [&str; 5] =
    ["queued", "posted", "unchanged", "superseded", "refused"];

pub(in crate::server) struct Statuses;

impl Resource for Statuses {
    const PATH: &'static str = "/v1/statuses";
    const NAME: &'static str = "status";
    const FILTERS: &'static [&'static str] = &["organization", "run", "outcome", "since", "until"];
    type Source = dyn storage::Statuses;

    async fn list(statuses: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        Ok(rendered(statuses.statuses(filter(parameters)?, page).await?, render))
    }

    async fn show(statuses: &Self::Source, id: &str) -> ItemResult {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(statuses.status(id).await?.as_ref().map(render))
    }
}

/// The items that the parameters select.
pub(in crate::server) fn filter(parameters: &Parameters) -> Result<StatusFilter, Problem> {
    let outcome = |text: &str| OUTCOMES.contains(&text).then(|| text.to_owned());
    Ok(StatusFilter {
        organization: parameters.get("organization"),
        run: parameters.parse("run", "the id of a run")?,
        outcome: parameters.parse_with("outcome", &OUTCOMES.join(", "), outcome)?,
        between: parameters.between()?,
    })
}

/// `POST /v1/statuses`.
pub(super) async fn post(
    reporter: Reporter,
    payload: Payload,
    bodies: Data<JsonBodies>,
    organizations: Data<Organizations>,
    deps: Data<Deps>,
) -> Result<HttpResponse, Problem> {
    let status = parse(&bodies.object(payload).await?, &organizations)?;
    finish(async move {
        let (mut of_pull_requests, mut detail) = (Vec::new(), described(&status));
        let queue = |status| deps.store.queue_status(status, deps.clock.now());
        for found in with_head(&status, &deps).await? {
            let of_pull_request = Status {
                project: found.repository.project_id,
                repository: found.repository.id,
                target: Target::PullRequest { id: found.id, commit: found.source_commit },
                ..status.clone()
            };
            let id = queue(of_pull_request).await?;
            detail += &format!(", shown on pull request {}", found.id);
            of_pull_requests.push(json!({ "pull_request": found.id, "status": id }));
        }
        let organization = status.organization.clone();
        let id = queue(status).await?;
        record(&deps, &reporter.actor, &organization, Action::Status, (None, detail)).await;
        deps.notifiers.publish.notify();
        let answer = json!({ "status": id, "pull_requests": of_pull_requests });
        Ok(HttpResponse::Accepted().json(answer))
    })
    .await
}

/// The pull requests that a status of a commit belongs to: a CI that started by itself knows the
/// commit that it has built, and often nothing else.
async fn with_head(status: &Status, deps: &Deps) -> Result<Vec<PullRequest>, Problem> {
    let Target::Commit { commit } = &status.target else { return Ok(Vec::new()) };
    let mut found = deps.store.pull_requests_at(&status.organization, commit).await?;
    found.retain(|found| found.repository.is_called(&status.project, &status.repository));
    Ok(found)
}

/// `succeeded ci/scan on pull request 7 of Fabrikam/web`.
fn described(status: &Status) -> String {
    let target = match &status.target {
        Target::PullRequest { id, .. } => format!("pull request {id}"),
        Target::Commit { commit } => format!("commit {commit}"),
        Target::Comment { pull_request, .. } => format!("a comment on pull request {pull_request}"),
    };
    let Context { genre, name } = &status.context;
    let (state, project, repository) = (status.state.as_str(), &status.project, &status.repository);
    format!("{state} {genre}/{name} on {target} of {project}/{repository}")
}

fn parse(body: &Map<String, Value>, organizations: &Organizations) -> Result<Status, Problem> {
    let organization = organizations
        .find(&text(body, "organization")?)
        .ok_or_else(|| Problem::field("organization", "it is not configured here"))?;
    let target = target(body)?;
    let context = match body.get("context") {
        Some(Value::Object(context)) => context,
        _ => return Err(Problem::field("context", "an object {genre, name} is needed")),
    };
    let state = Shown::parse(&text(body, "state")?).ok_or_else(|| {
        let known = "pending, succeeded, failed, error or notApplicable";
        Problem::field("state", format!("{known} is needed"))
    })?;
    let name = text(context, "name")
        .map_err(|_| Problem::field("context.name", "the name of the status context is needed"))?;
    Ok(Status {
        organization: organization.to_owned(),
        project: text(body, "project")?,
        repository: text(body, "repository")?,
        target,
        context: Context { genre: optional_text(context, "genre")?.unwrap_or_default(), name },
        state,
        description: cut(
            &optional_text(body, "description")?.unwrap_or_default(),
            DESCRIPTION_CHARS_MAX,
        ),
        url: optional_url(body, "url")?,
        run: None,
    })
}

fn target(body: &Map<String, Value>) -> Result<Target, Problem> {
    let commit = optional_text(body, "commit")?.map(|commit| commit.to_lowercase());
    let is_hash = |hash: &String| hash.len() == 40 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    if commit.as_ref().is_some_and(|commit| !is_hash(commit)) {
        return Err(Problem::field("commit", "40 hexadecimal digits are needed"));
    }
    match (body.get("pull_request"), commit) {
        (None | Some(Value::Null), Some(commit)) => Ok(Target::Commit { commit }),
        (None | Some(Value::Null), None) => {
            Err(Problem::field("commit", "a commit or a pull_request is needed"))
        }
        (Some(id), commit) => {
            let id = id.as_i64();
            let id = id.ok_or_else(|| Problem::field("pull_request", "a number is needed"))?;
            Ok(Target::PullRequest { id, commit })
        }
    }
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
        "outcome": row.outcome.as_str(),
        "reason": row.reason,
    })
}
