//! Deletes old finished rows, a few in one transaction, so that no other write waits long.
//!
//! Rows that another transaction has locked are left for the next time, so that replicas that
//! delete at the same time neither wait for each other nor delete a row that is just used.

use futures_util::future::{try_join, try_join_all, try_join3};

use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::rows::limit;

/// The oldest rows come first, so only the first `$2` rows are read. As in the other engine, the
/// newest row of a table stays. Bodies of most days go with their partition.
const DELIVERIES: &str = "WITH old AS (
        SELECT id FROM delivery
        WHERE id IN (SELECT id FROM delivery ORDER BY id LIMIT $2) AND received_at < $1
            AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.delivery = delivery.id)
            AND id < (SELECT max(id) FROM delivery)
        ORDER BY id FOR UPDATE SKIP LOCKED),
    subjects AS (DELETE FROM about USING old WHERE about.delivery = old.id),
    decisions AS (DELETE FROM decision USING old WHERE decision.delivery = old.id),
    bodies AS (DELETE FROM body_of_other_days AS body USING old WHERE body.delivery = old.id)
    DELETE FROM delivery USING old WHERE delivery.id = old.id";
const RUNS: &str = "WITH old AS (
        SELECT number FROM run
        WHERE number IN (SELECT number FROM run ORDER BY number LIMIT $2)
            AND updated_at < $1 AND overdue_at IS NULL
            AND number < (SELECT max(number) FROM run)
        ORDER BY number FOR UPDATE SKIP LOCKED)
    DELETE FROM run USING old WHERE run.number = old.number";
/// Before their statuses, as everywhere. A status that is queued meanwhile waits for the lock and
/// then gets a new slot.
const SLOTS: &str = "WITH old AS (
        SELECT slot.id
        FROM (SELECT id, slot, queued_at, outcome FROM status ORDER BY id LIMIT $2) AS status
        JOIN slot ON slot.id = status.slot AND slot.newest = status.id
        WHERE status.queued_at < $1 AND status.outcome <> 'queued' AND slot.due_at IS NULL
            AND status.id < (SELECT max(id) FROM status)
        ORDER BY slot.key FOR UPDATE OF slot SKIP LOCKED)
    DELETE FROM slot USING old WHERE slot.id = old.id";
/// A slot that was locked by others keeps its newest status.
const STATUSES: &str = "WITH old AS (
        SELECT id FROM status
        WHERE id IN (SELECT id FROM status ORDER BY id LIMIT $2)
            AND queued_at < $1 AND outcome <> 'queued' AND id < (SELECT max(id) FROM status)
            AND NOT EXISTS (SELECT 1 FROM slot
                WHERE slot.id = status.slot AND slot.newest = status.id)
        ORDER BY id FOR UPDATE SKIP LOCKED)
    DELETE FROM status USING old WHERE status.id = old.id";
const ENTRIES: &str = "WITH old AS (
        SELECT id FROM audit WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM audit USING old WHERE audit.id = old.id";
/// Of the few hooks that have not delivered for that long most no longer exist.
const HOOKS: &str = "WITH old AS (
        SELECT lower(organization) AS organization, hook FROM hook_activity
        WHERE last_at < $1 FOR UPDATE SKIP LOCKED)
    DELETE FROM hook_activity AS active USING old
    WHERE lower(active.organization) = old.organization AND active.hook = old.hook";

const RUNNERS: &str = "WITH old AS (
        SELECT id FROM runner WHERE seen_at < $1 FOR UPDATE SKIP LOCKED)
    DELETE FROM runner USING old WHERE runner.id = old.id";

pub(super) async fn delete_older(
    db: &Db,
    before: Timestamp,
    audit_before: Timestamp,
    count: usize,
) -> Result<usize, Failure> {
    let (before, audit_before, count) = (before.micros(), audit_before.micros(), limit(count));
    let (old, entries) = (params![before, count], params![audit_before, count]);
    let unused = params![before];
    // All statements travel together, in this order.
    let uncounted =
        try_join3(db.execute(SLOTS, old), db.execute(HOOKS, unused), db.execute(RUNNERS, unused));
    let counted = [(DELIVERIES, old), (RUNS, old), (STATUSES, old), (ENTRIES, entries)];
    let counted = try_join_all(counted.map(|(sql, of)| db.execute(sql, of)));
    let (_, counted) = try_join(uncounted, counted).await?;
    Ok(usize::try_from(counted.iter().sum::<u64>()).unwrap_or(usize::MAX))
}
