//! Service-hook subscriptions: as last seen, what is to be done about them, and having it done.
//!
//! The plan is made live and changes nothing; everything else is only asked for here, and done by
//! the upkeep. It must never show a secret.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::page::{Parameters, listed, only, page};
use crate::domain::policy;
use crate::domain::subscription::{Act, Change};
use crate::reconcile::schedule::Turned;
use crate::reconcile::subscriptions::{Kept, Planned};
use crate::reconcile::turn::Stop;
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;
use crate::storage::{SubscriptionFilter, SubscriptionRow};

/// `GET /v1/subscriptions`.
pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &["organization"])?;
    let filter = SubscriptionFilter { organization: parameters.get("organization").cloned() };
    let rows = state.store.subscriptions(filter, page(&parameters)?).await?;
    Ok(Json(listed(rows, |row| subscription(&state, row))))
}

/// `GET /v1/subscriptions/{id}`.
pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let row = state.store.subscription(&path.to_ascii_lowercase()).await?;
    let row = row.ok_or_else(|| Problem::not_found("subscription", &path))?;
    Ok(Json(subscription(&state, &row)))
}

/// `GET /v1/organizations/{name}/plan`: what would be done now.
pub(super) async fn plan(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let kept = kept(&state, &path)?;
    let organization = &kept.upkept.organization;
    let plan = state.subscriptions.plan(kept).await.map_err(unseen)?;
    let mut items: Vec<Value> = plan.steps.iter().map(|step| planned(organization, step)).collect();
    if let Some(kept) = state.policies.of(organization) {
        let policies = state.policies.plan(kept).await.map_err(unseen)?;
        items.extend(policies.steps.iter().map(|step| planned_policy(organization, step)));
    }
    Ok(Json(json!({
        "organization": organization,
        "items": items,
        "kept": plan.kept,
        "foreign": plan.foreign,
        "managed": plan.is_managed,
        "held": plan.is_held,
    })))
}

/// `GET /v1/organizations/{name}/reconcile`: what became of the last turns.
pub(super) async fn turns(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let kept = kept(&state, &path)?;
    let organization = &kept.upkept.organization;
    let has_hooks = kept.is_managed || state.store.hooks(organization).await?.is_held;
    let hooks = has_hooks.then(|| ("subscriptions", state.subscriptions.last(organization)));
    let others = [
        ("policies", state.policies.last(organization)),
        ("catch_up", state.catch_up.turned(organization)),
    ];
    let turns = hooks.into_iter().chain(others);
    let items: Vec<Value> =
        turns.map(|(reconciler, turned)| turn(reconciler, turned.as_ref())).collect();
    Ok(Json(json!({ "organization": organization, "items": items })))
}

/// `POST /v1/organizations/{name}/reconcile`.
pub(super) async fn reconcile(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    let kept = kept(&state, &path)?;
    let asked = asked(&state, kept);
    state.policies.ask(&kept.upkept.organization);
    state.subscriptions.hold(kept, false).await?;
    Ok(asked)
}

/// `POST /v1/organizations/{name}/catch-up`: looks at once for what no hook told.
pub(super) async fn catch_up(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    let kept = kept(&state, &path)?;
    let asked = asked(&state, kept);
    state.catch_up.ask(&kept.upkept.organization);
    Ok(asked)
}

/// `POST /v1/organizations/{name}/rotate`: new secrets for all hooks, or for those of a project.
pub(super) async fn rotate(
    request: HttpRequest,
    path: Path<String>,
    parameters: Parameters,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    only(&parameters, &["project"])?;
    let kept = kept(&state, &path)?;
    if !kept.is_managed {
        return Err(by_hand());
    }
    if state.store.hooks(&kept.upkept.organization).await?.is_held {
        let what = "the hooks were taken away: create them with `azdo-gateway hooks apply`";
        return Err(Problem::conflict(what));
    }
    let asked = asked(&state, kept);
    let project = parameters.get("project").map(String::as_str);
    if state.subscriptions.rotate(kept, project).await? == 0 {
        let what = "there is no hook to rotate: create them with `azdo-gateway hooks apply`";
        return Err(Problem::conflict(what));
    }
    Ok(asked)
}

/// `DELETE /v1/organizations/{name}/hooks`: takes ours away, until a reconcile is asked for.
pub(super) async fn remove(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    let kept = kept(&state, &path)?;
    let asked = asked(&state, kept);
    state.subscriptions.hold(kept, true).await?;
    Ok(asked)
}

fn asked(state: &State, kept: &Kept) -> HttpResponse {
    let organization = &kept.upkept.organization;
    let answer = json!({ "organization": organization, "asked_at": state.clock.now() });
    HttpResponse::Accepted().json(answer)
}

fn by_hand() -> Problem {
    Problem::conflict(
        "the hooks of this organization are made by hand (hooks = false): set hooks = true, or \
         change them by hand",
    )
}

fn kept<'s>(state: &'s State, name: &str) -> Result<&'s Kept, Problem> {
    let known = state.organizations.get(&name.to_ascii_lowercase());
    let kept = known.and_then(|name| state.subscriptions.of(name));
    kept.ok_or_else(|| Problem::not_found("organization", name))
}

fn unseen(stop: Stop) -> Problem {
    match stop {
        Stop::Store(error) => Problem::from(error),
        stop => Problem::bad_gateway(format!("no plan can be made now: {stop}")),
    }
}

fn subscription(state: &State, row: &SubscriptionRow) -> Value {
    let found = &row.found;
    json!({
        "id": found.id,
        "organization": row.organization,
        "project": row.project,
        "project_id": found.project_id,
        "topic": found.topic.as_str(),
        "hook": row.hook,
        "state": found.state.as_str(),
        "action": row.action,
        "reason": row.reason,
        "checks": row.checks,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "last_delivery_at": state.hook_activity.last_at(&row.organization, &row.hook),
        "seen_at": row.seen_at,
    })
}

fn planned(organization: &str, planned: &Planned) -> Value {
    let step = &planned.step;
    let changes: Vec<Value> = match &step.act {
        Act::Change { changes, .. } => changes.iter().map(change).collect(),
        _ => Vec::new(),
    };
    json!({
        "organization": organization,
        "kind": "hook",
        "action": step.kind.as_str(),
        "project": planned.project,
        "what": step.hook_scope.as_ref().map(|hook_scope| hook_scope.topic.as_str()),
        "id": step.id,
        "reason": step.why,
        "changes": changes,
    })
}

fn planned_policy(organization: &str, step: &policy::Step) -> Value {
    let change =
        |one: &policy::Change| json!({ "field": one.field, "from": one.from, "to": one.to });
    json!({
        "organization": organization,
        "kind": "policy",
        "action": step.kind.as_str(),
        "project": step.project,
        "what": step.what(),
        "id": step.policy.map(|id| id.to_string()),
        "reason": step.why,
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    json!({ "field": change.field, "from": change.from, "to": change.to })
}

fn turn(reconciler: &str, turned: Option<&Turned>) -> Value {
    json!({
        "reconciler": reconciler,
        "at": turned.map(|turned| turned.at),
        "changes": turned.map_or(0, |turned| turned.changes),
        "goes_on": turned.is_some_and(|turned| turned.goes_on),
        "problem": turned.and_then(|turned| turned.problem.as_deref()),
    })
}
