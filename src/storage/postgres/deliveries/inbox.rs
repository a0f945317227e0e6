//! The inbox: deliveries are stored once and leased until they are decided.

use std::collections::HashMap;

use tokio_postgres::Row;

use super::subscriptions::Subscription;
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
use crate::storage::{
    CATCH_UP_HOOK, CatchUpDelivery, Claim, Envelope, Lease, LeasedDelivery, Replayed,
};

/// A delivery to be inserted.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) organization: String,
    pub(super) hook: String,
    source: Source,
    pub(super) received_at: Timestamp,
    /// None where the delivery has no key.
    pub(super) subscription: Option<Subscription>,
    event: Option<Vec<u8>>,
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
            subscription: Subscription::of(organization, hook, &envelope),
            event: envelope.event_id.as_deref().map(event_key),
            envelope,
            catch_up: None,
            body: compress(body),
            body_bytes: body.len(),
        }
    }

    fn of_catch_up(found: &CatchUpDelivery) -> Result<Self, Failure> {
        let CatchUpDelivery { organization, received_at, event_type, created_at, body, meta } =
            found;
        let (event_type, created_at) = (Some(event_type.clone()), Some(*created_at));
        Ok(Self {
            organization: organization.clone(),
            hook: CATCH_UP_HOOK.to_owned(),
            source: Source::CatchUp,
            received_at: *received_at,
            subscription: None,
            event: None,
            envelope: Envelope { event_type, created_at, ..Envelope::default() },
            catch_up: Some(to_json(meta)?),
            body: compress(body),
            body_bytes: body.len(),
        })
    }

    /// Roughly what the row holds in memory.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + 512
    }

    /// What becomes of the delivery where `earlier` is one of the same event.
    fn on_arrival(&self, earlier: Option<DeliveryId>) -> Option<(Outcome, String)> {
        let Envelope { quarantined, subscription, .. } = &self.envelope;
        delivery::on_arrival(quarantined.as_deref(), subscription.as_deref(), earlier)
    }
}

/// A delivery that was inserted.
#[derive(Debug)]
pub(super) struct Inserted {
    id: DeliveryId,
    /// Its position among those that were given.
    at: usize,
    /// Deliveries of the same event that were stored before, with their hooks, in order.
    earlier: Vec<(DeliveryId, String)>,
}

/// One statement, because a delivery is acknowledged after one round trip. What is stored already
/// uses up no numbers, as far as this can be known. A body is taken out of its array where it is
/// inserted: in the other rows it would be copied each time.
///
/// The rows are inserted by key, so that two batches do not wait for each other in a circle; where
/// another batch inserts the same key, `ON CONFLICT` waits until that is committed. The conflict
/// names its index: any other one is an error. At most 16 deliveries of one event are compared with
/// a new one; a duplicate that is not recognized is decided, and starts nothing.
///
/// Subqueries that could be joins make the database use an index for each row, and `OFFSET 0` makes
/// it choose the index of events.
const INSERT: &str = "WITH given AS (
    SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
    WITH ORDINALITY AS given (organization, hook, source, received_at, subscription, notification,
        event_id, event_type, created_at, catch_up, body_bytes, outcome, reason, at)
    WHERE (SELECT id FROM delivery WHERE delivery.subscription = given.subscription
        AND delivery.notification = given.notification) IS NULL
    ORDER BY at
), new AS MATERIALIZED (
    SELECT nextval('delivery_id_seq') AS id, given.* FROM given
), inserted AS (
    INSERT INTO delivery (id, organization, hook, source, received_at, subscription, notification,
        event_id, event_type, created_at, catch_up, body_bytes)
    SELECT id, organization, hook, source, received_at, subscription, notification,
        event_id, event_type, created_at, catch_up, body_bytes
    FROM new ORDER BY subscription, notification
    ON CONFLICT (subscription, notification)
        WHERE subscription IS NOT NULL AND notification IS NOT NULL DO NOTHING
    RETURNING id
), stored AS MATERIALIZED (
    SELECT * FROM new WHERE id = ANY (ARRAY (SELECT id FROM inserted))
), bodies AS (
    INSERT INTO body (delivery, received_at, body)
    SELECT id, received_at, ($14::bytea[])[at] FROM stored
), waiting AS (
    INSERT INTO inbox (delivery, due_at) SELECT id, 0 FROM stored WHERE outcome IS NULL
), ended AS (
    INSERT INTO decision (delivery, outcome, reason, decided_at)
    SELECT id, outcome, reason, received_at FROM stored WHERE outcome IS NOT NULL
)
SELECT stored.id, stored.at, earlier.id, earlier.hook FROM stored LEFT JOIN LATERAL (
    SELECT id, hook FROM (
        SELECT id, hook FROM delivery WHERE event_id = stored.event_id
            AND organization = stored.organization AND source = stored.source OFFSET 0
    ) AS same ORDER BY id LIMIT 16
) AS earlier ON true ORDER BY stored.id, earlier.id";

