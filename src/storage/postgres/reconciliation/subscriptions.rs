//! Subscriptions as last seen; those of an organization are replaced as a whole.

use tokio_postgres::Row;

use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, time, time_maybe, to_json};
use crate::storage::postgres::engine::search::Where;
use crate::storage::{Page, Paged, SubscriptionFilter, SubscriptionRow};

pub(super) async fn replace(
    db: &Db,
    organization: &str,
    seen: &[SubscriptionRow],
) -> Result<(), Failure> {
    // In the order of their ids, whatever order they were seen in, so that two transactions do not
    // wait for each other in a circle.
    let mut sorted: Vec<&SubscriptionRow> = seen.iter().collect();
    sorted.sort_by(|one, other| one.found.id.cmp(&other.found.id));
    let guids: Vec<_> = sorted.iter().map(|row| text(&row.found.id)).collect();
    let sql = "DELETE FROM seen_subscription
         WHERE lower(organization) = lower($1)
            AND lower(guid) <> ALL (SELECT lower(one) FROM unnest($2::text[]) AS one)";
    db.execute(sql, params![text(organization), guids]).await?;
    let sql = "INSERT INTO seen_subscription (organization, guid, project, found, hook, action,
            reason, checks, seen_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (lower(guid), lower(organization)) DO UPDATE
         SET organization = excluded.organization, project = excluded.project,
             found = excluded.found, hook = excluded.hook, action = excluded.action,
             reason = excluded.reason, checks = excluded.checks, seen_at = excluded.seen_at";
    // Ids are given in the order in which they were seen.
    for row in seen {
        db.execute(
            sql,
            params![
                text(organization),
                text(&row.found.id),
                row.project.as_deref().map(text),
                text(&to_json(&row.found)?),
                text(&row.hook),
                text(&row.action),
                text(&row.reason),
                text(&to_json(&row.checks)?),
                row.seen_at.micros(),
            ],
        )
        .await?;
    }
    Ok(())
}

const SUBSCRIPTION: &str = "SELECT id, organization, project, found, hook, action, reason, checks,
        seen_at, (SELECT last_at FROM hook_activity AS active
            WHERE lower(active.organization) = lower(seen_subscription.organization)
                AND active.hook = seen_subscription.hook)
    FROM seen_subscription";

fn subscription_row(row: &Row) -> Result<SubscriptionRow, Failure> {
    Ok(SubscriptionRow {
        organization: get(row, 1)?,
        project: get(row, 2)?,
        found: json(row, 3)?,
        hook: get(row, 4)?,
        action: get(row, 5)?,
        reason: get(row, 6)?,
        checks: json(row, 7)?,
        seen_at: time(row, 8)?,
        last_delivery_at: time_maybe(row, 9)?,
    })
}

pub(super) async fn find(db: &Db, id: &str) -> Result<Option<SubscriptionRow>, Failure> {
    let sql = format!("{SUBSCRIPTION} WHERE lower(guid) = lower($1) ORDER BY id DESC LIMIT 1");
    let row = db.row(&sql, params![text(id)]).await?;
    row.as_ref().map(subscription_row).transpose()
}

pub(super) async fn list(
    db: &Db,
    filter: &SubscriptionFilter,
    page: Page,
) -> Result<Paged<SubscriptionRow>, Failure> {
    Where::default()
        .and("lower(organization) = lower(?)", filter.organization.clone())
        .page(db, SUBSCRIPTION, "id", page, subscription_row)
        .await
}
