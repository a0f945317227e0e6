//! Brings a database to the schema that this gateway knows, step by step, and ends what a process
//! that is gone was at. It must never change a step that was released: databases hold it already.

use rusqlite::Connection;

/// What leads from each version to the next; the first makes version 1 of an empty file.
const STEPS: [&str; 4] = [
    include_str!("../schema/1.sql"),
    include_str!("../schema/2.sql"),
    include_str!("../schema/3.sql"),
    include_str!("../schema/4.sql"),
];
/// The version after the last step.
const SCHEMA_VERSION: i64 = 4;
const _: () = assert!(STEPS.len() == 4, "every step makes one version");

/// Applies the steps that are missing. A step and its number are written together or not at all.
pub(crate) fn migrate(db: &Connection) -> rusqlite::Result<Result<(), String>> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Ok(Err(format!(
            "the database has schema version {version}, and this gateway knows {SCHEMA_VERSION}: \
             run the newer gateway, or restore a backup"
        )));
    }
    for (step, number) in STEPS.into_iter().zip(1_i64..).filter(|(_, number)| *number > version) {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;"
        ))?;
    }
    Ok(Ok(()))
}

/// What this installation is called.
pub(crate) fn gateway(db: &Connection) -> rusqlite::Result<String> {
    db.query_row("SELECT value FROM meta WHERE key = 'gateway'", [], |row| row.get(0))
}

/// Looks only at what is open, so that a start takes no longer the more is stored.
const VOID: [&str; 5] = [
    "UPDATE inbox SET due_at = 0 WHERE lease > 0",
    "UPDATE run SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL",
    "UPDATE slot SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL",
    "UPDATE link_fence SET leased_until = 0 WHERE leased_until > 0",
    "UPDATE reconciler SET leased_until = 0 WHERE leased_until > 0",
];

/// Whoever held a lease is dead: we hold the lock. Lease numbers stay, so that they keep growing.
pub(crate) fn void_leases(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&VOID.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `inbox` holds what is open and nothing else; the last two have a row for each organization.
    #[test]
    fn what_ended_long_ago_is_not_read_at_a_start() {
        let db = Connection::open_in_memory().unwrap();
        migrate(&db).unwrap().unwrap();
        for statement in VOID {
            let plan: String = db
                .query_row(&format!("EXPLAIN QUERY PLAN {statement}"), [], |row| row.get(3))
                .unwrap();
            let is_small =
                ["inbox", "link_fence", "reconciler"].iter().any(|table| plan.contains(table));
            assert!(is_small || plan.contains("_by_due"), "{statement}: {plan}");
        }
    }
}
