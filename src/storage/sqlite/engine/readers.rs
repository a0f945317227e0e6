//! A pool of connections that only read. A reader sees what is committed and does not make the
//! writer wait.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::connection;
use crate::storage::Error;

/// Reads on blocking threads at the same time.
const READERS_MAX: usize = 4;

#[derive(Debug)]
pub(crate) struct Readers {
    pool: Pool,
    permits: Semaphore,
}

/// Idle connections, and the database that further ones are opened on.
#[derive(Clone, Debug)]
struct Pool {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    pub(crate) fn new(path: &Path) -> Self {
        let pool = Pool { path: path.to_owned(), idle: Arc::default() };
        Self { pool, permits: Semaphore::new(READERS_MAX) }
    }

    /// Runs a query of any length, on a thread that may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let closed = |_| Error::unavailable("the store is closed");
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let pool = self.pool.clone();
        match tokio::task::spawn_blocking(move || pool.read(query)).await {
            Ok(answer) => answer.map_err(|source| self.failed(source)),
            Err(_) => Err(Error::unavailable("a read panicked")),
        }
    }

    /// Reads a few rows by their keys on the calling thread: moving to another thread and back
    /// takes longer than such a read.
    pub(crate) fn look_up<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.pool.read(query).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: rusqlite::Error) -> Error {
        connection::unavailable(source, &self.pool.path)
    }
}

impl Pool {
    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let idle = self.idle.lock().pop();
        let db = match idle {
            Some(db) => db,
            None => connection::open_for_reading(&self.path)?,
        };
        let answer = query(&db)?;
        // A connection whose query failed is closed, not used again.
        self.idle.lock().push(db);
        Ok(answer)
    }
}
