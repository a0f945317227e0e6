//! The one connection that writes, on a thread of its own. It takes all writes that wait, carries
//! them out in one transaction, commits it with one fsync, and then answers their callers.
//!
//! The next batch gathers during the fsync, so no write waits for a timer, and under load one fsync
//! serves many writes.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::connection;
use super::disk_faults::{DiskFaults, DiskUse};
use crate::priority;
use crate::storage::Error;

/// Writes in the queue; further ones are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes in the queue; more are refused.
pub(crate) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Writes in one transaction.
const BATCH_MAX: usize = 512;
/// How often an unwritable database is tried again while nothing is to be written.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Bytes that must fit before the database counts as writable again.
const PROBE_BYTES: u32 = 64 * 1024;

/// One write. It may be carried out twice: the first time is rolled back before the second.
trait Work: Send {
    /// Carries the write out in the open transaction; after an error it is rolled back.
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;

    /// Answers the caller, after the batch was committed or failed.
    fn answer(self: Box<Self>, committed: Result<(), Arc<Failure>>);
}

struct Write<T, F> {
    work: F,
    value: Option<T>,
    answer: oneshot::Sender<Result<Option<T>, Arc<Failure>>>,
}

impl<T, F> Work for Write<T, F>
where
    T: Send,
    F: Fn(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()> {
        self.value = None;
        self.value = Some((self.work)(db)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<Failure>>) {
        let Self { value, answer, .. } = *self;
        // The caller may be gone: the write counts all the same.
        drop(answer.send(committed.map(|()| value)));
    }
}

/// Why a whole batch was not committed.
#[derive(Debug)]
struct Failure {
    advice: String,
}

struct Job {
    work: Box<dyn Work>,
    bytes: usize,
    sync: DiskSync,
}

/// Whether a commit waits until it is on disk. A commit survives the death of the process either
/// way; one that was not synced may be lost with the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DiskSync {
    /// The commit waits until it is on disk.
    Now,
    /// The next synced commit brings it to disk.
    Later,
}

/// The writes of one transaction.
struct Batch {
    works: Vec<Box<dyn Work>>,
    sync: DiskSync,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    is_closed: bool,
}

struct State {
    queue: Mutex<Queue>,
    filled: Condvar,
    faults: Arc<DiskFaults>,
    path: PathBuf,
}

/// The handle of the writing thread.
pub(crate) struct Writer {
    state: Arc<State>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Writer").field("path", &self.state.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread on a database that exists.
    pub(crate) fn start(
        path: PathBuf,
        db: Connection,
        faults: Arc<DiskFaults>,
    ) -> std::io::Result<Self> {
        let state =
            Arc::new(State { queue: Mutex::default(), filled: Condvar::new(), faults, path });
        let of_thread = Arc::clone(&state);
        let thread = std::thread::Builder::new().name("sqlite-writer".into()).spawn(move || {
            priority::lower_current_thread();
            write_all(&of_thread, db);
        })?;
        Ok(Self { state, thread: Mutex::new(Some(thread)) })
    }