/// Stores deliveries, except those whose key is stored already. `numbers` are those of their
/// subscriptions.
pub(super) async fn insert(
    db: &Db,
    rows: &[NewRow],
    numbers: &[Option<i64>],
) -> Result<Vec<Inserted>, Failure> {
    let column = rows.iter();
    let organizations: Vec<_> = column.clone().map(|row| text(&row.organization)).collect();
    let hooks: Vec<_> = column.clone().map(|row| text(&row.hook)).collect();
    let sources: Vec<_> = column.clone().map(|row| text(row.source.as_str())).collect();
    let received: Vec<i64> = column.clone().map(|row| row.received_at.micros()).collect();
    let notifications: Vec<_> = column.clone().map(|row| row.envelope.notification).collect();
    let events: Vec<_> = column.clone().map(|row| row.event.as_deref()).collect();
    let types = column.clone().map(|row| row.envelope.event_type.as_deref().map(text));
    let types: Vec<_> = types.collect();
    let created = column.clone().map(|row| row.envelope.created_at.map(Timestamp::micros));
    let created: Vec<_> = created.collect();
    let catch_up: Vec<_> = column.clone().map(|row| row.catch_up.as_deref().map(text)).collect();
    let body_bytes: Vec<i64> = column.clone().map(|row| limit(row.body_bytes)).collect();
    let ends: Vec<_> = column.clone().map(|row| row.on_arrival(None)).collect();
    let outcomes = ends.iter().map(|end| end.as_ref().map(|(outcome, _)| text(outcome.as_str())));
    let reasons = ends.iter().map(|end| end.as_ref().map(|(_, reason)| text(reason)));
    let (outcomes, reasons): (Vec<_>, Vec<_>) = (outcomes.collect(), reasons.collect());
    let bodies: Vec<&[u8]> = column.map(|row| row.body.as_slice()).collect();
    let numbers = numbers.to_vec();
    let given = params![
        organizations,
        hooks,
        sources,
        received,
        numbers,
        notifications,
        events,
        types,
        created,
        catch_up,
        body_bytes,
        outcomes,
        reasons,
        bodies,
    ];
    let mut inserted: Vec<Inserted> = Vec::new();
    for row in &db.rows(INSERT, given).await? {
        let id = DeliveryId(get(row, 0)?);
        if inserted.last().is_none_or(|last| last.id != id) {
            let at = count::<usize>(row, 1)?.saturating_sub(1);
            inserted.push(Inserted { id, at, earlier: Vec::new() });
        }
        if let (Some(earlier), Some(last)) = (get::<Option<i64>>(row, 2)?, inserted.last_mut()) {
            last.earlier.push((DeliveryId(earlier), get(row, 3)?));
        }
    }
    Ok(inserted)
}

/// A delivery that needs no decision.
#[derive(Debug)]
pub(super) struct Ended {
    id: DeliveryId,
    outcome: Outcome,
    reason: String,
    at: Timestamp,
}

/// Those of the deliveries that are about the same event as an earlier one, which may have been
/// inserted with them.
pub(super) fn duplicates(rows: &[NewRow], inserted: &[Inserted]) -> Vec<Ended> {
    let mut of_event: HashMap<_, Vec<(DeliveryId, &str)>> = HashMap::new();
    let mut ended = Vec::new();
    for Inserted { id, at, earlier } in inserted {
        let Some(row) = rows.get(*at) else { continue };
        let Some(event) = &row.event else { continue };
        let beside = of_event.entry((row.organization.as_str(), event.as_slice())).or_default();
        let before = earlier.iter().map(|(id, hook)| (*id, hook.as_str()));
        let mut same = before.chain(beside.iter().copied());
        let earlier = same.find(|(_, hook)| delivery::stands_for(hook, &row.hook));
        let end = row.on_arrival(earlier.map(|(id, _)| id));
        if let Some((outcome, reason)) = end.filter(|_| row.on_arrival(None).is_none()) {
            ended.push(Ended { id: *id, outcome, reason, at: row.received_at });
        }
        beside.push((*id, &row.hook));
    }
    ended
}

/// Takes deliveries out of the inbox that need no decision, except those that are being decided.
pub(super) async fn end(db: &Db, ended: &[Ended]) -> Result<(), Failure> {
    if ended.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = ended.iter().map(|one| one.id.0).collect();
    let outcomes: Vec<_> = ended.iter().map(|one| text(one.outcome.as_str())).collect();
    let reasons: Vec<_> = ended.iter().map(|one| text(&one.reason)).collect();
    let times: Vec<i64> = ended.iter().map(|one| one.at.micros()).collect();
    let sql = "WITH taken AS (
            DELETE FROM inbox WHERE delivery = ANY ($1) AND lease = 0 RETURNING delivery
        )
        INSERT INTO decision (delivery, outcome, reason, decided_at)
        SELECT * FROM unnest($1, $2, $3, $4) AS given (delivery, outcome, reason, decided_at)
        WHERE delivery = ANY (ARRAY (SELECT delivery FROM taken))";
    db.execute(sql, params![ids, outcomes, reasons, times]).await?;
    Ok(())
}

