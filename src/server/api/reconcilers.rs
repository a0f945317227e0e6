//! The reconcilers of an organization: the plan of the next pass, the outcomes of the last passes,
//! and what operators ask for.
//!
//! Planning reads Azure DevOps and changes nothing. A request only makes a pass due; the reconciler
//! runs it.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use super::finish;
use super::paging::Parameters;
use crate::deps::Deps;
use crate::domain::audit;
use crate::domain::policy;
use crate::domain::reconciler::{Asked, Outcome};
use crate::domain::subscription::{Action, Change};
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::pass::Stop;
use crate::reconcile::subscriptions::StepPreview;
use crate::server::auth::{Operator, Viewer};
use crate::server::organization::Organization;
use crate::server::problem::Problem;

/// The reconcilers of all organizations.
#[derive(Debug)]
pub(super) struct Reconcilers {
    pub(super) deps: Deps,
    pub(super) by_organization: Arc<HashMap<String, OrganizationReconcilers>>,
}

/// `GET /v1/organizations/{name}/plan`: what the next pass would change.
pub(super) async fn plan(
    _: Viewer,
    organization: Organization,
    all: Data<Reconcilers>,
) -> Result<Json<Value>, Problem> {
    let OrganizationReconcilers { organization, subscriptions, policies, .. } =
        all.of(&organization)?;
    let plan = subscriptions.reconciler.plan().await.map_err(no_plan)?;
    let policies = policies.reconciler.plan().await.map_err(no_plan)?;
    let mut items: Vec<Value> = plan.steps.iter().map(|step| planned(organization, step)).collect();
    items.extend(policies.steps.iter().map(|step| planned_policy(organization, step)));
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
    all: Data<Reconcilers>,
) -> Result<Json<Value>, Problem> {
    let OrganizationReconcilers { organization, subscriptions, policies, catch_up } =
        all.of(&organization)?;
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
    all: Data<Reconcilers>,
) -> Result<HttpResponse, Problem> {
    finish(async move {
        let reconcilers = all.of(&organization)?;
        let accepted = all.accepted(&organization);
        reconcilers.policies.ask(Asked::Pass).await?;
        reconcilers.subscriptions.hold(false).await?;
        all.record(&operator, &organization, audit::Action::Reconcile, "hooks and policies").await;
        Ok(accepted)
    })
    .await
}

/// `POST /v1/organizations/{name}/catch-up`: looks now for events that no hook delivered.
pub(super) async fn catch_up(
    operator: Operator,
    organization: Organization,
    all: Data<Reconcilers>,
) -> Result<HttpResponse, Problem> {
    finish(async move {
        let accepted = all.accepted(&organization);
        all.of(&organization)?.catch_up.ask(Asked::Pass).await?;
        all.record(&operator, &organization, audit::Action::CatchUp, "").await;
        Ok(accepted)
    })
    .await
}

/// `POST /v1/organizations/{name}/rotate`: new secrets for all hooks, or for those of a project.
/// With `now=true` the old ones end at once, otherwise after the new ones have worked for a while.
pub(super) async fn rotate(
    operator: Operator,
    organization: Organization,
    parameters: Parameters,
    all: Data<Reconcilers>,
) -> Result<HttpResponse, Problem> {
    finish(async move {
    parameters.only(&["project", "now"])?;
    let is_flag = |text: &str| (text == "true").then_some(());
    let at_once = parameters.parse_with("now", "true, or no value", is_flag)?.is_some();
    let project = parameters.get("project");
    let reconcilers = all.of(&organization)?;
    if !reconcilers.subscriptions.reconciler.is_managed() {
        return Err(Problem::conflict(
            "the hooks of this organization are made by hand (hooks = false): set hooks = true, \
             or change them by hand",
        ));
    }
    if all.deps.store.hooks(&organization.0).await?.is_held {
        let reason = "the hooks were removed: create them with `azdo-gateway hooks apply`";
        return Err(Problem::conflict(reason));
    }
    let accepted = all.accepted(&organization);
    if reconcilers.subscriptions.rotate(project.as_deref(), at_once).await? == 0 {
        let reason = "there is no hook to rotate: create them with `azdo-gateway hooks apply`";
        return Err(Problem::conflict(reason));
    }
    let of =
        project.map_or("all hooks".to_owned(), |project| format!("hooks of project {project}"));
    let when = if at_once { ": the old secrets have ended" } else { "" };
    all.record(&operator, &organization, audit::Action::Rotate, &format!("{of}{when}")).await;
    Ok(accepted)
    })
    .await
}

/// `DELETE /v1/organizations/{name}/hooks`: removes the hooks of the gateway. None is created until
/// the next reconcile is asked for.
pub(super) async fn remove_hooks(
    operator: Operator,
    organization: Organization,
    all: Data<Reconcilers>,
) -> Result<HttpResponse, Problem> {
    finish(async move {
        let accepted = all.accepted(&organization);
        all.of(&organization)?.subscriptions.hold(true).await?;
        all.record(&operator, &organization, audit::Action::Remove, "all hooks").await;
        Ok(accepted)
    })
    .await
}

impl Reconcilers {
    fn of(&self, organization: &Organization) -> Result<&OrganizationReconcilers, Problem> {
        let found = self.by_organization.get(&organization.0);
        found.ok_or_else(|| Organization::unknown(&organization.0))
    }

    /// Records in the audit log what an operator asked for.
    async fn record(
        &self,
        operator: &Operator,
        organization: &Organization,
        action: audit::Action,
        detail: &str,
    ) {
        operator.record(&self.deps, &organization.0, action, None, detail.to_owned()).await;
    }

    /// 202 with the time of the request. A pass that begins later does what was asked for.
    fn accepted(&self, organization: &Organization) -> HttpResponse {
        let asked_at = self.deps.clock.now();
        let answer = json!({ "organization": organization.0, "asked_at": asked_at });
        HttpResponse::Accepted().json(answer)
    }
}

fn no_plan(stop: Stop) -> Problem {
    match stop {
        Stop::Store(error) => Problem::from(error),
        stop => Problem::bad_gateway(format!("no plan can be made now: {stop}")),
    }
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
