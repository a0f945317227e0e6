//! The inbox: deliveries stored once, leased until they are decided. It must never read a body.

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::decision::{Outcome, Source};
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::{corrupt, limit, parsed, time};
use crate::storage::{Accepted, Claim, Lease, LeasedDelivery, NewDelivery};

pub(in crate::storage::sqlite) fn accept(
    db: &Connection,
    new: &NewDelivery,
) -> rusqlite::Result<Accepted> {
    let subscription = match (&new.subscription, new.notification) {
        (Some(guid), Some(_)) => Some(intern(db, &new.organization, guid)?),
        _ => None,
    };
    let event_id = new.event_id.as_deref().map(event_key);
    let told_before = match &event_id {
        Some(event_id) if new.subscription.is_some() => same_event(db, new, event_id)?,
        _ => None,
    };
    let inserted = db
        .prepare_cached(
            "INSERT INTO delivery (organization, hook, source, received_at, subscription,
                notification, event_id, event_type, created_at, body, body_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.organization,
            new.hook,
            new.source.as_str(),
            new.received_at.micros(),
            subscription,
            new.notification,
            event_id,
            new.event_type,
            new.created_at.map(Timestamp::micros),
            new.body,
            limit(new.body_bytes),
        ])?;
    if inserted == 0 {
        return Ok(Accepted::AlreadyThere);
    }
    let id = DeliveryId(db.last_insert_rowid());
    let (outcome, reason) = match (&new.quarantined, told_before) {
        (Some(why), _) => (Outcome::Quarantined, why.clone()),
        (None, Some(first)) => (
            Outcome::Duplicate,
            format!("the same event was told by delivery {first}, through another subscription"),
        ),
        (None, None) => {
            db.prepare_cached("INSERT INTO inbox (delivery, due_at) VALUES (?1, 0)")?
                .execute([id.0])?;
            return Ok(Accepted::Stored(id));
        }
    };
    decide(db, id, outcome, None, &reason, new.received_at)?;
    Ok(Accepted::Stored(id))
}

fn intern(db: &Connection, organization: &str, guid: &str) -> rusqlite::Result<i64> {
    let found = db
        .prepare_cached("SELECT id FROM subscription WHERE organization = ?1 AND guid = ?2")?
        .query_row([organization, guid], |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => db
            .prepare_cached(
                "INSERT INTO subscription (organization, guid) VALUES (?1, ?2) RETURNING id",
            )?
            .query_row([organization, guid], |row| row.get(0)),
    }
}

/// The delivery of another notification that told the same event.
fn same_event(
    db: &Connection,
    new: &NewDelivery,
    event_id: &[u8],
) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT id FROM delivery WHERE event_id = ?1 AND organization = ?2 AND source = ?3 LIMIT 1",
    )?
    .query_row(params![event_id, new.organization, new.source.as_str()], |row| row.get(0))
    .optional()
}

/// GUIDs as 16 bytes, anything else as it is.
fn event_key(event_id: &str) -> Vec<u8> {
    match Uuid::parse_str(event_id) {
        Ok(guid) => guid.as_bytes().to_vec(),
        Err(_) => event_id.as_bytes().to_vec(),
    }
}

pub(in crate::storage::sqlite) fn decide(
    db: &Connection,
    id: DeliveryId,
    outcome: Outcome,
    event: Option<&str>,
    reason: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO decision (delivery, outcome, event, reason, decided_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id.0, outcome.as_str(), event, reason, now.micros()])?;
    Ok(())
}

pub(in crate::storage::sqlite) fn claim(
    db: &Connection,
    claim: Claim,
) -> rusqlite::Result<Vec<LeasedDelivery>> {
    let due: Vec<(i64, i64, u32)> = db
        .prepare_cached(
            "UPDATE inbox SET lease = lease + 1, attempts = attempts + 1, due_at = ?2
             WHERE delivery IN
                (SELECT delivery FROM inbox WHERE due_at <= ?1 ORDER BY due_at, delivery LIMIT ?3)
             RETURNING delivery, lease, attempts",
        )?
        .query_map(
            params![claim.now.micros(), claim.now.plus(claim.lease).micros(), limit(claim.limit)],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect::<Result<_, _>>()?;
    let mut select = db.prepare_cached(
        "SELECT organization, source, received_at, body FROM delivery WHERE id = ?1",
    )?;
    let mut leased = Vec::with_capacity(due.len());
    for (id, number, attempts) in due {
        leased.push(select.query_row([id], |row| {
            let source: String = row.get(1)?;
            Ok(LeasedDelivery {
                lease: Lease { id: DeliveryId(id), number },
                organization: row.get(0)?,
                source: parsed(1, &source, Source::parse(&source))?,
                received_at: time(row, 2)?,
                body: unpack(&row.get::<_, Vec<u8>>(3)?).unwrap_or_else(|error| {
                    // It is decided as what it is now, unreadable, and must not stop the others.
                    tracing::error!(delivery = id, %error, "a stored body is damaged");
                    Vec::new()
                }),
                attempts,
            })
        })?);
    }
    // RETURNING promises no order.
    leased.sort_by_key(|delivery| delivery.lease.id);
    Ok(leased)
}

pub(in crate::storage::sqlite) fn replay(
    db: &Connection,
    id: DeliveryId,
    now: Timestamp,
) -> rusqlite::Result<Option<DeliveryId>> {
    let copied = db
        .prepare_cached(
            "INSERT INTO delivery (organization, hook, source, received_at, event_id, event_type,
                created_at, body, body_bytes)
             SELECT organization, hook, ?2, ?3, event_id, event_type, created_at, body, body_bytes
             FROM delivery WHERE id = ?1",
        )?
        .execute(params![id.0, Source::Replay.as_str(), now.micros()])?;
    if copied == 0 {
        return Ok(None);
    }
    let id = DeliveryId(db.last_insert_rowid());
    db.prepare_cached("INSERT INTO inbox (delivery, due_at) VALUES (?1, 0)")?.execute([id.0])?;
    Ok(Some(id))
}

pub(in crate::storage::sqlite) fn body(
    db: &Connection,
    id: DeliveryId,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let packed: Option<Vec<u8>> = db
        .prepare_cached("SELECT body FROM delivery WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    packed.as_deref().map(unpack).transpose()
}

fn unpack(body: &[u8]) -> rusqlite::Result<Vec<u8>> {
    lz4_flex::decompress_size_prepended(body).map_err(|error| corrupt(0, error.to_string()))
}
