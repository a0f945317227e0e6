//! The one connection that writes: a thread of its own that takes whatever waits, runs it in one
//! transaction, commits it with one fsync and only then answers everybody.
//!
//! The time of one fsync builds the next batch, so nothing waits for a timer and durability is
//! nearly free under load. It must never know what is written.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::condition::{Condition, Part};
use super::connection;
use crate::priority;
use crate::storage::Error;

/// Writes that wait: more are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes that wait: more are refused.
pub(crate) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Writes in one transaction.
const BATCH_MAX: usize = 512;
/// How often an unwritable database is tried, without anybody having to send something.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// What has to fit before the database counts as writable again.
const PROBE_BYTES: usize = 64 * 1024;

/// One write. It may be carried out twice: the first time is undone before the second.
trait Work: Send {
    /// Carries it out in the open transaction; an error means that it has to be undone.
    fn run(&mut self, db: &Connection) -> rusqlite::Result<()>;

    /// Tells the caller what became of it, once the batch is on disk or lost.
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
        // The caller may have gone away; what was written stays written.
        drop(answer.send(committed.map(|()| value)));
    }
}

/// Why a whole batch was not written.
#[derive(Debug)]
struct Failure {
    advice: String,
}

struct Job {
    work: Box<dyn Work>,
    bytes: usize,
    keeping: Keeping,
}

/// How a write outlives the machine; it outlives the process in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeping {
    /// On disk when it returns.
    Durable,
    /// On disk with whatever durable comes next: for what would be done again if it were lost.
    Later,
}

/// What one transaction carries out.
struct Batch {
    works: Vec<Box<dyn Work>>,
    keeping: Keeping,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    is_closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    condition: Arc<Condition>,
    path: PathBuf,
}

/// The handle of the writing thread.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Writer").field("path", &self.shared.path).finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread on a database that exists.
    pub(crate) fn start(
        path: PathBuf,
        db: Connection,
        condition: Arc<Condition>,
    ) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), arrived: Condvar::new(), condition, path });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sqlite-writer".into()).spawn(move || {
            priority::lower_current_thread();
            write_all(&theirs, db);
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in the next transaction and returns once it is on disk. `bytes` is roughly what
    /// it holds in memory.
    ///
    /// Once admitted it is carried out even if the caller goes away.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.carry_out(bytes, Keeping::Durable, work).await
    }

    /// Like `write`, and does not wait for the disk: if the machine dies, what was written last may
    /// be as if it had never been. Only for what is then done again.
    pub(crate) async fn write_without_sync<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.carry_out(bytes, Keeping::Later, work).await
    }

    async fn carry_out<T: Send + 'static>(
        &self,
        bytes: usize,
        keeping: Keeping,
        work: impl Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work = Box::new(Write { work, value: None, answer });
        self.admit(Job { work, bytes, keeping })?;
        match answered.await {
            Ok(Ok(Some(value))) => Ok(value),
            Ok(Ok(None)) => Err(Error::unavailable("the write failed, see the log")),
            Ok(Err(failure)) => Err(Error::unavailable(failure.advice.clone())),
            Err(_) => Err(Error::unavailable("the store is closed")),
        }
    }

    fn admit(&self, job: Job) -> Result<(), Error> {
        let mut queue = lock(&self.shared.queue);
        if queue.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if queue.jobs.len() >= WAITING_MAX || queue.bytes + job.bytes > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting: queue.jobs.len() });
        }
        queue.bytes += job.bytes;
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.arrived.notify_one();
        Ok(())
    }

    /// Takes nothing more, writes what waits, and ends the thread.
    pub(crate) fn close(&self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.arrived.notify_one();
        if let Some(thread) = lock(&self.thread).take() {
            drop(thread.join());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// A poisoned lock means that a writer panicked between two complete states of these plain values.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(shared: &Shared, mut db: Connection) {
    let mut batch = Batch { works: Vec::new(), keeping: Keeping::Later };
    let mut kept = None;
    while next_batch(shared, &mut batch) {
        let is_well = shared.condition.is_well(Part::Database);
        // What only waits in memory proves nothing of the disk.
        let keeping = if is_well { batch.keeping } else { Keeping::Durable };
        let committed =
            keep(&db, &mut kept, keeping).and_then(|()| commit(&db, &mut batch.works, !is_well));
        let result = committed.map_err(|error| {
            kept = None;
            let failure = Arc::new(Failure { advice: connection::advice(&error, &shared.path) });
            recover(shared, &mut db, &failure, &error);
            failure
        });
        if result.is_ok() && !is_well {
            shared.condition.set(Part::Database, None);
        }
        for work in batch.works.drain(..) {
            work.answer(result.clone());
        }
    }
    // The last thing a clean stop does: leave one file behind.
    if let Err(error) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log could not be folded into the database");
    }
}

