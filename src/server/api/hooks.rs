//! Service-hook subscriptions: as last seen, what is to be done about them, and having it done.
//!
//! The plan is made live and changes nothing; everything else is only asked for here, and done by
//! the upkeep. It must never show a secret.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::page::{Parameters, listed, only, page};
use crate::domain::policy;
use crate::domain::reconciler::Outcome;
use crate::domain::subscription::{Action, Change};
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::pass::Stop;
use crate::reconcile::subscriptions::StepPreview;
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
    let reconcilers = reconcilers(&state, &path)?;
    let organization = &reconcilers.organization;
    let plan = reconcilers.subscriptions.reconciler.plan().await.map_err(no_plan)?;
    let policies = reconcilers.policies.reconciler.plan().await.map_err(no_plan)?;
    let mut items: Vec<Value> = plan.steps.iter().map(|step| planned(organization, step)).collect();
    items.extend(policies.steps.iter().map(|step| planned_policy(organization, step)));
    Ok(Json(json!({
        "organization": organization,
        "items": items,
        "kept": plan.kept,
        "foreign": plan.foreign,
        "managed": plan.is_managed,
        "held": plan.is_held,
    })))
}

/// `GET /v1/organizations/{name}/reconcile`: the outcomes of the last passes.
pub(super) async fn outcomes(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let OrganizationReconcilers { organization, subscriptions, policies, catch_up } =
        reconcilers(&state, &path)?;
    let mut items = Vec::new();
    if subscriptions.is_active().await? {
        items.push(outcome("subscriptions", subscriptions.last().await?.as_ref()));
    }
    items.push(outcome("policies", policies.last().await?.as_ref()));
    items.push(outcome("catch_up", catch_up.last().await?.as_ref()));
    Ok(Json(json!({ "organization": organization, "items": items })))
}

/// `POST /v1/organizations/{name}/reconcile`.
pub(super) async fn reconcile(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    let reconcilers = reconcilers(&state, &path)?;
    let asked = asked(&state, reconcilers);
    reconcilers.policies.ask().await?;
    reconcilers.subscriptions.hold(false).await?;
    Ok(asked)
}

/// `POST /v1/organizations/{name}/catch-up`: looks now for events that no hook delivered.
pub(super) async fn catch_up(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Problem> {
    require(&request, &state, Right::Operate)?;
    let reconcilers = reconcilers(&state, &path)?;
    let asked = asked(&state, reconcilers);
    reconcilers.catch_up.ask().await?;
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
    let reconcilers = reconcilers(&state, &path)?;
    if !reconcilers.subscriptions.reconciler.is_managed() {
        return Err(by_hand());
    }
    if state.store.hooks(&reconcilers.organization).await?.is_held {
        let what = "the hooks were taken away: create them with `azdo-gateway hooks apply`";
        return Err(Problem::conflict(what));
    }
    let asked = asked(&state, reconcilers);
    let project = parameters.get("project").map(String::as_str);
    if reconcilers.subscriptions.rotate(project).await? == 0 {
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
    let reconcilers = reconcilers(&state, &path)?;
    let asked = asked(&state, reconcilers);
    reconcilers.subscriptions.hold(true).await?;
    Ok(asked)
}

fn asked(state: &State, reconcilers: &OrganizationReconcilers) -> HttpResponse {
    let organization = &reconcilers.organization;
    let answer = json!({ "organization": organization, "asked_at": state.clock.now() });
    HttpResponse::Accepted().json(answer)
}

fn by_hand() -> Problem {
    Problem::conflict(
        "the hooks of this organization are made by hand (hooks = false): set hooks = true, or \
         change them by hand",
    )
}

fn reconcilers<'s>(state: &'s State, name: &str) -> Result<&'s OrganizationReconcilers, Problem> {
    let known = state.organizations.get(&name.to_ascii_lowercase());
    let reconcilers = known.and_then(|name| state.reconcilers.get(name));
    reconcilers.ok_or_else(|| Problem::not_found("organization", name))
}

fn no_plan(stop: Stop) -> Problem {
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

fn planned(organization: &str, planned: &StepPreview) -> Value {
    let step = &planned.step;
    let changes: Vec<Value> = match &step.action {
        Action::Change { changes, .. } => changes.iter().map(change).collect(),
        _ => Vec::new(),
    };
    json!({
        "organization": organization,
        "kind": "hook",
        "action": step.kind.as_str(),
        "project": planned.project,
        "what": step.hook_scope.as_ref().map(|hook_scope| hook_scope.topic.as_str()),
        "id": step.id,
        "reason": step.reason,
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
        "reason": step.reason,
        "changes": step.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    json!({ "field": change.field, "from": change.from, "to": change.to })
}

fn outcome(reconciler: &str, last: Option<&Outcome>) -> Value {
    json!({
        "reconciler": reconciler,
        "at": last.map(|last| last.at),
        "changes": last.map_or(0, |last| last.changes),
        "goes_on": last.is_some_and(|last| last.has_more),
        "problem": last.and_then(|last| last.problem.as_deref()),
    })
}
