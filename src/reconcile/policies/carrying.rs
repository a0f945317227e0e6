//! Carries a plan out, step by step, and remembers at once what became of each.
//!
//! What Azure DevOps refuses is told once, with what to do; what it does not answer ends the turn.
//! It must never decide what is done.

use super::super::turn::{Stop, Turn, Upkept};
use crate::ado::{self, Scope};
use crate::credentials::CallError;
use crate::domain::policy::{Deed, Kind, Plan, Step};
use crate::storage::{self, PolicyRow};

/// What the calls are for.
const CHANGE: &str = "policy";
/// Reasons of one turn that are told.
const TOLD_MAX: usize = 3;

/// What was done.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) changes: usize,
    /// What was refused, and what to do about it.
    pub(super) problem: Option<String>,
}

/// Carries the plan out.
pub(super) async fn carry_out(turn: &Turn<'_>, at: &Upkept, plan: &Plan) -> Result<Done, Stop> {
    for (keys, is_kept) in [(&plan.adopted, true), (&plan.forgotten, false)] {
        for (project, id) in keys {
            remember(at, project, *id, is_kept).await?;
        }
    }
    let guards = |step: &&Step| matches!(step.kind, Kind::Addition | Kind::Change);
    let mut unguarded = plan.steps.iter().filter(guards).count();
    tell_unguarded(at, unguarded);
    let (mut changes, mut refused) = (0_usize, Vec::new());
    for step in &plan.steps {
        if step.kind == Kind::Report {
            tracing::debug!(organization = at.organization, policy = step.policy, "{step}");
            continue;
        }
        match carry(turn, at, step).await {
            Ok(id) => {
                unguarded = unguarded.saturating_sub(usize::from(guards(&step)));
                changes += 1;
                tell(at, step, id, "done");
            }
            Err(stop) => {
                tell(at, step, step.policy, "failed");
                refused.push(format!("{} {}: {}", step.context, step.place(), refusal(stop)?));
            }
        }
    }
    tell_unguarded(at, unguarded);
    Ok(Done { changes, problem: summary(&refused) })
}

/// Does what a step says; the policy that it was done to.
async fn carry(turn: &Turn<'_>, at: &Upkept, step: &Step) -> Result<Option<i64>, Stop> {
    let (client, project) = (&at.client, &step.project_id);
    let id = match &step.deed {
        Deed::Create(settings) => {
            let create = |credential| client.create_policy(credential, project, settings);
            turn.call(Scope::CodeWrite, CHANGE, create).await?
        }
        Deed::Replace(id, settings) => {
            let replace = |credential| client.replace_policy(credential, project, *id, settings);
            turn.call(Scope::CodeWrite, CHANGE, replace).await?;
            *id
        }
        Deed::Delete(id) => {
            let delete = |credential| client.delete_policy(credential, project, *id);
            turn.call(Scope::CodeWrite, CHANGE, delete).await?;
            *id
        }
        Deed::Nothing => return Ok(None),
    };
    remember(at, project, id, step.kind != Kind::Removal).await?;
    Ok(Some(id))
}

async fn remember(
    at: &Upkept,
    project: &str,
    id: i64,
    is_kept: bool,
) -> Result<(), storage::Error> {
    let row = PolicyRow { project_id: project.to_owned(), id };
    at.store.keep_policy(&at.organization, row, is_kept).await
}

/// Why Azure DevOps said no to one step; anything else ends the turn.
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

fn summary(refused: &[String]) -> Option<String> {
    let told = refused.iter().take(TOLD_MAX).cloned().collect::<Vec<_>>().join("; ");
    let more = match refused.len().saturating_sub(TOLD_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let summary = format!(
        "the policies of required checks are not as they should be ({told}{more}): let the \
         identity edit policies, see `azdo-gateway permissions check`; a token made by hand needs \
         vso.code_write"
    );
    (!refused.is_empty()).then_some(summary)
}

fn tell(at: &Upkept, step: &Step, policy: Option<i64>, outcome: &'static str) {
    metrics::counter!("azdo_gateway_policy_changes_total", "kind" => step.kind.as_str(),
        "outcome" => outcome)
    .increment(1);
    let organization = &at.organization;
    tracing::info!(organization, policy, outcome, "{step}");
}

fn tell_unguarded(at: &Upkept, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let organization = at.organization.clone();
    metrics::gauge!("azdo_gateway_required_checks_without_policy", "organization" => organization)
        .set(f64::from(count));
}
