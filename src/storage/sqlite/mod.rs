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
mod reconciliation;
mod replicas;
mod runs;
mod statuses;

use std::path::Path;
use std::sync::Arc;

use super::{EnvelopeReader, Error};
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
    /// Opens the database, creating it and its folder where there is none. `read_envelope` reads
    /// the keys of each hook call.
    ///
    /// # Errors
    /// Another process has it open, it cannot be opened, or a newer version wrote it.
    pub fn open(path: &Path, read_envelope: EnvelopeReader) -> Result<Self, Error> {
        let unusable = |error: std::io::Error| {
            let path = path.display();
            Error::unavailable(format!(
                "{path} cannot be opened: {error}: check that its folder exists and is writable"
            ))
        };
        file_access::prepare(path).map_err(unusable)?;
        let lock = FileLock::acquire(path)?;
        let failed = |source| connection::unavailable(source, path);
        let db = connection::open_for_writing(path).map_err(failed)?;
        schema::create(&db).map_err(failed)?.map_err(Error::unavailable)?;
        schema::end_leases(&db).map_err(failed)?;
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
