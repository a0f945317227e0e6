//! What people look at: deliveries, runs and statuses, newest first, a page at a time. It must
//! never write.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use super::rows::{from_json, limit, parsed, run, time, time_maybe};
use crate::domain::decision::{Outcome, Source};
use crate::domain::id::{DeliveryId, RunId, StatusId};
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::storage::{
    Backlog, Delivery, DeliveryFilter, Page, Paged, RunFilter, StatusFilter, StatusRow,
};

/// Conditions joined by AND, with their values.
#[derive(Default)]
pub(super) struct Where {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Where {
    pub(super) fn and(mut self, condition: &'static str, value: Option<impl Into<Value>>) -> Self {
        if let Some(value) = value {
            self.conditions.push(condition);
            self.values.push(value.into());
        }
        self
    }

    pub(super) fn page<T>(
        mut self,
        db: &Connection,
        select: &str,
        key: &str,
        page: Page,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(i64, T)>,
    ) -> rusqlite::Result<Paged<T>> {
        let mut conditions = self.conditions.join(" AND ");
        if let Some(before) = page.before {
            let and = if conditions.is_empty() { "" } else { " AND " };
            conditions = format!("{conditions}{and}{key} < ?");
            self.values.push(before.into());
        }
        let filter = if conditions.is_empty() { "" } else { "WHERE " };
        // One more than asked for tells whether there is a next page.
        self.values.push(limit(page.limit.saturating_add(1)).into());
        let sql = format!("{select} {filter}{conditions} ORDER BY {key} DESC LIMIT ?");
        let mut rows = db
            .prepare_cached(&sql)?
            .query_map(params_from_iter(self.values), read)?
            .collect::<Result<Vec<_>, _>>()?;
        let is_more = rows.len() > page.limit;
        rows.truncate(page.limit);
        let next = rows.last().filter(|_| is_more).map(|(key, _)| *key);
        Ok(Paged { items: rows.into_iter().map(|(_, item)| item).collect(), next })
    }
}

const DELIVERY: &str = "SELECT delivery.id, delivery.organization, hook, source, received_at,
        subscription.guid, notification, event_type, created_at, body_bytes, decision.event,
        decision.outcome, decision.reason, decision.decided_at,
        (SELECT group_concat(hex(run.id)) FROM run WHERE run.delivery = delivery.id)
    FROM delivery LEFT JOIN decision ON decision.delivery = delivery.id
    LEFT JOIN subscription ON subscription.id = delivery.subscription";

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<(i64, Delivery)> {
    let id: i64 = row.get(0)?;
    let source: String = row.get(3)?;
    let outcome: Option<String> = row.get(11)?;
    let outcome = outcome.unwrap_or_else(|| Outcome::Pending.as_str().into());
    let runs: Option<String> = row.get(14)?;
    let runs = runs.unwrap_or_default();
    let runs = runs.split(',').filter(|id| !id.is_empty());
    let reason: Option<String> = row.get(12)?;
    let delivery = Delivery {
        id: DeliveryId(id),
        organization: row.get(1)?,
        hook: row.get(2)?,
        source: parsed(3, &source, Source::parse(&source))?,
        received_at: time(row, 4)?,
        subscription: row.get(5)?,
        notification: row.get(6)?,
        event_type: row.get(7)?,
        created_at: time_maybe(row, 8)?,
        body_bytes: row.get(9)?,
        event: row.get(10)?,
        outcome: parsed(11, &outcome, Outcome::parse(&outcome))?,
        reason: reason.unwrap_or_else(|| "waits for a decision".into()),
        decided_at: time_maybe(row, 13)?,
        runs: runs.map(|id| parsed(14, id, id.parse::<RunId>().ok())).collect::<Result<_, _>>()?,
    };
    Ok((id, delivery))
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Delivery>> {
    db.prepare_cached(&format!("{DELIVERY} WHERE delivery.id = ?"))?
        .query_row([id.0], |row| delivery_row(row).map(|(_, delivery)| delivery))
        .optional()
}

pub(super) fn deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Paged<Delivery>> {
    let outcome = filter.outcome.map(|outcome| outcome.as_str().to_owned());
    Where::default()
        .and("delivery.organization = ? COLLATE NOCASE", filter.organization.clone())
        .and("event_type = ?", filter.event_type.clone())
        .and("coalesce(decision.outcome, 'pending') = ?", outcome)
        .and("source = ?", filter.source.map(|source| source.as_str().to_owned()))
        .page(db, DELIVERY, "delivery.id", page, delivery_row)
}

pub(super) fn runs(
    db: &Connection,
    filter: &RunFilter,
    page: Page,
) -> rusqlite::Result<Paged<Run>> {
    Where::default()
        .and("organization = ? COLLATE NOCASE", filter.organization.clone())
        .and("json_extract(body, '$.check') = ?", filter.check.clone())
        .and("json_extract(body, '$.repository.id') = ?", filter.repository.clone())
        .and("json_extract(body, '$.commit') = ?", filter.commit.clone())
        .and("json_extract(body, '$.pull_request.id') = ?", filter.pull_request)
        .and("state = ?", filter.state.clone())
        .page(db, "SELECT number, revision, body FROM run", "number", page, |row| {
            Ok((row.get(0)?, run(row)?))
        })
}

const STATUS: &str = "SELECT id, body, queued_at, posted_at, outcome, reason FROM status";

fn status_row(row: &Row<'_>) -> rusqlite::Result<(i64, StatusRow)> {
    let body: String = row.get(1)?;
    let id = row.get(0)?;
    let status = StatusRow {
        id: StatusId(id),
        status: from_json(1, &body)?,
        queued_at: time(row, 2)?,
        posted_at: time_maybe(row, 3)?,
        outcome: row.get(4)?,
        reason: row.get(5)?,
    };
    Ok((id, status))
}

pub(super) fn status(db: &Connection, id: StatusId) -> rusqlite::Result<Option<StatusRow>> {
    db.prepare_cached(&format!("{STATUS} WHERE id = ?"))?
        .query_row([id.0], |row| status_row(row).map(|(_, status)| status))
        .optional()
}

pub(super) fn statuses(
    db: &Connection,
    filter: &StatusFilter,
    page: Page,
) -> rusqlite::Result<Paged<StatusRow>> {
    Where::default()
        .and("organization = ? COLLATE NOCASE", filter.organization.clone())
        .and("run = ?", filter.run.map(|run| run.0.as_bytes().to_vec()))
        .and("outcome = ?", filter.outcome.clone())
        .page(db, STATUS, "id", page, status_row)
}

pub(super) fn backlog(db: &Connection) -> rusqlite::Result<Backlog> {
    let count = |sql: &str| -> rusqlite::Result<u64> {
        let count: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    };
    let oldest: Option<i64> = db
        .prepare_cached(
            "SELECT received_at FROM delivery WHERE id = (SELECT min(delivery) FROM inbox)",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(Backlog {
        undecided: count("SELECT count(*) FROM inbox")?,
        planned: count("SELECT count(*) FROM run WHERE due_at IS NOT NULL")?,
        at_ci: count("SELECT count(*) FROM run WHERE overdue_at IS NOT NULL AND due_at IS NULL")?,
        unposted: count("SELECT count(*) FROM slot WHERE due_at IS NOT NULL")?,
        oldest_undecided: oldest.map(Timestamp::from_micros),
    })
}
