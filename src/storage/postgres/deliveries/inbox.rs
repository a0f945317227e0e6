//! The inbox: deliveries are stored once and leased until they are decided.

use tokio_postgres::Row;

use crate::domain::decision::{Outcome, Source};
use crate::domain::delivery;
use crate::domain::id::DeliveryId;
use crate::domain::time::Timestamp;
use crate::storage::codec::{compress, event_key};
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::{
    count, decompress, from_json, get, limit, parsed, time, to_json,
};
use crate::storage::{CATCH_UP_HOOK, CatchUpDelivery, Claim, Envelope, Lease, LeasedDelivery};

/// Deliveries of one event that are compared with a new one. A duplicate that is not recognized
/// here is decided, and starts nothing.
const SAME_EVENT_MAX: usize = 16;

/// A delivery to be inserted.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) organization: String,
    pub(super) hook: String,
    source: Source,
    pub(super) received_at: Timestamp,
    envelope: Envelope,
    /// JSON.
    catch_up: Option<String>,
    /// Compressed.
    body: Vec<u8>,
    body_bytes: usize,
}

impl NewRow {
    /// A hook call.
    pub(super) fn of_hook(
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        envelope: Envelope,
        body: &[u8],
    ) -> Self {
        Self {
            organization: organization.to_owned(),
            hook: hook.to_owned(),
            source: Source::Hook,
            received_at,
            envelope,
            catch_up: None,
            body: compress(body),
            body_bytes: body.len(),
        }
    }

    /// A fact that catch-up found.
    fn of_catch_up(found: &CatchUpDelivery) -> Result<Self, Failure> {
        let CatchUpDelivery { organization, received_at, event_type, created_at, body, meta } =
            found;
        Ok(Self {
            organization: organization.clone(),
            hook: CATCH_UP_HOOK.to_owned(),
            source: Source::CatchUp,
            received_at: *received_at,
            envelope: Envelope {
                event_type: Some(event_type.clone()),
                created_at: Some(*created_at),
                ..Envelope::default()
            },
            catch_up: Some(to_json(meta)?),
            body: compress(body),
            body_bytes: body.len(),
        })
    }

    /// Roughly what the row holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + 512
    }

    /// Its event, where it has one.
    pub(super) fn event(&self) -> Option<(&str, &str)> {
        Some((&self.organization, self.envelope.event_id.as_deref()?))
    }

    /// The scope and the GUID of its subscription, where it has a key.
    pub(super) fn subscription(&self) -> Option<(String, &str)> {
        let Envelope { subscription, notification, .. } = &self.envelope;
        let key = delivery::key(&self.hook, subscription.as_deref(), *notification)?;
        Some((key.0, key.1))
    }
}

/// What became of a row.
#[derive(Debug)]
pub(super) struct Stored {
    /// Its position among those that were to be stored.
    pub(super) index: usize,
    pub(super) id: DeliveryId,
    /// False where a delivery with its key was stored before.
    pub(super) is_new: bool,
    /// Another delivery of the same event was stored before.
    pub(super) has_earlier: bool,
}

/// Ids are taken in the order of the rows. They are inserted in the order of their keys, so that
/// two batches with equal keys do not wait for each other in a circle: the second one waits until
/// the first is committed, and then finds the key taken.
const INSERT: &str = "WITH new AS MATERIALIZED (
        SELECT nextval('delivery_id_seq') AS id, row.*
        FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
            $7::bytea[], $8::text[], $9::bigint[], $10::text[], $11::bytea[], $12::bigint[],
            $13::text[]) WITH ORDINALITY
        AS row (organization, hook, source, received_at, subscription, notification, event_id,
            event_type, created_at, catch_up, body, body_bytes, quarantined, position)),
    stored AS (
        INSERT INTO delivery (id, organization, hook, source, received_at, subscription,
            notification, event_id, event_type, created_at, catch_up, body_bytes)
        SELECT id, organization, hook, source, received_at, subscription, notification, event_id,
            event_type, created_at, catch_up, body_bytes
        FROM new ORDER BY subscription, notification, id
        ON CONFLICT (subscription, notification)
            WHERE subscription IS NOT NULL AND notification IS NOT NULL DO NOTHING
        RETURNING id),
    bodies AS (
        INSERT INTO body (delivery, received_at, body)
        SELECT id, received_at, body FROM new JOIN stored USING (id)),
    waiting AS (
        INSERT INTO inbox (delivery, due_at)
        SELECT id, 0 FROM new JOIN stored USING (id) WHERE quarantined IS NULL),
    decided AS (
        INSERT INTO decision (delivery, outcome, reason, decided_at)
        SELECT id, 'quarantined', quarantined, received_at FROM new JOIN stored USING (id)
        WHERE quarantined IS NOT NULL)
    SELECT position, new.id, stored.id IS NOT NULL, EXISTS (
        SELECT 1 FROM delivery AS before
        WHERE before.event_id = new.event_id AND before.organization = new.organization
            AND before.source = new.source)
    FROM new LEFT JOIN stored USING (id)";

