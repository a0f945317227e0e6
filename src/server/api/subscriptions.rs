//! The service-hook subscriptions of the gateway, as the last reconcile found them.

use serde_json::{Value, json};

use super::paging::{Parameters, rendered};
use super::resource::{ItemResult, ListResult, Resource};
use crate::deps::Deps;
use crate::storage::{Page, SubscriptionFilter, SubscriptionRow};

pub(super) struct Subscriptions;

impl Resource for Subscriptions {
    const PATH: &'static str = "/v1/subscriptions";
    const NAME: &'static str = "subscription";
    const FILTERS: &'static [&'static str] = &["organization"];
    type Source = Deps;

    async fn list(deps: &Deps, parameters: &Parameters, page: Page) -> ListResult {
        let filter = SubscriptionFilter { organization: parameters.get("organization") };
        let rows = deps.store.subscriptions(filter, page).await?;
        Ok(rendered(rows, |row| render(deps, row)))
    }

    async fn show(deps: &Deps, id: &str) -> ItemResult {
        let row = deps.store.subscription(&id.to_ascii_lowercase()).await?;
        Ok(row.map(|row| render(deps, &row)))
    }
}

fn render(deps: &Deps, row: &SubscriptionRow) -> Value {
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
        "last_delivery_at": deps.hook_activity.last_at(&row.organization, &row.hook),
        "seen_at": row.seen_at,
    })
}
