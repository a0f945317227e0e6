//! The inbox: deliveries are stored once and leased until they are decided.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::decision::{Outcome, Source};
use crate::domain::delivery;
use crate::domain::fact::CatchUpMeta;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::codec::{compress, event_key};
use crate::storage::sqlite::engine::rows::{decompress, from_json, limit, parsed, time, to_json};
use crate::storage::{
    CATCH_UP_HOOK, CatchUpDelivery, Claim, Envelope, Lease, LeasedDelivery, Replayed,
};

/// Deliveries of one event that are compared with a new one. A duplicate that is not recognized
/// here is decided, and starts nothing.
const SAME_EVENT_MAX: usize = 16;

/// A delivery to be inserted.
#[derive(Debug)]
pub(in crate::storage::sqlite) struct NewRow {
    pub(super) organization: String,
    pub(super) hook: String,
    source: Source,
    pub(super) received_at: Timestamp,
    envelope: Envelope,
    catch_up: Option<CatchUpMeta>,
    /// Compressed.
    body: Vec<u8>,
    body_bytes: usize,
}

impl NewRow {
    /// A hook call.
    pub(super) fn of_hook(
        organization: String,
        hook: String,
        received_at: Timestamp,
        envelope: Envelope,
        body: &[u8],
    ) -> Self {
        Self {
            organization,
            hook,
            source: Source::Hook,
            received_at,
            envelope,
            catch_up: None,
            body: compress(body),
            body_bytes: body.len(),
        }
    }

    /// A fact that catch-up found.
    pub(in crate::storage::sqlite) fn of_catch_up(found: CatchUpDelivery) -> Self {
        let CatchUpDelivery { organization, received_at, event_type, created_at, body, meta } =
            found;
        let event_type = Some(event_type);
        Self {
            organization,
            hook: CATCH_UP_HOOK.to_owned(),
            source: Source::CatchUp,
            received_at,
            envelope: Envelope { event_type, created_at: Some(created_at), ..Envelope::default() },
            catch_up: Some(meta),
            body: compress(&body),
            body_bytes: body.len(),
        }
    }

    /// Roughly what the row holds in memory.
    pub(in crate::storage::sqlite) fn bytes(&self) -> usize {
        self.body.len() + 512
    }
}

/// What an insertion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage::sqlite) enum Inserted {
    New(DeliveryId),
    /// A delivery with this key was stored before.
    AlreadyThere,
}

/// Stores a delivery, unless one with its key is stored already.
pub(in crate::storage::sqlite) fn insert(
    db: &Connection,
    new: &NewRow,
) -> rusqlite::Result<Inserted> {
    let Envelope { subscription, notification, event_id, event_type, created_at, quarantined } =
        &new.envelope;
    let key = delivery::key(&new.hook, subscription.as_deref(), *notification);
    let interned = key
        .map(|(scope, guid, _)| intern(db, [new.organization.as_str(), scope.as_str(), guid]))
        .transpose()?;
    let event_id = event_id.as_deref().map(event_key);
    let earlier = match &event_id {
        Some(event_id) => of_same_event(db, new, event_id)?,
        None => None,
    };
    let inserted = db
        .prepare_cached(
            "INSERT INTO delivery (organization, hook, source, received_at, subscription,
                notification, event_id, event_type, created_at, catch_up, body, body_bytes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            new.organization,
            new.hook,
            new.source.as_str(),
            new.received_at.micros(),
            interned,
            notification,
            event_id,
            event_type,
            created_at.map(Timestamp::micros),
            new.catch_up.as_ref().map(to_json).transpose()?,
            new.body,
            limit(new.body_bytes),
        ])?;
    if inserted == 0 {
        return Ok(Inserted::AlreadyThere);
    }
    let id = DeliveryId(db.last_insert_rowid());
    match delivery::on_arrival(quarantined.as_deref(), subscription.as_deref(), earlier) {
        Some((outcome, reason)) => decide(db, id, outcome, None, &reason, None, new.received_at)?,
        None => enqueue(db, id)?,
    }
    Ok(Inserted::New(id))
}

