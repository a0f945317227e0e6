//! Deletes old finished rows, a few in one transaction, so that no other write waits long.

use rusqlite::{Connection, params};

use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::rows::limit;

/// The oldest rows come first, so only the first `?2` rows are read. The newest row of a table is
/// never deleted: SQLite would use its number again, and numbers would no longer tell which row is
/// newer.
const OLD_DELIVERIES: &str = "SELECT id FROM (SELECT id, received_at FROM delivery ORDER BY id
        LIMIT ?2) AS old WHERE received_at < ?1
    AND NOT EXISTS (SELECT 1 FROM inbox WHERE inbox.delivery = old.id)
    AND id < (SELECT max(id) FROM delivery)";
const OLD_RUNS: &str = "SELECT number FROM (SELECT number, updated_at, overdue_at FROM run
        ORDER BY number LIMIT ?2) WHERE updated_at < ?1 AND overdue_at IS NULL
    AND number < (SELECT max(number) FROM run)";
const OLD_STATUSES: &str = "SELECT id FROM (SELECT id, queued_at, outcome FROM status ORDER BY id
        LIMIT ?2) WHERE queued_at < ?1 AND outcome <> 'queued'
    AND id < (SELECT max(id) FROM status)";
/// The newest entry may be deleted, too: numbers of this table are never used twice.
const OLD_ENTRIES: &str = "SELECT id FROM audit WHERE at < ?1 ORDER BY at LIMIT ?2";

pub(super) fn delete_older(
    db: &Connection,
    before: Timestamp,
    audit_before: Timestamp,
    count: usize,
) -> rusqlite::Result<usize> {
    let older = |before: Timestamp, select: &str| -> rusqlite::Result<Vec<i64>> {
        db.prepare_cached(select)?
            .query_map(params![before.micros(), limit(count)], |row| row.get(0))?
            .collect()
    };
    let old = |select| older(before, select);
    let delete = |statements: &[&str], ids: Vec<i64>| -> rusqlite::Result<usize> {
        for id in &ids {
            for statement in statements {
                db.prepare_cached(statement)?.execute([id])?;
            }
        }
        Ok(ids.len())
    };
    let deliveries = delete(
        &[
            "DELETE FROM about WHERE delivery = ?1",
            "DELETE FROM decision WHERE delivery = ?1",
            "DELETE FROM delivery WHERE id = ?1",
        ],
        old(OLD_DELIVERIES)?,
    )?;
    let runs = delete(&["DELETE FROM run WHERE number = ?1"], old(OLD_RUNS)?)?;
    let statuses = delete(
        &[
            "DELETE FROM slot WHERE id = (SELECT slot FROM status WHERE id = ?1)
                AND newest = ?1 AND due_at IS NULL",
            "DELETE FROM status WHERE id = ?1",
        ],
        old(OLD_STATUSES)?,
    )?;
    let entries = delete(&["DELETE FROM audit WHERE id = ?1"], older(audit_before, OLD_ENTRIES)?)?;
    // Of the few hooks that have not delivered for that long most no longer exist.
    db.prepare_cached("DELETE FROM hook_activity WHERE last_at < ?1")?
        .execute([before.micros()])?;
    db.prepare_cached("DELETE FROM runner WHERE seen_at < ?1")?.execute([before.micros()])?;
    Ok(deliveries + runs + statuses + entries)
}
