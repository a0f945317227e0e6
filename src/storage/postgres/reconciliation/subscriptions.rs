//! Subscriptions as last seen; those of an organization are replaced as a whole.

use std::borrow::Cow;

use futures_util::future::try_join3;
use tokio_postgres::Row;

use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{get, json, time, time_maybe, to_json};
use crate::storage::postgres::engine::search::Where;
use crate::storage::{Page, Paged, SubscriptionFilter, SubscriptionRow};

/// Ids are given in the order in which the subscriptions were seen.
pub(super) async fn replace(
    db: &Db,
    organization: &str,
    seen: &[SubscriptionRow],
) -> Result<(), Failure> {
    let organization = text(organization);
    // Two replicas that replaced them at once would leave a mixture.
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended(lower($1), 3))";
    let guids: Vec<_> = seen.iter().map(|row| text(&row.found.id)).collect();
    let delete = "DELETE FROM seen_subscription
         WHERE lower(organization) = lower($1)
            AND lower(guid) <> ALL (SELECT lower(one) FROM unnest($2::text[]) AS one)";
    let projects: Vec<_> = seen.iter().map(|row| row.project.as_deref().map(text)).collect();
    let found = seen.iter().map(|row| to_json(&row.found).map(Cow::Owned));
    let found = found.collect::<Result<Vec<Cow<'_, str>>, _>>()?;
    let hooks: Vec<_> = seen.iter().map(|row| text(&row.hook)).collect();
    let actions: Vec<_> = seen.iter().map(|row| text(&row.action)).collect();
    let reasons: Vec<_> = seen.iter().map(|row| text(&row.reason)).collect();
    let checks = seen.iter().map(|row| to_json(&row.checks).map(Cow::Owned));
    let checks = checks.collect::<Result<Vec<Cow<'_, str>>, _>>()?;
    let seen_at: Vec<i64> = seen.iter().map(|row| row.seen_at.micros()).collect();
    let insert = "INSERT INTO seen_subscription (organization, guid, project, found, hook, action,
            reason, checks, seen_at)
         SELECT $1, guid, project, found, hook, action, reason, checks, seen_at
         FROM (SELECT DISTINCT ON (lower(guid)) *
            FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::bigint[]) WITH ORDINALITY AS seen (guid, project, found, hook,
                action, reason, checks, seen_at, position)
            ORDER BY lower(guid), position DESC) AS seen
         ORDER BY position
         ON CONFLICT (lower(guid), lower(organization)) DO UPDATE
         SET organization = excluded.organization, project = excluded.project,
             found = excluded.found, hook = excluded.hook, action = excluded.action,
             reason = excluded.reason, checks = excluded.checks, seen_at = excluded.seen_at";
    try_join3(
        db.execute(lock, params![organization]),
        db.execute(delete, params![organization, guids]),
        db.execute(
            insert,
            params![organization, guids, projects, found, hooks, actions, reasons, checks, seen_at],
        ),
    )
    .await?;
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