/// `subscription` is its organization, the scope of its hook and its GUID.
fn intern(db: &Connection, subscription: [&str; 3]) -> rusqlite::Result<i64> {
    let found = db
        .prepare_cached(
            "SELECT id FROM subscription WHERE organization = ?1 AND scope = ?2 AND guid = ?3",
        )?
        .query_row(subscription, |row| row.get(0))
        .optional()?;
    match found {
        Some(id) => Ok(id),
        None => db
            .prepare_cached(
                "INSERT INTO subscription (organization, scope, guid) VALUES (?1, ?2, ?3)
                 RETURNING id",
            )?
            .query_row(subscription, |row| row.get(0)),
    }
}

/// A delivery of the same event and from the same source that may count for the new one.
fn of_same_event(
    db: &Connection,
    new: &NewRow,
    event_id: &[u8],
) -> rusqlite::Result<Option<DeliveryId>> {
    let mut select = db.prepare_cached(
        "SELECT id, hook FROM delivery
         WHERE event_id = ?1 AND organization = ?2 AND source = ?3 ORDER BY id LIMIT ?4",
    )?;
    let same = params![event_id, new.organization, new.source.as_str(), limit(SAME_EVENT_MAX)];
    let mut rows = select.query(same)?;
    while let Some(row) = rows.next()? {
        let hook: String = row.get(1)?;
        if delivery::stands_for(&hook, &new.hook) {
            return Ok(Some(DeliveryId(row.get(0)?)));
        }
    }
    Ok(None)
}

fn enqueue(db: &Connection, id: DeliveryId) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO inbox (delivery, due_at) VALUES (?1, 0)")?.execute([id.0])?;
    Ok(())
}

pub(super) fn decide(
    db: &Connection,
    id: DeliveryId,
    outcome: Outcome,
    event: Option<&str>,
    reason: &str,
    checks: Option<&str>,
    now: Timestamp,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO decision (delivery, outcome, event, reason, checks, decided_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![id.0, outcome.as_str(), event, reason, checks, now.micros()])?;
    Ok(())
}

pub(super) fn claim(db: &Connection, claim: Claim) -> rusqlite::Result<Vec<LeasedDelivery>> {
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
        "SELECT organization, source, received_at, catch_up, body, hook
         FROM delivery WHERE id = ?1",
    )?;
    let mut leased = Vec::with_capacity(due.len());
    for (id, number, attempts) in due {
        leased.push(select.query_row([id], |row| {
            let source: String = row.get(1)?;
            let catch_up: Option<String> = row.get(3)?;
            Ok(LeasedDelivery {
                lease: Lease { id: DeliveryId(id), number },
                organization: row.get(0)?,
                hook: row.get(5)?,
                source: parsed(1, &source, Source::parse(&source))?,
                received_at: time(row, 2)?,
                catch_up: catch_up.map(|meta| from_json(3, &meta)).transpose()?,
                body: decompress(4, &row.get::<_, Vec<u8>>(4)?).unwrap_or_else(|error| {
                    // An empty body is quarantined, and the other deliveries are decided.
                    tracing::error!(delivery = id, %error, "a stored body is damaged");
                    Vec::new()
                }),
                attempts,
            })
        })?);
    }
    // SQLite does not say in which order RETURNING returns rows.
    leased.sort_by_key(|delivery| delivery.lease.id);
    Ok(leased)
}

/// The copy of a delivery of catch-up is decided like one of a hook: its `catch_up` is not copied.
pub(super) fn replay(
    db: &Connection,
    id: DeliveryId,
    request: i64,
    now: Timestamp,
) -> rusqlite::Result<Option<Replayed>> {
    let before: Option<i64> = db
        .prepare_cached("SELECT delivery FROM about WHERE subject = ?1")?
        .query_row([request], |row| row.get(0))
        .optional()?;
    if let Some(before) = before {
        return Ok(Some(Replayed { id: DeliveryId(before), is_new: false }));
    }
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
    enqueue(db, id)?;
    db.prepare_cached("INSERT INTO about (delivery, subject) VALUES (?1, ?2)")?
        .execute([id.0, request])?;
    Ok(Some(Replayed { id, is_new: true }))
}

pub(super) fn body(db: &Connection, id: DeliveryId) -> rusqlite::Result<Option<Vec<u8>>> {
    let stored: Option<Vec<u8>> = db
        .prepare_cached("SELECT body FROM delivery WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    stored.map(|stored| decompress(0, &stored)).transpose()
}
