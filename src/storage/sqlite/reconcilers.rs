//! Whose turn it is at a reconciler: one row each, leased. It must never know what a reconciler is
//! about.

use rusqlite::{Connection, params};

use crate::domain::time::Timestamp;
use crate::storage::Reconciler;

pub(super) fn claim(
    db: &Connection,
    organization: &str,
    reconciler: Reconciler,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> rusqlite::Result<bool> {
    let taken = db
        .prepare_cached(
            "INSERT INTO reconciler (organization, reconciler, holder, leased_until) VALUES (?1, ?2, ?3, ?5)
             ON CONFLICT DO UPDATE SET holder = ?3, leased_until = ?5
             WHERE holder = ?3 OR leased_until <= ?4",
        )?
        .execute(params![organization, reconciler.as_str(), holder, now.micros(), until.micros()])?;
    Ok(taken == 1)
}

pub(super) fn release(
    db: &Connection,
    organization: &str,
    reconciler: Reconciler,
    holder: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM reconciler WHERE organization = ?1 AND reconciler = ?2 AND holder = ?3",
    )?
    .execute([organization, reconciler.as_str(), holder])?;
    Ok(())
}