/// Stores deliveries, those of hooks unless one with their key is stored already. `subscriptions`
/// are the numbers of their subscriptions.
pub(super) async fn insert(
    db: &Db,
    new: &[&NewRow],
    subscriptions: &[Option<i64>],
) -> Result<Vec<Stored>, Failure> {
    let texts = |of: fn(&NewRow) -> &str| new.iter().map(|row| text(of(row))).collect::<Vec<_>>();
    let numbers = |of: fn(&NewRow) -> Option<i64>| new.iter().map(|row| of(row)).collect();
    let organizations = texts(|row| &row.organization);
    let hooks = texts(|row| &row.hook);
    let sources = texts(|row| row.source.as_str());
    let received: Vec<i64> = new.iter().map(|row| row.received_at.micros()).collect();
    let subscriptions = subscriptions.to_vec();
    let notifications: Vec<Option<i64>> = numbers(|row| row.envelope.notification);
    let event_id = |row: &&NewRow| row.envelope.event_id.as_deref().map(event_key);
    let event_ids: Vec<Option<Vec<u8>>> = new.iter().map(event_id).collect();
    let some = |of: fn(&NewRow) -> Option<&String>| {
        new.iter().map(|row| of(row).map(|one| text(one))).collect::<Vec<_>>()
    };
    let event_types = some(|row| row.envelope.event_type.as_ref());
    let created: Vec<Option<i64>> = numbers(|row| row.envelope.created_at.map(Timestamp::micros));
    let catch_ups = some(|row| row.catch_up.as_ref());
    let bodies: Vec<&[u8]> = new.iter().map(|row| row.body.as_slice()).collect();
    let body_bytes: Vec<i64> = new.iter().map(|row| limit(row.body_bytes)).collect();
    let quarantined = some(|row| row.envelope.quarantined.as_ref());
    let rows = db
        .rows(
            INSERT,
            params![
                organizations,
                hooks,
                sources,
                received,
                subscriptions,
                notifications,
                event_ids,
                event_types,
                created,
                catch_ups,
                bodies,
                body_bytes,
                quarantined
            ],
        )
        .await?;
    let stored = |row: &Row| {
        let position: usize = count(row, 0)?;
        Ok(Stored {
            index: position.saturating_sub(1),
            id: DeliveryId(get(row, 1)?),
            is_new: get(row, 2)?,
            has_earlier: get(row, 3)?,
        })
    };
    let mut stored: Vec<Stored> = rows.iter().map(stored).collect::<Result<_, Failure>>()?;
    stored.sort_by_key(|one| one.index);
    Ok(stored)
}

/// Stores what catch-up found. Each is new, since none has a key.
pub(in crate::storage::postgres) async fn insert_found(
    db: &Db,
    found: &[CatchUpDelivery],
) -> Result<Vec<DeliveryId>, Failure> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let rows = found.iter().map(NewRow::of_catch_up).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<&NewRow> = rows.iter().collect();
    let stored = insert(db, &rows, &vec![None; rows.len()]).await?;
    Ok(stored.into_iter().map(|one| one.id).collect())
}

/// Ends a new delivery as a duplicate, where an earlier one of the same event may count for it.
/// One that is being decided already is left alone.
///
/// Only a delivery with a smaller id is an earlier one: of two that are stored at the same time
/// each may see the other, and one of them has to be decided.
pub(super) async fn end_duplicate(db: &Db, new: &NewRow, id: DeliveryId) -> Result<(), Failure> {
    let Some(event_id) = new.envelope.event_id.as_deref().map(event_key) else { return Ok(()) };
    let sql = "SELECT id, hook FROM delivery
         WHERE event_id = $1 AND organization = $2 AND source = $3 AND id < $4
         ORDER BY id LIMIT $5";
    let (organization, source) = (text(&new.organization), text(new.source.as_str()));
    let most = limit(SAME_EVENT_MAX);
    let rows = db.rows(sql, params![event_id, organization, source, id.0, most]).await?;
    let mut earlier = None;
    for row in &rows {
        if earlier.is_none() && delivery::stands_for(get(row, 1)?, &new.hook) {
            earlier = Some(DeliveryId(get(row, 0)?));
        }
    }
    let Envelope { subscription, quarantined, .. } = &new.envelope;
    let ended = delivery::on_arrival(quarantined.as_deref(), subscription.as_deref(), earlier);
    let Some((outcome, reason)) = ended else { return Ok(()) };
    let taken = "DELETE FROM inbox WHERE delivery = $1 AND lease = 0";
    if db.execute(taken, params![id.0]).await? == 1 {
        decide(db, id, outcome, None, &reason, new.received_at).await?;
    }
    Ok(())
}

