//! Executes a plan for policies step by step, and records each result at once.
//!
//! A step that Azure DevOps refuses is reported with what to do. A call without an answer ends the
//! pass.

use super::super::context::OrganizationContext;
use super::super::pass::{Pass, Stop};
use crate::ado::{self, Scope};
use crate::credentials::CallError;
use crate::domain::policy::{Action, Kind, Plan, Step};
use crate::storage::{self, PolicyRow};

/// The purpose of the calls.
const PURPOSE: &str = "policy";
/// The most refusals of one pass that are named.
const REFUSALS_MAX: usize = 3;

/// What was done.
#[derive(Debug)]
pub(super) struct Executed {
    pub(super) changes: u32,
    /// What was refused, and what to do about it.
    pub(super) problem: Option<String>,
}

/// Executes every step.
pub(super) async fn execute(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    plan: &Plan,
) -> Result<Executed, Stop> {
    for (keys, is_owned) in [(&plan.adopted, true), (&plan.forgotten, false)] {
        for (project, id) in keys {
            record(context, project, *id, is_owned).await?;
        }
    }
    let protects = |step: &&Step| matches!(step.kind, Kind::Addition | Kind::Change);
    let mut unprotected = plan.steps.iter().filter(protects).count();
    set_gauge(context, unprotected);
    let (mut changes, mut refusals) = (0_u32, Vec::new());
    for step in &plan.steps {
        if step.kind == Kind::Report {
            tracing::debug!(organization = context.organization, policy = step.policy, "{step}");
            continue;
        }
        match execute_step(pass, context, step).await {
            Ok(id) => {
                unprotected = unprotected.saturating_sub(usize::from(protects(&step)));
                changes += 1;
                log(context, step, id, "done");
            }
            Err(stop) => {
                log(context, step, step.policy, "failed");
                refusals.push(format!("{} {}: {}", step.context, step.target(), refusal(stop)?));
            }
        }
    }
    set_gauge(context, unprotected);
    Ok(Executed { changes, problem: summary(&refusals) })
}

/// Makes the call of a step. Returns the number of the policy.
async fn execute_step(
    pass: &Pass<'_>,
    context: &OrganizationContext,
    step: &Step,
) -> Result<Option<i64>, Stop> {
    let (client, project) = (&context.client, &step.project_id);
    let id = match &step.action {
        Action::Create(settings) => {
            let create = |credential| client.create_policy(credential, project, settings);
            pass.call(Scope::CodeWrite, PURPOSE, create).await?
        }
        Action::Replace(id, settings) => {
            let replace = |credential| client.replace_policy(credential, project, *id, settings);
            pass.call(Scope::CodeWrite, PURPOSE, replace).await?;
            *id
        }
        Action::Delete(id) => {
            let delete = |credential| client.delete_policy(credential, project, *id);
            pass.call(Scope::CodeWrite, PURPOSE, delete).await?;
            *id
        }
        Action::Nothing => return Ok(None),
    };
    record(context, project, id, step.kind != Kind::Removal).await?;
    Ok(Some(id))
}

/// Stores that a policy is ours, or is ours no longer.
async fn record(
    context: &OrganizationContext,
    project: &str,
    id: i64,
    is_owned: bool,
) -> Result<(), storage::Error> {
    let row = PolicyRow { project_id: project.to_owned(), id };
    context.deps.store.record_policy(&context.organization, row, is_owned).await
}

/// Why Azure DevOps refused one step; any other error ends the pass.
fn refusal(stop: Stop) -> Result<String, Stop> {
    match stop {
        Stop::Call(CallError::Ado(
            error @ (ado::Error::Unauthorized { .. }
            | ado::Error::Forbidden { .. }
            | ado::Error::NotFound { .. }
            | ado::Error::Rejected { .. }),
        )) => Ok(error.to_string()),
        stop => Err(stop),
    }
}

fn summary(refusals: &[String]) -> Option<String> {
    if refusals.is_empty() {
        return None;
    }
    let named = refusals.iter().take(REFUSALS_MAX).cloned().collect::<Vec<_>>().join("; ");
    let more = match refusals.len().saturating_sub(REFUSALS_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    Some(format!(
        "policies of required checks could not be changed ({named}{more}): let the identity edit \
         policies, see `azdo-gateway permissions check`; a token made by hand needs vso.code_write"
    ))
}

fn log(context: &OrganizationContext, step: &Step, policy: Option<i64>, outcome: &'static str) {
    metrics::counter!("azdo_gateway_policy_changes_total", "kind" => step.kind.as_str(),
        "outcome" => outcome)
    .increment(1);
    let organization = &context.organization;
    tracing::info!(organization, policy, outcome, "{step}");
}

fn set_gauge(context: &OrganizationContext, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let organization = context.organization.clone();
    metrics::gauge!("azdo_gateway_required_checks_without_policy", "organization" => organization)
        .set(f64::from(count));
}
