//! Connections that read: a few, lent to one caller at a time on threads that may block.
//!
//! A reader sees only what is committed and never makes the writer wait. It must never write.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use super::writer::lock;
use crate::storage::Error;

/// Long reads at the same time.
const READERS_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    lent: Lent,
    permits: Semaphore,
}

/// Connections, and where more of them come from.
#[derive(Clone, Debug)]
struct Lent {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        let lent = Lent { path: path.to_owned(), idle: Arc::default() };
        Self { lent, permits: Semaphore::new(READERS_MAX) }
    }

    /// Reads what may be much, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let closed = |_| Error::unavailable("the store is closed");
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let lent = self.lent.clone();
        match tokio::task::spawn_blocking(move || lent.read(query)).await {
            Ok(answer) => answer.map_err(|source| self.failed(source)),
            Err(_) => Err(Error::unavailable("a read panicked")),
        }
    }

    /// Reads a few rows by their keys, here and now: that takes less than the way to another
    /// thread and back.
    pub(crate) fn look_up<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.lent.read(query).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        let advice = connection::advice(&source, &self.lent.path);
        Error::Unavailable { advice, source: Some(source) }
    }
}

impl Lent {
    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = lock(&self.idle).pop();
        let db = match idle {
            Some(db) => db,
            None => connection::open_for_reading(&self.path)?,
        };
        let answer = query(&db)?;
        // Only a connection that worked is lent again.
        lock(&self.idle).push(db);
        Ok(answer)
    }
}
