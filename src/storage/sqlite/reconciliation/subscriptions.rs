//! Subscriptions as last seen; those of an organization are replaced as a whole.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::storage::sqlite::engine::rows::{from_json, time, time_maybe, to_json};
use crate::storage::sqlite::engine::search::Where;
use crate::storage::{Page, Paged, SubscriptionFilter, SubscriptionRow};

/// The memory that rows take, roughly.
pub(super) fn bytes_of(seen: &[SubscriptionRow]) -> usize {
    let one = |row: &SubscriptionRow| {
        let settings = row.found.settings.iter().map(|(name, value)| name.len() + value.len());
        let texts = row.found.url.len() + row.reason.len() + settings.sum::<usize>();
        size_of::<SubscriptionRow>() + texts + 512
    };
    seen.iter().map(one).sum()
}

pub(super) fn replace(
    db: &Connection,
    organization: &str,
    seen: &[SubscriptionRow],
) -> rusqlite::Result<()> {
    let ids: Vec<&str> = seen.iter().map(|row| row.found.id.as_str()).collect();
    db.prepare_cached(
        "DELETE FROM seen_subscription
         WHERE organization = ?1 AND guid NOT IN (SELECT value FROM json_each(?2))",
    )?
    .execute(params![organization, to_json(&ids)?])?;
    for row in seen {
        db.prepare_cached(
            "INSERT INTO seen_subscription (organization, guid, project, found, hook, action,
                reason, checks, seen_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE
             SET organization = excluded.organization, project = excluded.project,
                 found = excluded.found, hook = excluded.hook, action = excluded.action,
                 reason = excluded.reason, checks = excluded.checks, seen_at = excluded.seen_at",
        )?
        .execute(params![
            organization,
            row.found.id,
            row.project,
            to_json(&row.found)?,
            row.hook,
            row.action,
            row.reason,
            to_json(&row.checks)?,
            row.seen_at.micros(),
        ])?;
    }
    Ok(())
}

const SUBSCRIPTION: &str = "SELECT id, organization, project, found, hook, action, reason, checks,
        seen_at, (SELECT last_at FROM hook_activity AS active
            WHERE active.organization = seen_subscription.organization
                AND active.hook = seen_subscription.hook)
    FROM seen_subscription";

fn subscription_row(row: &Row<'_>) -> rusqlite::Result<(i64, SubscriptionRow)> {
    let (found, checks): (String, String) = (row.get(3)?, row.get(7)?);
    let subscription = SubscriptionRow {
        organization: row.get(1)?,
        project: row.get(2)?,
        found: from_json(3, &found)?,
        hook: row.get(4)?,
        action: row.get(5)?,
        reason: row.get(6)?,
        checks: from_json(7, &checks)?,
        seen_at: time(row, 8)?,
        last_delivery_at: time_maybe(row, 9)?,
    };
    Ok((row.get(0)?, subscription))
}

pub(super) fn find(db: &Connection, id: &str) -> rusqlite::Result<Option<SubscriptionRow>> {
    db.prepare_cached(&format!("{SUBSCRIPTION} WHERE guid = ?1 ORDER BY id DESC LIMIT 1"))?
        .query_row([id], |row| subscription_row(row).map(|(_, row)| row))
        .optional()
}

pub(super) fn list(
    db: &Connection,
    filter: &SubscriptionFilter,
    page: Page,
) -> rusqlite::Result<Paged<SubscriptionRow>> {
    Where::default().and("organization = ?", filter.organization.clone()).page(
        db,
        SUBSCRIPTION,
        "id",
        page,
        subscription_row,
    )
}
