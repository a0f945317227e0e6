//! Copies the write-ahead log into the database, on a thread of its own: a commit does not wait for
//! it, and the log does not fill the disk.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection;
use crate::priority;

const EVERY: Duration = Duration::from_millis(200);
/// With more pages than this in the log (of 8 KiB: 256 MiB) writers wait until it starts anew.
const PAGES_MAX: i64 = 32_768;

/// The handle of the thread.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    stop: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    pub(crate) fn start(path: &Path) -> Result<Self, std::io::Error> {
        let (stop, stopped) = mpsc::channel();
        let path = path.to_owned();
        let thread =
            std::thread::Builder::new().name("sqlite-checkpoint".into()).spawn(move || {
                priority::lower_current_thread();
                let mut db = None;
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    if db.is_none() {
                        db = connection::open_for_writing(&path).ok();
                    }
                    // A disk that fails is reported by the writer; here it only lets the log grow.
                    if db.as_ref().is_some_and(|db| checkpoint(db).is_err()) {
                        db = None;
                    }
                }
            })?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn stop(&self) {
        drop(self.stop.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            drop(thread.join());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn checkpoint(db: &Connection) -> rusqlite::Result<()> {
    let pages = |row: &rusqlite::Row<'_>| row.get::<_, i64>(1);
    let pages = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], pages)?;
    if pages > PAGES_MAX {
        db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    }
    Ok(())
}
