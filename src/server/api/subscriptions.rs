//! The service-hook subscriptions of the gateway, as the last reconcile found them.

use serde_json::{Value, json};

use super::paging::{Parameters, rendered};
use super::resource::{ItemResult, ListResult, Resource};
use crate::server::problem::Problem;
use crate::storage::{Page, Reconciliation, SubscriptionFilter, SubscriptionRow};

pub(in crate::server) struct Subscriptions;

impl Resource for Subscriptions {
    const PATH: &'static str = "/v1/subscriptions";
    const NAME: &'static str = "subscription";
    const FILTERS: &'static [&'static str] = &["organization"];
    type Source = dyn Reconciliation;

    async fn list(store: &Self::Source, parameters: &Parameters, page: Page) -> ListResult {
        Ok(rendered(store.subscriptions(filter(parameters)?, page).await?, render))
    }

    async fn show(store: &Self::Source, id: &str) -> ItemResult {
        Ok(store.subscription(&id.to_ascii_lowercase()).await?.as_ref().map(render))
    }
}

/// The items that the parameters select.
pub(in crate::server) fn filter(parameters: &Parameters) -> Result<SubscriptionFilter, Problem> {
    Ok(SubscriptionFilter { organization: parameters.get("organization") })
}

fn render(row: &SubscriptionRow) -> Value {
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
        "last_delivery_at": row.last_delivery_at,
        "seen_at": row.seen_at,
    })
}
