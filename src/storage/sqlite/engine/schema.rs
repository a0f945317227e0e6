//! The numbered migrations of the schema: each is applied once and never changed afterwards.

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use crate::storage::{Migrate, SchemaState, transfer};

/// In order. A later version adds a file.
const MIGRATIONS: [&str; 8] = [
    include_str!("../schema/1.sql"),
    include_str!("../schema/2.sql"),
    include_str!("../schema/3.sql"),
    include_str!("../schema/4.sql"),
    include_str!("../schema/5.sql"),
    include_str!("../schema/6.sql"),
    include_str!("../schema/7.sql"),
    include_str!("../schema/8.sql"),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version INTEGER PRIMARY KEY, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL
) STRICT";

fn checksum(sql: &str) -> Vec<u8> {
    Sha256::digest(sql).to_vec()
}

/// The version of this binary.
pub(crate) fn version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// What has to be done before this binary can use the schema. The inner error says why it cannot.
pub(crate) fn state(db: &Connection) -> rusqlite::Result<Result<SchemaState, String>> {
    let found = found(db)?;
    if !matches!(found, Ok(SchemaState::Behind { from: 0, .. }) | Err(_))
        && let Some(mark) = meta(db, transfer::MARK)?
    {
        return Ok(Err(transfer::unfinished(&mark)));
    }
    Ok(found)
}

/// The state of the schema alone. The first version did not store which migrations it applied.
fn found(db: &Connection) -> rusqlite::Result<Result<SchemaState, String>> {
    let at: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let has_tables = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table')";
    if at == 0 && db.query_row(has_tables, [], |row| row.get(0))? {
        let why = "the database holds tables of something else: give storage.url another file";
        return Ok(Err(why.into()));
    }
    if at > version() {
        return Ok(Err(format!(
            "the database has schema version {at}, and this gateway knows {}: run the newer \
             gateway, or restore a backup",
            version()
        )));
    }
    for (number, sum) in applied(db)? {
        let ours = usize::try_from(number - 1).ok().and_then(|index| MIGRATIONS.get(index));
        if ours.is_none_or(|sql| checksum(sql) != sum) {
            return Ok(Err(format!(
                "migration {number} of the database is not the one that this version knows: an \
                 unreleased version wrote it; restore a backup, or begin with another file"
            )));
        }
    }
    Ok(Ok(match at < version() {
        true => SchemaState::Behind { from: at, to: version() },
        false => SchemaState::UpToDate { version: at },
    }))
}

