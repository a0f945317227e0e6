//! Folds the write-ahead log into the database in its own time, so that no commit waits for it.
//!
//! A log that only grows would fill the disk, and one that is folded in by the writer makes every
//! thousandth commit slow. It must never hold a lock that the writer needs for long.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;

use super::connection;
use super::writer::lock;
use crate::priority;

const EVERY: Duration = Duration::from_millis(200);
/// Above this many pages (of 8 KiB: 256 MiB) writers are made to wait until the log starts anew.
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
                    // A failure shows at the writer, who tells the operator; here it costs space.
                    if db.as_ref().is_some_and(|db| fold(db).is_err()) {
                        db = None;
                    }
                }
            })?;
        Ok(Self { stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }

    pub(crate) fn stop(&self) {
        drop(lock(&self.stop).take());
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn fold(db: &Connection) -> rusqlite::Result<()> {
    let pages = |row: &rusqlite::Row<'_>| row.get::<_, i64>(1);
    let pages = db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], pages)?;
    if pages > PAGES_MAX {
        db.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
    }
    Ok(())
}
