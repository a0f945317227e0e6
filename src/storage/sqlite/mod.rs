//! The embedded engine: one SQLite file, one writer, a few readers.
//!
//! One process owns the file, by a lock beside it. So every lease of an earlier process is void,
//! and work goes on at once after a crash.

mod admin;
mod audit;
mod deliveries;
mod engine;
mod links;
#[cfg(test)]
mod list_tests;
mod monitoring;
mod reconciliation;
mod replicas;
mod runners;
mod runs;
mod statuses;
mod subjects;
mod transfer;

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::{EnvelopeReader, Error, Migrate, SchemaState};
use engine::checkpoint::Checkpointer;
use engine::disk_faults::DiskFaults;
use engine::file_lock::FileLock;
use engine::intake::Intake;
use engine::readers::Readers;
use engine::writer::Writer;
use engine::{connection, file_access, schema};

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    writer: Arc<Writer>,
    readers: Readers,
    intake: Arc<Intake>,
    read_envelope: EnvelopeReader,
    faults: Arc<DiskFaults>,
    checkpointer: Arc<Checkpointer>,
    lock: Arc<FileLock>,
}

impl Sqlite {
    /// Opens the database, creating it and its folder where there is none, and migrates the schema.
    /// `read_envelope` reads the keys of each hook call.
    ///
    /// # Errors
    /// Another process has it open, it cannot be opened, or a newer version wrote it.
    pub fn open(path: &Path, read_envelope: EnvelopeReader) -> Result<Self, Error> {
        Self::open_with(path, Migrate::Auto, read_envelope)
    }

    /// Like [`Sqlite::open`]; the schema is migrated where `migrate` says so.
    ///
    /// # Errors
    /// Those of [`Sqlite::open`], or the schema has to be migrated first.
    pub fn open_with(
        path: &Path,
        migrate: Migrate,
        read_envelope: EnvelopeReader,
    ) -> Result<Self, Error> {
        Self::open_prepared(path, read_envelope, |db| {
            let prepared = schema::prepare(db, migrate)?;
            if prepared.is_ok() {
                schema::end_leases(db)?;
            }
            Ok(prepared)
        })
    }

    /// What has to be done before this version can use the schema; with `migrate` it is done.
    /// Without it nothing is changed, and a gateway may be using the database.
    ///
    /// # Errors
    /// The database cannot be used, and what to do about it.
    pub fn schema(path: &Path, migrate: bool) -> Result<SchemaState, Error> {
        let failed = |source| connection::unavailable(source, path);
        let found = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                SchemaState::Behind { from: 0, to: schema::version() }
            }
            _ => {
                let db = connection::open_for_reading(path).map_err(failed)?;
                schema::state(&db).map_err(failed)?.map_err(Error::unavailable)?
            }
        };
        if !migrate || matches!(found, SchemaState::UpToDate { .. }) {
            return Ok(found);
        }
        let (db, _lock) = open_alone(path)?;
        schema::migrate(&db).map_err(failed)?.map_err(Error::unavailable)
    }

    /// Opens the database once `prepare` has made its schema usable; its inner error says why it
    /// is not.
    fn open_prepared(
        path: &Path,
        read_envelope: EnvelopeReader,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<Result<(), String>>,
    ) -> Result<Self, Error> {
        let (db, lock) = open_alone(path)?;
        let failed = |source| connection::unavailable(source, path);
        prepare(&db).map_err(failed)?.map_err(Error::unavailable)?;
        let faults = Arc::new(DiskFaults::default());
        let intake = Arc::new(Intake::open(path, &db, Arc::clone(&faults))?);
        let threads = |error| Error::unavailable(format!("no thread could be started: {error}"));
        let writer = Writer::start(path.to_owned(), db, Arc::clone(&faults));
        Ok(Self {
            writer: Arc::new(writer.map_err(threads)?),
            readers: Readers::new(path),
            intake,
            read_envelope,
            faults,
            checkpointer: Arc::new(Checkpointer::start(path).map_err(threads)?),
            lock: Arc::new(lock),
        })
    }
}

/// Opens the database for writing, while no other process does, creating it and its folder where
/// there is none.
fn open_alone(path: &Path) -> Result<(Connection, FileLock), Error> {
    file_access::prepare(path).map_err(|error| {
        let path = path.display();
        Error::unavailable(format!(
            "{path} cannot be opened: {error}: check that its folder exists and is writable"
        ))
    })?;
    let lock = FileLock::acquire(path)?;
    let db = connection::open_for_writing(path);
    Ok((db.map_err(|source| connection::unavailable(source, path))?, lock))
}
