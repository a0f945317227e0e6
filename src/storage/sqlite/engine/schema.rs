//! Creates the schema in an empty database, and refuses a database of a newer version.

use rusqlite::Connection;

const SCHEMA: &str = include_str!("../schema/1.sql");
/// A later version adds a file that changes the tables of the one before it.
const SCHEMA_VERSION: i64 = 1;

/// The inner error says why the database cannot be used.
pub(crate) fn create(db: &Connection) -> rusqlite::Result<Result<(), String>> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > SCHEMA_VERSION {
        return Ok(Err(format!(
            "the database has schema version {version}, and this gateway knows {SCHEMA_VERSION}: \
             run the newer gateway, or restore a backup"
        )));
    }
    if version < SCHEMA_VERSION {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        ))?;
    }
    Ok(Ok(()))
}

/// The name of this installation.
pub(crate) fn gateway(db: &Connection) -> rusqlite::Result<String> {
    db.query_row("SELECT value FROM meta WHERE key = 'gateway'", [], |row| row.get(0))
}

/// Each statement reads only unfinished rows: a start takes no longer the more is stored.
const END_LEASES: [&str; 5] = [
    "UPDATE inbox SET due_at = 0 WHERE lease > 0",
    "UPDATE run SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL",
    "UPDATE slot SET leased_until = 0 WHERE leased_until > 0 AND due_at IS NOT NULL",
    "UPDATE link_fence SET leased_until = 0 WHERE leased_until > 0",
    "UPDATE reconciler SET leased_until = 0 WHERE leased_until > 0",
];

/// Ends every lease: this process holds the lock on the file, so the process that held the leases
/// is gone. Lease numbers stay, so that they keep growing.
pub(crate) fn end_leases(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(&END_LEASES.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_does_not_read_finished_rows() {
        let db = Connection::open_in_memory().unwrap();
        create(&db).unwrap().unwrap();
        for statement in END_LEASES {
            let plan: String = db
                .query_row(&format!("EXPLAIN QUERY PLAN {statement}"), [], |row| row.get(3))
                .unwrap();
            // The inbox holds undecided deliveries only, the others a row for each organization.
            let is_small =
                ["inbox", "link_fence", "reconciler"].iter().any(|table| plan.contains(table));
            assert!(is_small || plan.contains("_by_due"), "{statement}: {plan}");
        }
    }
}
