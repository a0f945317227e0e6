//! The reconcilers of an organization: the plan of the next pass, the outcomes of the last passes,
//! and what operators ask for.
//!
//! Planning reads Azure DevOps and changes nothing. A request only makes a pass due; the reconciler
//! runs it.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::paging::Parameters;
use crate::domain::policy;
use crate::domain::reconciler::Outcome;
use crate::domain::subscription::{Action, Change};
use crate::domain::time::Timestamp;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::subscriptions::StepPreview;
use crate::server::actions::Actions;
use crate::server::auth::{Operator, Viewer};
use crate::server::organization::Organization;
use crate::server::problem::Problem;

/// `GET /v1/organizations/{name}/plan`: what the next pass would change.
pub(super) async fn plan(
    _: Viewer,
    organization: Organization,
    actions: Data<Actions>,
) -> Result<Json<Value>, Problem> {
    let (plan, policies) = actions.plan(&organization, false).await?;
    let organization = &organization.0;
    let mut items: Vec<Value> = plan.steps.iter().map(|step| planned(organization, step)).collect();
    items.extend(policies.iter().map(|step| planned_policy(organization, step)));
    Ok(Json(json!({
        "organization": organization,
        "items": items,
        "kept": plan.unchanged,
        "foreign": plan.foreign,
        "managed": plan.is_managed,
        "held": plan.is_held,
    })))
}

/// `GET /v1/organizations/{name}/reconcile`: the outcomes of the last passes.
pub(super) async fn outcomes(
    _: Viewer,
    organization: Organization,
    actions: Data<Actions>,
) -> Result<Json<Value>, Problem> {
    let OrganizationReconcilers { organization, subscriptions, policies, catch_up } =
        actions.of(&organization)?;
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
    operator: Operator,
    organization: Organization,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let asked_at = actions.reconcile(&operator.actor, &organization).await?;
    Ok(accepted(&organization, asked_at))
}

/// `POST /v1/organizations/{name}/catch-up`: looks now for events that no hook delivered.
pub(super) async fn catch_up(
    operator: Operator,
    organization: Organization,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let asked_at = actions.catch_up(&operator.actor, &organization).await?;
    Ok(accepted(&organization, asked_at))
}

/// `POST /v1/organizations/{name}/rotate`: new secrets for all hooks, or for those of a project.
/// With `now=true` the old ones end at once, otherwise after the new ones have worked for a while.
pub(super) async fn rotate(
    operator: Operator,
    organization: Organization,
    parameters: Parameters,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    parameters.only(&["project", "now"])?;
    let is_flag = |text: &str| (text == "true").then_some(());
    let at_once = parameters.parse_with("now", "true, or no value", is_flag)?.is_some();
    let project = parameters.get("project");
    let asked_at = actions.rotate(&operator.actor, &organization, project, at_once).await?;
    Ok(accepted(&organization, asked_at))
}

/// `DELETE /v1/organizations/{name}/hooks`: removes the hooks of the gateway. None is created until
/// the next reconcile is asked for.
pub(super) async fn remove_hooks(
    operator: Operator,
    organization: Organization,
    actions: Data<Actions>,
) -> Result<HttpResponse, Problem> {
    let asked_at = actions.remove_hooks(&operator.actor, &organization).await?;
    Ok(accepted(&organization, asked_at))
}

/// Answers 202 with `asked_at`, the time of the request. The reconciler carries the request out in
/// its next pass.
fn accepted(organization: &Organization, asked_at: Timestamp) -> HttpResponse {
    let answer = json!({ "organization": organization.0, "asked_at": asked_at });
    HttpResponse::Accepted().json(answer)
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
