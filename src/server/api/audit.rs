//! The audit log: what was done with our identities. It must never show a secret.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use serde_json::{Value, json};

use super::page::{Parameters, listed, named, only, page, parsed};
use crate::domain::audit::{Action, Outcome};
use crate::server::State;
use crate::server::auth::{Right, require};
use crate::server::problem::Problem;
use crate::storage::{AuditFilter, AuditRow};

pub(super) async fn list(
    request: HttpRequest,
    parameters: Parameters,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    only(&parameters, &["organization", "action", "outcome", "run", "pat"])?;
    let actions = Action::ALL.map(Action::as_str).join(", ");
    let outcomes = Outcome::ALL.map(Outcome::as_str).join(", ");
    let filter = AuditFilter {
        organization: parameters.get("organization").cloned(),
        action: named(&parameters, "action", &actions, Action::parse)?,
        outcome: named(&parameters, "outcome", &outcomes, Outcome::parse)?,
        run: parsed(&parameters, "run", "the id of a run")?,
        pat: parameters.get("pat").cloned(),
    };
    let rows = state.store.audit(filter, page(&parameters)?).await?;
    Ok(Json(listed(rows, render)))
}

pub(super) async fn show(
    request: HttpRequest,
    path: Path<String>,
    state: Data<State>,
) -> Result<Json<Value>, Problem> {
    require(&request, &state, Right::Look)?;
    let missing = || Problem::not_found("entry of the audit log", &path);
    let id: i64 = path.parse().map_err(|_| missing())?;
    Ok(Json(render(&state.store.audit_entry(id).await?.ok_or_else(missing)?)))
}

fn render(row: &AuditRow) -> Value {
    let entry = &row.entry;
    json!({
        "id": row.id,
        "at": entry.at,
        "organization": entry.organization,
        "action": entry.action,
        "outcome": entry.outcome,
        "identity": entry.identity,
        "actor": entry.actor,
        "run": entry.run,
        "pat": entry.pat,
        "scope": entry.scope,
        "lifetime_s": entry.lifetime_s,
        "activity_id": entry.activity_id,
        "detail": entry.detail,
    })
}
