//! The audit log: what was done with the gateway's identities, and what people did.

use serde_json::{Value, json};

use super::paging::{Parameters, rendered, words};
use super::resource::{ItemResult, ListResult, Resource};
use crate::domain::audit::{Action, Outcome};
use crate::server::problem::Problem;
use crate::storage::{self, AuditFilter, AuditRow, Between, Page};

pub(in crate::server) struct Audit;

impl Resource for Audit {
    const PATH: &'static str = "/v1/audit";
    const NAME: &'static str = "entry of the audit log";
    const FILTERS: &'static [&'static str] =
        &["organization", "action", "outcome", "actor", "run", "pat"];
    type Source = dyn storage::Audit;

    async fn list(audit: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        Ok(rendered(audit.audit(filter(parameters)?, page).await?, render))
    }

    async fn show(audit: &Self::Source, id: &str) -> ItemResult {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(audit.audit_entry(id).await?.as_ref().map(render))
    }
}

/// The items that the parameters select.
pub(in crate::server) fn filter(parameters: &Parameters) -> Result<AuditFilter, Problem> {
    let actions = words(Action::ALL, Action::as_str);
    let outcomes = words(Outcome::ALL, Outcome::as_str);
    Ok(AuditFilter {
        organization: parameters.get("organization"),
        action: parameters.parse_with("action", &actions, Action::parse)?,
        outcome: parameters.parse_with("outcome", &outcomes, Outcome::parse)?,
        actor: parameters.get("actor"),
        run: parameters.parse("run", "the id of a run")?,
        pat: parameters.get("pat"),
        between: Between::default(),
    })
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
        "via": entry.via,
        "run": entry.run,
        "pat": entry.pat,
        "scope": entry.scope,
        "lifetime_s": entry.lifetime_s,
        "activity_id": entry.activity_id,
        "detail": entry.detail,
    })
}
