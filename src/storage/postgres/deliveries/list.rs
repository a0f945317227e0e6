//! Lists of deliveries, newest first, a page at a time.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::decision::{Outcome, Source};
use crate::domain::delivery::PENDING_REASON;
use crate::domain::event::Event;
use crate::domain::id::{DeliveryId, RunId};
use crate::storage::postgres::engine::db::{Db, params};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{from_json, get, parsed, time, time_maybe};
use crate::storage::postgres::engine::search::{Keys, Search, Where};
use crate::storage::postgres::engine::times::Times;
use crate::storage::{Delivery, DeliveryFilter, Page, Paged};

const DELIVERY: &str = "SELECT delivery.id, delivery.organization, hook, source, received_at,
        subscription.guid, notification, event_type, created_at, body_bytes, decision.event,
        decision.outcome, decision.reason, decision.decided_at, decision.checks,
        ARRAY(SELECT run.id FROM run WHERE run.delivery = delivery.id ORDER BY run.number)
    FROM delivery LEFT JOIN decision ON decision.delivery = delivery.id
    LEFT JOIN subscription ON subscription.id = delivery.subscription";

fn delivery_row(row: &Row) -> Result<Delivery, Failure> {
    let (source, outcome): (&str, Option<&str>) = (get(row, 3)?, get(row, 11)?);
    let outcome = outcome.unwrap_or(Outcome::Pending.as_str());
    let reason: Option<String> = get(row, 12)?;
    let checks: Option<&str> = get(row, 14)?;
    let runs: Vec<&[u8]> = get(row, 15)?;
    let run = |id: &[u8]| {
        Uuid::from_slice(id).map(RunId).map_err(|error| Failure::Value(error.to_string()))
    };
    Ok(Delivery {
        id: DeliveryId(get(row, 0)?),
        organization: get(row, 1)?,
        hook: get(row, 2)?,
        source: parsed(source, Source::parse(source))?,
        received_at: time(row, 4)?,
        subscription: get(row, 5)?,
        notification: get(row, 6)?,
        event_type: get(row, 7)?,
        created_at: time_maybe(row, 8)?,
        body_bytes: get(row, 9)?,
        event: get(row, 10)?,
        outcome: parsed(outcome, Outcome::parse(outcome))?,
        reason: reason.unwrap_or_else(|| PENDING_REASON.into()),
        decided_at: time_maybe(row, 13)?,
        checks: checks.map_or_else(|| Ok(Vec::new()), from_json)?,
        runs: runs.into_iter().map(run).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn delivery(db: &Db, id: DeliveryId) -> Result<Option<Delivery>, Failure> {
    let row = db.row(&format!("{DELIVERY} WHERE delivery.id = $1"), params![id.0]).await?;
    row.as_ref().map(delivery_row).transpose()
}

pub(super) async fn deliveries(
    db: &Db,
    filter: &DeliveryFilter,
    page: Page,
) -> Result<Paged<Delivery>, Failure> {
    delivery_search(filter).page(db, page, delivery_row).await
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

fn delivery_search(filter: &DeliveryFilter) -> Search {
    let DeliveryFilter { organization, event_type, event, outcome, source, about, between } =
        filter.clone();
    let all = Keys::all("delivery", "id");
    let is_pending = outcome == Some(Outcome::Pending);
    let rare_source = source.filter(|source| *source != Source::Hook);
    let rare_type = event_type.clone().filter(|name| !USUAL_TYPES.contains(&name.as_str()));
    let keys = match (about, outcome, rare_source, rare_type) {
        (Some(about), _, _, _) => Keys::all("about", "delivery").by("subject = ?", about),
        (_, Some(Outcome::Pending), _, _) => Keys::all("inbox", "delivery"),
        (_, _, Some(source), _) => all.by("source = ? AND source <> 'hook'", source.as_str()),
        (_, _, _, Some(event_type)) => all.by(IS_RARE_TYPE, event_type),
        (_, Some(outcome), _, _) => {
            Keys::all("decision", "delivery").by("outcome = ?", outcome.as_str())
        }
        (None, None, None, None) => all,
    };
    // What a delivery is about is known once it is decided.
    let decided =
        outcome.filter(|_| !is_pending || about.is_some()).map(|outcome| outcome.as_str());
    let wanted = Where::default()
        .and("lower(delivery.organization) = lower(?)", organization)
        .and("event_type = ?", event_type)
        .and("decision.outcome = ?", decided)
        .and("decision.event = ?", event.map(Event::as_str))
        .and("source = ?", source.map(|source| source.as_str()))
        .and("received_at >= ?", between.since_us())
        .and("received_at < ?", between.until_us());
    Search {
        select: DELIVERY,
        key: "delivery.id",
        keys,
        fallback: None,
        wanted,
        times: TIMES,
        between,
    }
}
