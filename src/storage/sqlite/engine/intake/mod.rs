//! Segment files beside the database, to which hook calls are appended before they are answered:
//! appending costs a fraction of inserting a row with its indexes, and the answer does not wait for
//! the database.
//!
//! Deliveries are moved from here into the database soon after, in the order in which they were
//! received, in one transaction with the position up to which everything was moved. A crash at any
//! moment loses no acknowledged delivery and moves none twice. No other part of the gateway knows
//! that there are segments.
//!
//! Where a segment is damaged, all other records in it are read, the damage is logged and counted,
//! and the file is kept.

mod appender;
mod head;
mod measure;
mod names;
mod reading;
mod record;
mod recovery;
mod segments;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, params};
use tokio::sync::watch;

use super::connection;
use super::disk_faults::{DiskFaults, DiskUse};
use crate::domain::time::Timestamp;
use crate::storage::Error;
use appender::Appender;
use reading::{Damage, Records};
use segments::Segments;

pub(crate) use record::Received;
pub(crate) use segments::Position;

/// Bytes of bodies that are read at once; one body may be longer.
const READ_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Up to this many deliveries are read on the calling thread.
const READ_INLINE_MAX: u64 = 32;
/// A list does not wait for more deliveries than this.
const LIST_WAITS_FOR_MAX: u64 = 1_000;
/// How long a list waits for deliveries that were received before it was asked for.
const LIST_WAIT_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Intake {
    appender: Arc<Appender>,
    thread: Mutex<Option<JoinHandle<()>>>,
    moved: watch::Sender<Moved>,
    /// Damage before this position is logged already: a batch may be read again.
    logged_upto: Mutex<Position>,
    path: PathBuf,
}

/// What is in the database.
#[derive(Clone, Copy, Debug)]
struct Moved {
    upto: Position,
    /// Deliveries since the start.
    count: u64,
}

/// Deliveries that are not in the database yet, in the order in which they were received.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) received: Vec<Received>,
    /// The batch is everything between these two positions.
    pub(crate) from: Position,
    pub(crate) upto: Position,
}

impl Batch {
    /// Whether nothing is to be moved. A batch without deliveries that is not empty covers damaged
    /// records, and is moved so that they are read once.
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.upto
    }
}

impl Intake {
    /// Finds the deliveries that an earlier process left, and starts the thread that appends.
    pub(crate) fn open(
        database: &Path,
        db: &Connection,
        faults: Arc<DiskFaults>,
    ) -> Result<Self, Error> {
        let failed = |source| connection::unavailable(source, database);
        // The last move of a process that crashed may be committed and not on disk. Segments before
        // its position are about to be overwritten, so the position is synced first. SQLite writes
        // nothing, and so syncs nothing, where no byte changes.
        db.execute("UPDATE intake SET starts = starts + 1", []).map_err(failed)?;
        let upto = moved_upto(db).map_err(failed)?;
        let gateway = super::schema::gateway(db).map_err(failed)?;
        let beside = |error: std::io::Error| {
            let path = database.display();
            Error::unavailable(format!("the intake beside {path} cannot be opened: {error}"))
        };
        let segments = Segments::open(database, &gateway, upto).map_err(beside)?;
        let left_over = segments.left_over();
        if left_over > 0 {
            tracing::info!("{left_over} deliveries of an earlier process are moved to the inbox");
        }
        let appender = Arc::new(Appender::new(segments, database, left_over, faults));
        let of_thread = Arc::clone(&appender);
        let thread = std::thread::Builder::new()
            .name("intake".into())
            .spawn(move || appender::append_all(&of_thread))
            .map_err(beside)?;
        let moved = watch::Sender::new(Moved { upto, count: 0 });
        Ok(Self {
            appender,
            thread: Mutex::new(Some(thread)),
            moved,
            logged_upto: Mutex::default(),
            path: database.to_owned(),
        })
    }

    /// Appends a hook call; it is on disk afterwards.
    pub(crate) async fn append(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        self.appender.append(organization, hook, received_at, body).await
    }

    /// How many deliveries are not in the database yet.
    pub(crate) fn waiting(&self) -> u64 {
        let moved = self.moved.borrow().count;
        self.appender.appended.load(Ordering::Acquire).saturating_sub(moved)
    }

    /// The position behind the delivery that was received last.
    pub(crate) fn end(&self) -> Position {
        self.appender.segments.lock().end()
    }

    /// Reads up to `limit` of the oldest deliveries that are not in the database yet.
    ///
    /// # Errors
    /// They cannot be read now. No delivery is taken until they can be.
    pub(crate) async fn read(&self, limit: usize) -> Result<Batch, Error> {
        let read = self.try_read(limit).await;
        let faults = &self.appender.faults;
        match &read {
            Ok(_) if faults.is_working(DiskUse::IntakeReading) => {}
            Ok(_) => faults.set(DiskUse::IntakeReading, None),
            Err(advice) => faults.set(DiskUse::IntakeReading, Some(advice.clone())),
        }
        read.map_err(Error::unavailable)
    }