pub(super) async fn decide(
    db: &Db,
    id: DeliveryId,
    outcome: Outcome,
    event: Option<&str>,
    reason: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let sql = "INSERT INTO decision (delivery, outcome, event, reason, decided_at)
         VALUES ($1, $2, $3, $4, $5)";
    let (outcome, event) = (text(outcome.as_str()), event.map(text));
    db.execute(sql, params![id.0, outcome, event, text(reason), now.micros()]).await?;
    Ok(())
}

/// With the time of receipt the database finds the partition of a body.
const CLAIM: &str = "WITH due AS MATERIALIZED (
        SELECT delivery FROM inbox WHERE due_at <= $1 ORDER BY due_at, delivery LIMIT $3
        FOR UPDATE SKIP LOCKED),
    leased AS (
        UPDATE inbox SET lease = lease + 1, attempts = attempts + 1, due_at = $2, holder = $4
        FROM due WHERE inbox.delivery = due.delivery
        RETURNING inbox.delivery, lease, attempts)
    SELECT leased.delivery, lease, attempts, organization, hook, source, delivery.received_at,
        catch_up, body.body
    FROM leased JOIN delivery ON delivery.id = leased.delivery
    LEFT JOIN body ON body.delivery = delivery.id AND body.received_at = delivery.received_at
    ORDER BY leased.delivery";

pub(super) async fn claim(
    db: &Db,
    claim: Claim,
    instance: &str,
) -> Result<Vec<LeasedDelivery>, Failure> {
    let (now, until) = (claim.now.micros(), claim.now.plus(claim.lease).micros());
    let rows = db.rows(CLAIM, params![now, until, limit(claim.limit), text(instance)]).await?;
    rows.iter().map(leased).collect()
}

fn leased(row: &Row) -> Result<LeasedDelivery, Failure> {
    let id = DeliveryId(get(row, 0)?);
    let source: &str = get(row, 5)?;
    let catch_up: Option<&str> = get(row, 7)?;
    let stored: Option<&[u8]> = get(row, 8)?;
    Ok(LeasedDelivery {
        lease: Lease { id, number: get(row, 1)? },
        attempts: count(row, 2)?,
        organization: get(row, 3)?,
        hook: get(row, 4)?,
        source: parsed(source, Source::parse(source))?,
        received_at: time(row, 6)?,
        catch_up: catch_up.map(from_json).transpose()?,
        body: decompress(stored.unwrap_or_default()).unwrap_or_else(|error| {
            // An empty body is quarantined, and the other deliveries are decided.
            tracing::error!(delivery = id.0, %error, "a stored body is damaged");
            Vec::new()
        }),
    })
}

/// The copy of a delivery of catch-up is decided like one of a hook: its `catch_up` is not copied.
pub(super) async fn replay(
    db: &Db,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<DeliveryId>, Failure> {
    let sql = "WITH copied AS (
            INSERT INTO delivery (organization, hook, source, received_at, event_id, event_type,
                created_at, body_bytes)
            SELECT organization, hook, $2, $3, event_id, event_type, created_at, body_bytes
            FROM delivery WHERE id = $1 RETURNING id),
        bodies AS (
            INSERT INTO body (delivery, received_at, body)
            SELECT copied.id, $3, body.body FROM copied CROSS JOIN delivery
            JOIN body ON body.delivery = delivery.id AND body.received_at = delivery.received_at
            WHERE delivery.id = $1),
        waiting AS (INSERT INTO inbox (delivery, due_at) SELECT id, 0 FROM copied)
        SELECT id FROM copied";
    let source = text(Source::Replay.as_str());
    let row = db.row(sql, params![id.0, source, now.micros()]).await?;
    row.map(|row| Ok(DeliveryId(get(&row, 0)?))).transpose()
}

pub(super) async fn body(db: &Db, id: DeliveryId) -> Result<Option<Vec<u8>>, Failure> {
    let sql = "SELECT body.body FROM delivery
         JOIN body ON body.delivery = delivery.id AND body.received_at = delivery.received_at
         WHERE delivery.id = $1";
    let row = db.row(sql, params![id.0]).await?;
    row.map(|row| decompress(get(&row, 0)?)).transpose()
}