/// Stores what catch-up found, in this order. The deliveries have no key, so each is new.
pub(in crate::storage::postgres) async fn insert_found(
    db: &Db,
    found: &[CatchUpDelivery],
) -> Result<Vec<DeliveryId>, Failure> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let rows = found.iter().map(NewRow::of_catch_up).collect::<Result<Vec<_>, _>>()?;
    let inserted = insert(db, &rows, &vec![None; rows.len()]).await?;
    Ok(inserted.into_iter().map(|one| one.id).collect())
}

/// The oldest are taken first. The list of ids makes the database look each of them up, and not
/// read the inbox; `LIMIT 1` does the same for the bodies, each of which lies in the partition of
/// its day.
const CLAIM: &str = "WITH leased AS (
    UPDATE inbox SET lease = lease + 1, attempts = attempts + 1, due_at = $2, holder = $4
    WHERE delivery = ANY (ARRAY (
        SELECT delivery FROM inbox WHERE due_at <= $1 ORDER BY due_at, delivery LIMIT $3
        FOR UPDATE SKIP LOCKED))
    RETURNING delivery, lease, attempts
)
SELECT leased.delivery, lease, attempts, organization, hook, source, delivery.received_at, catch_up,
    body.body
FROM leased CROSS JOIN LATERAL (
    SELECT organization, hook, source, received_at, catch_up FROM delivery
    WHERE id = leased.delivery LIMIT 1
) AS delivery LEFT JOIN LATERAL (
    SELECT body FROM body
    WHERE body.delivery = leased.delivery AND body.received_at = delivery.received_at LIMIT 1
) AS body ON true";

pub(super) async fn claim(
    db: &Db,
    claim: &Claim,
    instance: &str,
) -> Result<Vec<LeasedDelivery>, Failure> {
    let (now, until) = (claim.now.micros(), claim.now.plus(claim.lease).micros());
    let rows = db.rows(CLAIM, params![now, until, limit(claim.limit), text(instance)]).await?;
    let mut leased = rows.iter().map(leased).collect::<Result<Vec<_>, _>>()?;
    leased.sort_by_key(|delivery| delivery.lease.id);
    Ok(leased)
}

fn leased(row: &Row) -> Result<LeasedDelivery, Failure> {
    let id: i64 = get(row, 0)?;
    let source: &str = get(row, 5)?;
    let catch_up: Option<&str> = get(row, 7)?;
    let body: Option<&[u8]> = get(row, 8)?;
    let body = body.ok_or_else(|| Failure::Value("it is missing".into())).and_then(decompress);
    Ok(LeasedDelivery {
        lease: Lease { id: DeliveryId(id), number: get(row, 1)? },
        attempts: count(row, 2)?,
        organization: get(row, 3)?,
        hook: get(row, 4)?,
        source: parsed(source, Source::parse(source))?,
        received_at: time(row, 6)?,
        catch_up: catch_up.map(from_json).transpose()?,
        body: body.unwrap_or_else(|error| {
            // An empty body is quarantined, and the other deliveries are decided.
            tracing::error!(delivery = id, %error, "a stored body is damaged");
            Vec::new()
        }),
    })
}

/// The copy of a delivery of catch-up is decided like one of a hook: its `catch_up` is not copied.
pub(super) async fn replay(
    db: &Db,
    id: DeliveryId,
    request: i64,
    now: Timestamp,
) -> Result<Option<Replayed>, Failure> {
    // Whoever makes the same request at the same time waits, and finds this copy.
    db.row("SELECT id FROM delivery WHERE id = $1 FOR UPDATE", params![id.0]).await?;
    let before = "SELECT delivery FROM about WHERE subject = $1";
    if let Some(row) = db.row(before, params![request]).await? {
        return Ok(Some(Replayed { id: DeliveryId(get(&row, 0)?), is_new: false }));
    }
    let sql = "WITH original AS (
            SELECT delivery.*, body FROM delivery JOIN body
                ON body.delivery = delivery.id AND body.received_at = delivery.received_at
            WHERE delivery.id = $1
        ), copied AS (
            INSERT INTO delivery (organization, hook, source, received_at, event_id, event_type,
                created_at, body_bytes)
            SELECT organization, hook, $2, $3, event_id, event_type, created_at, body_bytes
            FROM original RETURNING id
        ), bodies AS (
            INSERT INTO body (delivery, received_at, body)
            SELECT copied.id, $3, body FROM copied, original
        ), waiting AS (
            INSERT INTO inbox (delivery, due_at) SELECT id, 0 FROM copied
        ), asked AS (
            INSERT INTO about (delivery, subject) SELECT id, $4 FROM copied
        )
        SELECT id FROM copied";
    let source = text(Source::Replay.as_str());
    let row = db.row(sql, params![id.0, source, now.micros(), request]).await?;
    row.map(|row| Ok(Replayed { id: DeliveryId(get(&row, 0)?), is_new: true })).transpose()
}

pub(super) async fn body(db: &Db, id: DeliveryId) -> Result<Option<Vec<u8>>, Failure> {
    let sql = "SELECT body FROM delivery JOIN body
            ON body.delivery = delivery.id AND body.received_at = delivery.received_at
        WHERE delivery.id = $1";
    let row = db.row(sql, params![id.0]).await?;
    row.map(|row| decompress(get(&row, 0)?)).transpose()
}