    async fn try_read(&self, limit: usize) -> Result<Batch, String> {
        let from = self.moved.borrow().upto;
        let segments = self.appender.segments.lock().from(from);
        if segments.is_empty() {
            return Ok(Batch { received: Vec::new(), from, upto: from });
        }
        let reading = move || reading::read(&segments, from, limit, READ_BYTES_MAX);
        // The newest deliveries are in the page cache as a rule; moving to another thread would
        // take longer than reading a few.
        let read = match self.waiting() <= READ_INLINE_MAX {
            true => reading(),
            false => match tokio::task::spawn_blocking(reading).await {
                Ok(read) => read,
                Err(_) => return Err("a read panicked: please report this as a bug".into()),
            },
        };
        let Records { received, upto, damage } = read.map_err(|error| {
            let path = self.path.display();
            format!(
                "the deliveries that were received last, beside {path}, cannot be read ({error}): \
                 check the disk and the system log"
            )
        })?;
        if !damage.is_empty() {
            self.set_aside(&damage)?;
        }
        Ok(Batch { received, from, upto })
    }

    /// Keeps the files of damaged segments, before the rest of their deliveries is moved, and logs
    /// what is lost.
    fn set_aside(&self, damage: &[Damage]) -> Result<(), String> {
        let mut logged_upto = self.logged_upto.lock();
        let (mut places, mut bytes) = (0, 0);
        let mut files = BTreeSet::new();
        for lost in damage {
            let Position { segment, offset } = lost.at;
            let kept = self.appender.segments.lock().set_aside(segment).map_err(|error| {
                let path = self.path.display();
                format!(
                    "a damaged file beside {path} cannot be renamed ({error}): make its folder \
                     writable for this process"
                )
            })?;
            // A segment that is no longer in use was moved, and its file written to, meanwhile.
            let Some(kept) = kept.filter(|_| lost.at >= *logged_upto) else { continue };
            *logged_upto = Position { segment, offset: offset.saturating_add(lost.bytes) };
            places += 1;
            bytes += lost.bytes;
            files.insert(kept);
        }
        if places > 0 {
            tracing::error!(
                places,
                bytes,
                ?files,
                "deliveries that were answered 202 are damaged on disk in so many places, and lost \
                 as far as these are records: all others were read, and the files are kept"
            );
            metrics::counter!("azdo_gateway_damaged_places_total").increment(places);
        }
        Ok(())
    }

    /// Whether there are any files, of whatever database.
    pub(crate) fn has_files(&self) -> bool {
        self.appender.segments.lock().has_files()
    }

    /// The damaged files that are kept beside the database, each with whether deliveries in it are
    /// still needed.
    pub(crate) fn damaged_files(&self) -> Vec<(PathBuf, bool)> {
        let moved = self.moved.borrow().upto;
        let mut files = self.appender.segments.lock().damaged_files(moved);
        files.retain(|(path, _)| path.exists());
        files
    }

    /// Takes note that so many deliveries up to the position are in the database.
    pub(crate) fn note_moved(&self, count: usize, upto: Position) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let appended = self.appender.appended.load(Ordering::Acquire);
        let is_all = upto >= self.end();
        self.moved.send_modify(|moved| {
            moved.count = moved.count.saturating_add(count);
            // The count of a start includes damaged records, and a move whose caller stopped
            // waiting was not counted.
            if is_all {
                moved.count = moved.count.max(appended);
            }
            moved.upto = upto;
        });
        self.appender.segments.lock().free_before(upto);
    }

    /// Waits, at most a moment, until every delivery that was received before is in the database.
    pub(crate) async fn wait_until_moved(&self) {
        let end = self.end();
        if self.moved.borrow().upto >= end || self.waiting() > LIST_WAITS_FOR_MAX {
            return;
        }
        let mut moved = self.moved.subscribe();
        let all = moved.wait_for(|moved| moved.upto >= end);
        // Under load the list shows what is in the database by then.
        drop(tokio::time::timeout(LIST_WAIT_MAX, all).await);
    }

    /// Refuses further hook calls, and returns when those in the queue are on disk.
    pub(crate) fn close(&self) {
        self.appender.close();
        // Another process may own the files from now on: a move that is still under way deletes
        // none.
        self.appender.segments.lock().close();
        if let Some(thread) = self.thread.lock().take() {
            drop(thread.join());
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.close();
    }
}

/// The position up to which everything is in the database.
pub(crate) fn moved_upto(db: &Connection) -> rusqlite::Result<Position> {
    db.query_row("SELECT segment, position FROM intake", [], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok(Position { segment: number(0)?, offset: number(1)? })
    })
}

/// Stores the position, in the transaction that inserts the deliveries before it. False when
/// another move stored it meanwhile: then nothing is to be inserted.
pub(crate) fn advance(db: &Connection, from: Position, upto: Position) -> rusqlite::Result<bool> {
    let changed = db
        .prepare_cached(
            "UPDATE intake SET segment = ?3, position = ?4 WHERE segment = ?1 AND position = ?2",
        )?
        .execute(params![
            from.segment.cast_signed(),
            from.offset.cast_signed(),
            upto.segment.cast_signed(),
            upto.offset.cast_signed(),
        ])?;
    Ok(changed == 1)
}
