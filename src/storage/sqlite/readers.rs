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

/// Reads at the same time.
const READERS_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), permits: Semaphore::new(READERS_MAX) }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let closed = |_| Error::unavailable("the store is closed");
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let (idle, path) = (Arc::clone(&self.idle), self.path.clone());
        let read = move || -> rusqlite::Result<T> {
            let lent = lock(&idle).pop();
            let db = match lent {
                Some(db) => db,
                None => connection::open_for_reading(&path)?,
            };
            let answer = query(&db)?;
            // Only a connection that worked is lent again.
            lock(&idle).push(db);
            Ok(answer)
        };
        let failed = |source| Error::Unavailable {
            advice: connection::advice(&source, &self.path),
            source: Some(source),
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(Error::unavailable("a read panicked")),
        }
    }
}
