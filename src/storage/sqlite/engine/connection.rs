//! How connections are set up, and what an operator should do when one fails.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::storage::Error;

/// How long a writer waits for another process that holds the lock.
const LOCK_WAIT: Duration = Duration::from_secs(1);
/// Cached statements of one connection.
const STATEMENTS_MAX: usize = 128;

/// A connection that writes.
///
/// A commit returns when it is on disk (`synchronous = FULL` in WAL mode). Checkpoints are made by
/// a thread of their own, so that no commit waits for one.
pub(crate) fn open_for_writing(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open(path)?;
    set_up(&db)?;
    db.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0; PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768;
         PRAGMA temp_store = MEMORY;",
    )?;
    Ok(db)
}

/// A connection that reads.
pub(crate) fn open_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    set_up(&db)?;
    db.execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;")?;
    Ok(db)
}

/// With QPSG query plans depend on the statement alone. Otherwise SQLite plans many statements
/// again for every bound value, which took a tenth of all time.
fn set_up(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(LOCK_WAIT)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

/// Whether the disk or another process caused the error, rather than the values to be written.
pub(crate) fn is_caused_by_disk(error: &rusqlite::Error) -> bool {
    use ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseCorrupt, DatabaseLocked, DiskFull,
        FileLockingProtocolFailed, NotADatabase, OutOfMemory, ReadOnly, SystemIoFailure,
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            CannotOpen
                | DatabaseBusy
                | DatabaseCorrupt
                | DatabaseLocked
                | DiskFull
                | FileLockingProtocolFailed
                | NotADatabase
                | OutOfMemory
                | ReadOnly
                | SystemIoFailure
        )
    )
}

/// The error of a store whose database failed.
pub(crate) fn unavailable(source: rusqlite::Error, path: &Path) -> Error {
    Error::Unavailable { advice: advice(&source, path), source: Some(Box::new(source)) }
}

/// Tells the operator what is wrong and what to do about it.
pub(crate) fn advice(error: &rusqlite::Error, path: &Path) -> String {
    let path = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            format!("the disk that holds {path} is full: free some space or shorten the retention")
        }
        Some(ErrorCode::ReadOnly) => {
            format!("{path} or its folder is read-only: make both writable for this process")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{path} is locked by another process: end it, or let it finish")
        }
        Some(ErrorCode::CannotOpen) => {
            format!("{path} cannot be opened: check that its folder exists and is writable")
        }
        Some(ErrorCode::SystemIoFailure) => {
            format!("reading or writing {path} failed ({error}): check the disk and the system log")
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            format!("{path} is damaged: restore it from a backup")
        }
        _ => format!("writing to {path} failed: {error}"),
    }
}
