//! Lists of deliveries, newest first, a page at a time.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::domain::decision::{Outcome, Source};
use crate::domain::delivery::PENDING_REASON;
use crate::domain::id::{DeliveryId, RunId};
use crate::storage::sqlite::engine::rows::{from_json, parsed, time, time_maybe};
use crate::storage::sqlite::engine::search::{Keys, Search, Where};
use crate::storage::sqlite::engine::times::Times;
use crate::storage::{Delivery, DeliveryFilter, Page, Paged};

const DELIVERY: &str = "SELECT delivery.id, delivery.organization, hook, source, received_at,
        subscription.guid, notification, event_type, created_at, body_bytes, decision.event,
        decision.outcome, decision.reason, decision.decided_at, decision.checks,
        (SELECT group_concat(hex(run.id)) FROM run WHERE run.delivery = delivery.id)
    FROM delivery LEFT JOIN decision ON decision.delivery = delivery.id
    LEFT JOIN subscription ON subscription.id = delivery.subscription";

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let source: String = row.get(3)?;
    let outcome: Option<String> = row.get(11)?;
    let outcome = outcome.unwrap_or_else(|| Outcome::Pending.as_str().into());
    let checks: Option<String> = row.get(14)?;
    let runs: Option<String> = row.get(15)?;
    let runs = runs.unwrap_or_default();
    let runs = runs.split(',').filter(|id| !id.is_empty());
    let reason: Option<String> = row.get(12)?;
    Ok(Delivery {
        id: DeliveryId(row.get(0)?),
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
        reason: reason.unwrap_or_else(|| PENDING_REASON.into()),
        decided_at: time_maybe(row, 13)?,
        checks: checks.map_or_else(|| Ok(Vec::new()), |checks| from_json(14, &checks))?,
        runs: runs.map(|id| parsed(15, id, id.parse::<RunId>().ok())).collect::<Result<_, _>>()?,
    })
}

pub(super) fn delivery(db: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Delivery>> {
    db.prepare_cached(&format!("{DELIVERY} WHERE delivery.id = ?"))?
        .query_row([id.0], delivery_row)
        .optional()
}

pub(in crate::storage::sqlite) fn deliveries(
    db: &Connection,
    filter: &DeliveryFilter,
    page: Page,
) -> rusqlite::Result<Paged<Delivery>> {
    delivery_search(filter).page(db, page, |key| delivery(db, DeliveryId(key)))
}

/// Event types that checks do not need are rare and indexed. The others are found among the newest
/// rows.
const IS_RARE_TYPE: &str = "event_type = ? AND event_type NOT IN ('git.push',
    'git.pullrequest.created', 'git.pullrequest.updated', 'git.pullrequest.merged',
    'ms.vss-code.git-pullrequest-comment-event')";

const USUAL_TYPES: [&str; 5] = [
    "git.push",
    "git.pullrequest.created",
    "git.pullrequest.updated",
    "git.pullrequest.merged",
    "ms.vss-code.git-pullrequest-comment-event",
];

const TIMES: Times = Times { table: "delivery", key: "id", at: "received_at" };

pub(in crate::storage::sqlite) fn delivery_search(filter: &DeliveryFilter) -> Search {
    let DeliveryFilter { organization, event_type, event, outcome, source, about, between } =
        filter.clone();
    let all = Keys::all("delivery", "id");
    let is_pending = outcome == Some(Outcome::Pending);
    let rare_source = source.filter(|source| *source != Source::Hook);
    let rare_type = event_type.clone().filter(|name| !USUAL_TYPES.contains(&name.as_str()));
    let keys = match (about, outcome, rare_source, rare_type) {
        (Some(about), _, _, _) => Keys::all("about", "delivery").by("subject = ?", about),
        (_, Some(Outcome::Pending), _, _) => Keys::all("inbox", "delivery"),
        (_, _, Some(source), _) => {
            all.by("source = ? AND source <> 'hook'", source.as_str().to_owned())
        }
        (_, _, _, Some(event_type)) => all.by(IS_RARE_TYPE, event_type),
        (_, Some(outcome), _, _) => {
            Keys::all("decision", "delivery").by("outcome = ?", outcome.as_str().to_owned())
        }
        (None, None, None, None) => all,
    };
    // What a delivery is about is known once it is decided.
    let decided = outcome
        .filter(|_| !is_pending || about.is_some())
        .map(|outcome| outcome.as_str().to_owned());
    let wanted = Where::default()
        .and("organization = ? COLLATE NOCASE", organization)
        .and("event_type = ?", event_type)
        .and("(SELECT outcome FROM decision WHERE decision.delivery = delivery.id) = ?", decided)
        .and(
            "(SELECT event FROM decision WHERE decision.delivery = delivery.id) = ?",
            event.map(|event| event.as_str().to_owned()),
        )
        .and("source = ?", source.map(|source| source.as_str().to_owned()))
        .and("received_at >= ?", between.since_us())
        .and("received_at < ?", between.until_us());
    let matches = "SELECT 1 FROM delivery WHERE id = ?";
    Search { matches, keys, fallback: None, wanted, times: TIMES, between }
}
