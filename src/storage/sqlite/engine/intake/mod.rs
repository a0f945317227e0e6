//! Deliveries as they came, appended beside the database and answered: a row with its indexes
//! costs several times what a piece of a file does, and nobody has to wait for it.
//!
//! They are taken into the database soon after, in the same order, together with the mark that
//! says how far: what was appended is taken in once, whenever the process dies. It must never read
//! a body.

mod appender;
mod reading;
mod record;
mod segments;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::condition::Condition;
use super::connection;
use super::writer::lock;
use crate::domain::time::Timestamp;
use crate::storage::{Arrived, Error, Mark};
use appender::Shared;
use segments::Segments;

/// Bytes that are read at once, or one body.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// So many are read where they are asked for.
const WAITING_FEW: u64 = 32;
/// More than this is not taken in while somebody waits for a list.
const SETTLING_FEW: u64 = 1_000;
/// How long a list waits for what arrived before it was asked for.
const SETTLING_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Intake {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    taken: watch::Sender<Taken>,
}

/// How far the database is.
#[derive(Clone, Copy, Debug)]
struct Taken {
    mark: Mark,
    /// Of all that were there or came since.
    count: u64,
}

impl Intake {
    /// Finds what an earlier process left and is ready for more.
    pub(crate) fn open(
        database: &Path,
        db: &Connection,
        condition: Arc<Condition>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Unavailable {
            advice: connection::advice(&source, database),
            source: Some(source),
        };
        // A process that died in the middle of a commit left a mark that nobody had on disk yet.
        // What lies before it is written over soon, so it has to be: one fsync is for all.
        db.execute("UPDATE intake SET position = position", []).map_err(failed)?;
        let mark = mark(db).map_err(failed)?;
        let gateway = super::migration::gateway(db).map_err(failed)?;
        let beside = |error: std::io::Error| {
            let path = database.display();
            Error::unavailable(format!("the intake beside {path} cannot be opened: {error}"))
        };
        let segments = Segments::open(database, &gateway, mark).map_err(beside)?;
        let left_over = segments.left_over();
        if left_over > 0 {
            tracing::info!("{left_over} deliveries of an earlier process are taken in");
        }
        let shared = Arc::new(Shared::new(segments, database, left_over, condition));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("intake".into())
            .spawn(move || appender::append_all(&theirs))
            .map_err(beside)?;
        let taken = watch::Sender::new(Taken { mark, count: 0 });
        Ok(Self { shared, thread: Mutex::new(Some(thread)), taken })
    }

    /// See `Store::receive`.
    pub(crate) async fn append(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        self.shared.append(organization, hook, received_at, body).await
    }

    /// How many deliveries are not taken in yet.
    pub(crate) fn waiting(&self) -> u64 {
        let taken = self.taken.borrow().count;
        self.shared.appended.load(Ordering::Acquire).saturating_sub(taken)
    }

    /// The oldest that are not taken in yet, up to `limit`, and where they lie.
    pub(crate) async fn read(&self, limit: usize) -> Result<Arrived, Error> {
        let from = self.taken.borrow().mark;
        let appended = self.shared.appended.load(Ordering::Acquire);
        let segments = lock(&self.shared.segments).from(from);
        if segments.is_empty() {
            // What was counted by its looks was no delivery, or nobody heard that it was taken in.
            self.taken.send_modify(|taken| taken.count = taken.count.max(appended));
            return Ok(Arrived { deliveries: Vec::new(), from, upto: from });
        }
        let reading = move || reading::read(&segments, from, limit, READ_BYTES_MAX);
        // The newest are in memory, as a rule; the way to another thread would take longer.
        let read = match self.waiting() <= WAITING_FEW {
            true => Ok(reading()),
            false => tokio::task::spawn_blocking(reading).await,
        };
        match read {
            Ok(Ok((deliveries, upto))) => Ok(Arrived { deliveries, from, upto }),
            Ok(Err(error)) => {
                Err(Error::unavailable(format!("what arrived cannot be read: {error}")))
            }
            Err(_) => Err(Error::unavailable("a read panicked")),
        }
    }

    /// So many were taken into the database, up to there, which says so.
    pub(crate) fn taken(&self, count: usize, upto: Mark) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.taken.send_modify(|taken| {
            taken.count = taken.count.saturating_add(count);
            taken.mark = upto;
        });
        lock(&self.shared.segments).taken(upto);
    }

    /// Waits, for a moment, until what arrived before is in the database.
    pub(crate) async fn settle(&self) {
        let end = lock(&self.shared.segments).end();
        if self.taken.borrow().mark >= end || self.waiting() > SETTLING_FEW {
            return;
        }
        let mut taken = self.taken.subscribe();
        let all = taken.wait_for(|taken| taken.mark >= end);
        // Who asks under load sees what is there by then.
        drop(tokio::time::timeout(SETTLING_MAX, all).await);
    }

    /// Takes nothing more, and ends when what was admitted is on disk.
    pub(crate) fn close(&self) {
        self.shared.close();
        // Whoever still takes in after this does not know whose the files are by then.
        lock(&self.shared.segments).close();
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.close();
    }
}

/// Up to where everything is in the database.
pub(crate) fn mark(db: &Connection) -> rusqlite::Result<Mark> {
    db.query_row("SELECT segment, position FROM intake", [], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(Mark { segment: number(0)?, position: number(1)? })
    })
}

/// Moves the mark, in the transaction that takes in what lies before it. False when somebody else
/// moved it meanwhile.
pub(crate) fn advance(db: &Connection, from: Mark, upto: Mark) -> rusqlite::Result<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE intake SET segment = ?3, position = ?4 WHERE segment = ?1 AND position = ?2",
        )?
        .execute(params![
            from.segment.cast_signed(),
            from.position.cast_signed(),
            upto.segment.cast_signed(),
            upto.position.cast_signed(),
        ])?;
    Ok(changed == 1)
}