    /// Writes that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.state.queue.lock().jobs.len()
    }

    /// Runs `work` in the next transaction and returns once it is on disk. `bytes` is roughly what
    /// `work` holds in memory.
    ///
    /// Once it is in the queue, it is carried out even if the caller stops waiting.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(bytes, DiskSync::Now, work).await
    }

    /// Like `write`, without waiting for the disk: a power failure may lose the write. Only for
    /// writes that the next start would make again.
    pub(crate) async fn write_without_sync<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.submit(bytes, DiskSync::Later, work).await
    }

    async fn submit<T: Send + 'static>(
        &self,
        bytes: usize,
        sync: DiskSync,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(Write { work, value: None, answer });
        self.enqueue(Job { work, bytes, sync })?;
        match answered.await {
            Ok(Ok(Some(value))) => Ok(value),
            Ok(Ok(None)) => Err(Error::unavailable("the write failed, see the log")),
            Ok(Err(failure)) => Err(Error::unavailable(failure.advice.clone())),
            Err(_) => Err(Error::unavailable("the store is closed")),
        }
    }

    fn enqueue(&self, job: Job) -> Result<(), Error> {
        let mut queue = self.state.queue.lock();
        if queue.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if queue.jobs.len() >= WAITING_MAX || queue.bytes + job.bytes > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting: queue.jobs.len() });
        }
        queue.bytes += job.bytes;
        queue.jobs.push_back(job);
        drop(queue);
        self.state.filled.notify_one();
        Ok(())
    }

    /// Refuses further writes, carries out those in the queue, and ends the thread.
    pub(crate) fn close(&self) {
        self.state.queue.lock().is_closed = true;
        self.state.filled.notify_one();
        if let Some(thread) = self.thread.lock().take() {
            drop(thread.join());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_all(state: &State, mut db: Connection) {
    let mut batch = Batch { works: Vec::new(), sync: DiskSync::Later };
    let mut set = None;
    while next_batch(state, &mut batch) {
        let is_writable = state.faults.is_working(DiskUse::Database);
        // After a fault only a synced commit proves that the disk takes writes again.
        let sync = if is_writable { batch.sync } else { DiskSync::Now };
        let began_at = Instant::now();
        let committed = set_sync(&db, &mut set, sync)
            .and_then(|()| commit(&db, &mut batch.works, !is_writable));
        if committed.is_ok() {
            metrics::histogram!("azdo_gateway_commit_seconds").record(began_at.elapsed());
        }
        let result = committed.map_err(|error| {
            set = None;
            let failure = Arc::new(Failure { advice: connection::advice(&error, &state.path) });
            recover(state, &mut db, &failure, &error);
            failure
        });
        if result.is_ok() && !is_writable {
            state.faults.set(DiskUse::Database, None);
        }
        for work in batch.works.drain(..) {
            work.answer(result.clone());
        }
    }
    // After a clean stop the database is one file without a log.
    if let Err(error) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log could not be copied into the database");
    }
}

/// Waits for writes; an empty batch is a probe of an unwritable database. False when closed.
fn next_batch(state: &State, batch: &mut Batch) -> bool {
    batch.sync = DiskSync::Later;
    let mut queue = state.queue.lock();
    loop {
        if !queue.jobs.is_empty() {
            let count = queue.jobs.len().min(BATCH_MAX);
            let mut bytes = 0;
            for job in queue.jobs.drain(..count) {
                bytes += job.bytes;
                if job.sync == DiskSync::Now {
                    batch.sync = DiskSync::Now;
                }
                batch.works.push(job.work);
            }
            queue.bytes -= bytes;
            return true;
        }
        if queue.is_closed {
            return false;
        }
        if state.faults.is_working(DiskUse::Database) {
            state.filled.wait(&mut queue);
            continue;
        }
        let waited = state.filled.wait_for(&mut queue, PROBE_EVERY);
        if waited.timed_out() && queue.jobs.is_empty() {
            return true;
        }
    }
}

/// Sets whether the next commit waits for the disk, where it is not `set` so already. In WAL mode
/// the two settings differ in nothing else (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn set_sync(db: &Connection, set: &mut Option<DiskSync>, sync: DiskSync) -> rusqlite::Result<()> {
    if *set != Some(sync) {
        db.execute_batch(match sync {
            DiskSync::Now => "PRAGMA synchronous = FULL",
            DiskSync::Later => "PRAGMA synchronous = NORMAL",
        })?;
        *set = Some(sync);
    }
    Ok(())
}

/// Why a transaction was rolled back.
enum RolledBack {
    /// The disk or SQLite refused it.
    ByDisk(rusqlite::Error),
    /// One write failed because of what it wrote, or panicked.
    ByOneWrite,
}