/// Waits for work; an empty batch is a probe of an unwritable database. False when closed.
fn next_batch(shared: &Shared, batch: &mut Batch) -> bool {
    batch.keeping = Keeping::Later;
    let mut queue = lock(&shared.queue);
    loop {
        if !queue.jobs.is_empty() {
            let count = queue.jobs.len().min(BATCH_MAX);
            let mut bytes = 0;
            for job in queue.jobs.drain(..count) {
                bytes += job.bytes;
                if job.keeping == Keeping::Durable {
                    batch.keeping = Keeping::Durable;
                }
                batch.works.push(job.work);
            }
            queue.bytes -= bytes;
            return true;
        }
        if queue.is_closed {
            return false;
        }
        let is_well = shared.condition.is_well(Part::Database);
        if is_well {
            queue = shared.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let (woken, waited) =
            shared.arrived.wait_timeout(queue, PROBE_EVERY).unwrap_or_else(PoisonError::into_inner);
        queue = woken;
        if waited.timed_out() && queue.jobs.is_empty() {
            return true;
        }
    }
}

/// Has the next commit wait for the disk, or not. In WAL mode that is all that the two differ in
/// (<https://sqlite.org/pragma.html#pragma_synchronous>).
fn keep(db: &Connection, kept: &mut Option<Keeping>, keeping: Keeping) -> rusqlite::Result<()> {
    if *kept != Some(keeping) {
        db.execute_batch(match keeping {
            Keeping::Durable => "PRAGMA synchronous = FULL",
            Keeping::Later => "PRAGMA synchronous = NORMAL",
        })?;
        *kept = Some(keeping);
    }
    Ok(())
}

/// Why nothing of a batch was committed.
enum Undone {
    /// The disk or the engine did not take it.
    Whole(rusqlite::Error),
    /// One write failed by itself, or panicked.
    One,
}

/// One transaction. That a write fails by itself is a defect and rare: only then is each made one
/// that can be undone alone, which costs a tenth of all accepts.
fn commit(db: &Connection, batch: &mut [Box<dyn Work>], is_doubted: bool) -> rusqlite::Result<()> {
    let together = transaction(db, is_doubted, |db| {
        for work in &mut *batch {
            match catch_unwind(AssertUnwindSafe(|| work.run(db))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) if is_fatal(db, &error) => return Err(Undone::Whole(error)),
                Ok(Err(_)) | Err(_) => return Err(Undone::One),
            }
        }
        Ok(())
    });
    let Err(undone) = together else { return Ok(()) };
    if let Undone::Whole(error) = undone {
        return Err(error);
    }
    let one_by_one = transaction(db, is_doubted, |db| {
        batch.iter_mut().try_for_each(|work| alone(db, work.as_mut())).map_err(Undone::Whole)
    });
    match one_by_one {
        Err(Undone::Whole(error)) => Err(error),
        Ok(()) | Err(Undone::One) => Ok(()),
    }
}

/// Commits what `write` did, or nothing. While it is doubted that anything can be written, every
/// transaction has to write: one that finds nothing to do would prove nothing.
fn transaction(
    db: &Connection,
    is_doubted: bool,
    write: impl FnOnce(&Connection) -> Result<(), Undone>,
) -> Result<(), Undone> {
    let whole = |done: rusqlite::Result<usize>| done.map(|_| ()).map_err(Undone::Whole);
    let written = whole(run(db, "BEGIN IMMEDIATE"))
        .and_then(|()| write(db))
        .and_then(|()| if is_doubted { whole(probe(db)) } else { Ok(()) })
        .and_then(|()| whole(run(db, "COMMIT")));
    if written.is_err() && !db.is_autocommit() {
        drop(db.execute_batch("ROLLBACK"));
    }
    written
}

/// One write that is undone alone where it fails; the error is one that loses the whole batch.
fn alone(db: &Connection, work: &mut dyn Work) -> rusqlite::Result<()> {
    run(db, "SAVEPOINT step")?;
    match catch_unwind(AssertUnwindSafe(|| work.run(db))) {
        Ok(Ok(())) => {}
        Ok(Err(error)) if is_fatal(db, &error) => return Err(error),
        Ok(Err(error)) => {
            tracing::error!(%error, "a write failed and was undone");
            run(db, "ROLLBACK TO step")?;
        }
        Err(_) => {
            tracing::error!("a write panicked and was undone; please report this as a bug");
            run(db, "ROLLBACK TO step")?;
        }
    }
    run(db, "RELEASE step").map(|_| ())
}

/// Some errors end the transaction by themselves: then nothing of it is left.
fn is_fatal(db: &Connection, error: &rusqlite::Error) -> bool {
    db.is_autocommit() || connection::is_of_the_disk(error)
}

/// Writes as much as a large delivery: on a disk that is nearly full a little would still fit.
fn probe(db: &Connection) -> rusqlite::Result<usize> {
    db.prepare_cached("INSERT INTO meta VALUES ('probe', ?1) ON CONFLICT DO UPDATE SET value = ?1")?
        .execute([" ".repeat(PROBE_BYTES)])
}

fn run(db: &Connection, statement: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(statement)?.execute([])
}

fn recover(shared: &Shared, db: &mut Connection, failure: &Failure, error: &rusqlite::Error) {
    tracing::debug!(%error, "a batch was not written");
    shared.condition.set(Part::Database, Some(failure.advice.clone()));
    // After an error of the device, what the connection holds in memory is not to be trusted.
    let doubtful = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly)
    );
    if doubtful {
        match connection::open_for_writing(&shared.path) {
            Ok(fresh) => *db = fresh,
            Err(error) => tracing::debug!(%error, "the database cannot be opened anew yet"),
        }
    }
}
