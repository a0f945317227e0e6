//! The embedded engine: one SQLite file, one writer, a few readers.
//!
//! One process owns the file; a lock beside it says so. That also makes every lease of an earlier
//! process void, so that work goes on at once after a crash.

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

use super::Error;
use engine::checkpoint::Checkpointer;
use engine::condition::Condition;
use engine::intake::Intake;
use engine::owner::Owned;
use engine::readers::Readers;
use engine::writer::Writer;
use engine::{connection, migration};

/// See the module.
#[derive(Debug)]
pub struct Sqlite {
    writer: Arc<Writer>,
    readers: Readers,
    intake: Arc<Intake>,
    condition: Arc<Condition>,
    checkpointer: Arc<Checkpointer>,
    owned: Arc<Owned>,
}

impl Sqlite {
    /// Opens the database, creating it and its folder where there is none.
    ///
    /// # Errors
    /// Another process has it, it cannot be opened, or it was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|error| {
                let folder = folder.display();
                Error::unavailable(format!("the folder {folder} cannot be created: {error}"))
            })?;
        }
        let owned = Owned::take(path)?;
        let failed = |source| Error::Unavailable {
            advice: connection::advice(&source, path),
            source: Some(source),
        };
        let db = connection::open_for_writing(path).map_err(failed)?;
        migration::migrate(&db).map_err(failed)?.map_err(Error::unavailable)?;
        migration::void_leases(&db).map_err(failed)?;
        let condition = Arc::new(Condition::default());
        let intake = Arc::new(Intake::open(path, &db, Arc::clone(&condition))?);
        let threads = |error| Error::unavailable(format!("no thread could be started: {error}"));
        let writer = Writer::start(path.to_owned(), db, Arc::clone(&condition));
        Ok(Self {
            writer: Arc::new(writer.map_err(threads)?),
            readers: Readers::new(path),
            intake,
            condition,
            checkpointer: Arc::new(Checkpointer::start(path).map_err(threads)?),
            owned: Arc::new(owned),
        })
    }
}