/// Commits a batch in one transaction. A write that fails because of what it writes is a defect and
/// rare: only then is the batch repeated with a savepoint around each write. Savepoints in every
/// transaction would cost a tenth of all accepts.
fn commit(db: &Connection, batch: &mut [Box<dyn Work>], with_probe: bool) -> rusqlite::Result<()> {
    let together = transaction(db, with_probe, |db| {
        for work in &mut *batch {
            match catch_unwind(AssertUnwindSafe(|| work.run(db))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) if is_fatal(db, &error) => return Err(RolledBack::ByDisk(error)),
                Ok(Err(_)) | Err(_) => return Err(RolledBack::ByOneWrite),
            }
        }
        Ok(())
    });
    let Err(rolled_back) = together else { return Ok(()) };
    if let RolledBack::ByDisk(error) = rolled_back {
        return Err(error);
    }
    let one_by_one = transaction(db, with_probe, |db| {
        batch.iter_mut().try_for_each(|work| alone(db, work.as_mut())).map_err(RolledBack::ByDisk)
    });
    match one_by_one {
        Err(RolledBack::ByDisk(error)) => Err(error),
        Ok(()) | Err(RolledBack::ByOneWrite) => Ok(()),
    }
}

/// Commits everything that `write` did, or nothing. With `with_probe` the transaction also writes a
/// probe: one without any change would not prove that the disk takes writes again.
fn transaction(
    db: &Connection,
    with_probe: bool,
    write: impl FnOnce(&Connection) -> Result<(), RolledBack>,
) -> Result<(), RolledBack> {
    let by_disk = |done: rusqlite::Result<usize>| done.map(|_| ()).map_err(RolledBack::ByDisk);
    let written = by_disk(run(db, "BEGIN IMMEDIATE"))
        .and_then(|()| write(db))
        .and_then(|()| if with_probe { by_disk(probe(db)) } else { Ok(()) })
        .and_then(|()| by_disk(run(db, "COMMIT")));
    if written.is_err() && !db.is_autocommit() {
        drop(db.execute_batch("ROLLBACK"));
    }
    written
}

/// Carries out one write inside a savepoint. An error is one that rolls back the whole batch.
fn alone(db: &Connection, work: &mut dyn Work) -> rusqlite::Result<()> {
    run(db, "SAVEPOINT step")?;
    match catch_unwind(AssertUnwindSafe(|| work.run(db))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) if is_fatal(db, &error) => return Err(error),
        Ok(Err(error)) => {
            tracing::error!(%error, "a write failed and was rolled back");
            run(db, "ROLLBACK TO step")?;
        }
        Err(_) => {
            tracing::error!("a write panicked and was rolled back: please report this as a bug");
            run(db, "ROLLBACK TO step")?;
        }
    }
    run(db, "RELEASE step").map(|_| ())
}

/// Whether the whole transaction is lost: some errors end it by themselves.
fn is_fatal(db: &Connection, error: &rusqlite::Error) -> bool {
    db.is_autocommit() || connection::is_caused_by_disk(error)
}

/// Writes as much as a large delivery: on a disk that is nearly full a short row would still fit.
/// SQLite does not write a page in which no byte changes, so each probe writes other bytes.
fn probe(db: &Connection) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "INSERT INTO meta VALUES ('probe', hex(randomblob(?1)))
         ON CONFLICT DO UPDATE SET value = excluded.value",
    )?
    .execute([PROBE_BYTES / 2])
}

fn run(db: &Connection, statement: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(statement)?.execute([])
}

fn recover(state: &State, db: &mut Connection, failure: &Failure, error: &rusqlite::Error) {
    tracing::debug!(%error, "a batch was not committed");
    state.faults.set(DiskUse::Database, Some(failure.advice.clone()));
    // After an error of the device the cache of the connection may not hold what is on disk.
    let is_cache_stale = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    );
    if is_cache_stale {
        match connection::open_for_writing(&state.path) {
            Ok(fresh) => *db = fresh,
            Err(error) => tracing::debug!(%error, "the database cannot be opened again yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use crate::storage::Migrate;

    #[test]
    fn every_probe_reaches_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateway.db");
        let db = connection::open_for_writing(&path).unwrap();
        schema::prepare(&db, Migrate::Auto).unwrap().unwrap();
        for number in 1..4 {
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
            let log = path.with_extension("db-wal");
            assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
            commit(&db, &mut [], true).unwrap();
            let bytes = std::fs::metadata(&log).unwrap().len();
            assert!(bytes >= PROBE_BYTES.into(), "probe {number} wrote {bytes} bytes");
        }
    }
}