/// The numbers and checksums of the migrations that are known to have been applied.
fn applied(db: &Connection) -> rusqlite::Result<Vec<(i64, Vec<u8>)>> {
    let is_there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migration')";
    if !db.query_row(is_there, [], |row| row.get(0))? {
        return Ok(Vec::new());
    }
    db.prepare("SELECT version, checksum FROM schema_migration ORDER BY version")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Applies what is missing, in one transaction.
pub(crate) fn migrate(db: &Connection) -> rusqlite::Result<Result<SchemaState, String>> {
    match state(db)? {
        Ok(_) => migrate_unfinished(db),
        Err(why) => Ok(Err(why)),
    }
}

/// Like [`migrate`], also where a move into the database is not finished.
pub(crate) fn migrate_unfinished(db: &Connection) -> rusqlite::Result<Result<SchemaState, String>> {
    let transaction = db.unchecked_transaction()?;
    let from = match found(db)? {
        Ok(SchemaState::Behind { from, .. }) => from,
        Ok(state) if applied(db)?.len() == MIGRATIONS.len() => return Ok(Ok(state)),
        Ok(SchemaState::UpToDate { version }) => version,
        Err(why) => return Ok(Err(why)),
    };
    db.execute_batch(TABLE)?;
    for (number, sql) in (1_i64..).zip(MIGRATIONS) {
        if number > from {
            db.execute_batch(sql)?;
        }
        db.execute(
            "INSERT INTO schema_migration VALUES (?1, ?2, unixepoch() * 1000000)
             ON CONFLICT DO NOTHING",
            params![number, checksum(sql)],
        )?;
    }
    if from < version() {
        db.execute_batch(&format!("PRAGMA user_version = {}", version()))?;
    }
    transaction.commit()?;
    Ok(Ok(SchemaState::UpToDate { version: version() }))
}

/// Makes the schema usable, as `how` says. The inner error says why it is not.
pub(crate) fn prepare(db: &Connection, how: Migrate) -> rusqlite::Result<Result<(), String>> {
    let found = match how {
        Migrate::Auto => migrate(db)?,
        Migrate::Manual => state(db)?,
    };
    Ok(match found {
        Ok(SchemaState::UpToDate { .. }) => Ok(()),
        Ok(SchemaState::Behind { from, to }) => Err(format!(
            "the database has schema version {from}, and this gateway needs {to}: run \
             `azdo-gateway migrate` first, or set storage.migrate = \"auto\""
        )),
        Err(why) => Err(why),
    })
}

/// What the database has under a key of `meta`.
pub(crate) fn meta(db: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// The name of this installation.
pub(crate) fn gateway(db: &Connection) -> rusqlite::Result<String> {
    db.query_row("SELECT value FROM meta WHERE key = 'gateway'", [], |row| row.get(0))
}

/// Each statement reads only unfinished rows: a start takes no longer the more is stored. 1 is a
/// lease of a run that ended without an outcome.
const END_LEASES: [&str; 6] = [
    "UPDATE inbox SET due_at = 0 WHERE lease > 0",
    "UPDATE run SET leased_until = 1 WHERE leased_until > 1 AND due_at IS NOT NULL",
    "UPDATE run SET leased_until = 1 WHERE leased_until > 1 AND follow_at IS NOT NULL",
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

    fn database() -> Connection {
        Connection::open_in_memory().unwrap()
    }

    #[test]
    fn a_start_does_not_read_finished_rows() {
        let db = database();
        prepare(&db, Migrate::Auto).unwrap().unwrap();
        for statement in END_LEASES {
            let plan: String = db
                .query_row(&format!("EXPLAIN QUERY PLAN {statement}"), [], |row| row.get(3))
                .unwrap();
            // The inbox holds undecided deliveries only, `run_by_number` runs that wait, the others
            // a row for each organization.
            let small =
                ["inbox", "link_fence", "reconciler", "_by_due", "_by_follow", "run_by_number"];
            assert!(small.iter().any(|name| plan.contains(name)), "{statement}: {plan}");
        }
    }

    #[test]
    fn what_the_first_version_wrote_is_migrated() {
        let db = database();
        db.execute_batch(MIGRATIONS[0]).unwrap();
        db.execute_batch("PRAGMA user_version = 1").unwrap();
        let name = gateway(&db).unwrap();
        let behind = SchemaState::Behind { from: 1, to: version() };
        assert_eq!(state(&db).unwrap(), Ok(behind));
        let why = prepare(&db, Migrate::Manual).unwrap().unwrap_err();
        assert!(why.contains("`azdo-gateway migrate`"), "{why}");
        assert_eq!(applied(&db).unwrap(), []);
        let ready = SchemaState::UpToDate { version: version() };
        assert_eq!(migrate(&db).unwrap(), Ok(ready));
        assert_eq!((state(&db).unwrap(), gateway(&db).unwrap()), (Ok(ready), name));
        assert_eq!(applied(&db).unwrap().len(), MIGRATIONS.len());
        prepare(&db, Migrate::Manual).unwrap().unwrap();
    }

    #[test]
    fn a_schema_that_this_version_does_not_know_is_refused() {
        let db = database();
        db.execute_batch("CREATE TABLE other (number INTEGER)").unwrap();
        assert!(migrate(&db).unwrap().unwrap_err().contains("something else"));
        let db = database();
        migrate(&db).unwrap().unwrap();
        db.execute("UPDATE schema_migration SET checksum = x'00' WHERE version = 1", []).unwrap();
        assert!(migrate(&db).unwrap().unwrap_err().contains("migration 1"));
        let db = database();
        db.execute_batch("PRAGMA user_version = 1000").unwrap();
        assert!(migrate(&db).unwrap().unwrap_err().contains("schema version 1000"));
    }

    #[test]
    fn a_database_that_is_being_moved_into_is_refused() {
        let db = database();
        migrate(&db).unwrap().unwrap();
        db.execute("INSERT INTO meta VALUES (?1, '{}')", [transfer::MARK]).unwrap();
        assert!(prepare(&db, Migrate::Auto).unwrap().unwrap_err().contains("only a part"));
        assert!(migrate_unfinished(&db).unwrap().is_ok());
    }
}
