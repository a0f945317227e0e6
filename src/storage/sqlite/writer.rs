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
use crate::storage::Error;

/// Writes that wait: more are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes that wait: more are refused.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Writes in one transaction.
const BATCH_MAX: usize = 512;
/// How often an unwritable database is tried, without anybody having to send something.
const PROBE_EVERY: Duration = Duration::from_millis(500);

/// What has to fit before the database counts as writable again.
const PROBE_BYTES: usize = 64 * 1024;

/// Tells the caller what became of its write, once the batch is on disk or lost.
type Answer = Box<dyn FnOnce(Result<(), Arc<Failure>>) + Send>;
/// One write. Without a connection it is not carried out, and only its answer is wanted.
type Work = Box<dyn FnOnce(Option<&Connection>) -> (Answer, Option<rusqlite::Error>) + Send>;

/// Why a whole batch was not written.
#[derive(Debug)]
struct Failure {
    advice: String,
}

struct Job {
    work: Work,
    bytes: usize,
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
pub(super) struct Writer {
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
    pub(super) fn start(
        path: PathBuf,
        db: Connection,
        condition: Arc<Condition>,
    ) -> std::io::Result<Self> {
        let shared =
            Arc::new(Shared { queue: Mutex::default(), arrived: Condvar::new(), condition, path });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || write_all(&theirs, db))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Runs `work` in the next transaction and returns once it is on disk. `bytes` is roughly what
    /// it holds in memory.
    ///
    /// Once admitted it is carried out even if the caller goes away.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let work: Work = Box::new(move |db| {
            let (value, error) = match db.map(work) {
                Some(Ok(value)) => (Some(value), None),
                Some(Err(error)) => (None, Some(error)),
                None => (None, None),
            };
            let answer: Answer = Box::new(move |committed| {
                // The caller may have gone away; what was written stays written.
                drop(answer.send(committed.map(|()| value)));
            });
            (answer, error)
        });
        self.admit(Job { work, bytes })?;
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
    pub(super) fn close(&self) {
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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_all(shared: &Shared, mut db: Connection) {
    let mut batch = Vec::new();
    while next_batch(shared, &mut batch) {
        let is_well = shared.condition.is_well(Part::Database);
        let (answers, result) = match commit(&db, batch.drain(..), !is_well) {
            Ok(answers) => (answers, Ok(())),
            Err((answers, error)) => {
                let failure =
                    Arc::new(Failure { advice: connection::advice(&error, &shared.path) });
                recover(shared, &mut db, &failure, &error);
                (answers, Err(failure))
            }
        };
        if result.is_ok() && !is_well {
            shared.condition.set(Part::Database, None);
        }
        for answer in answers {
            answer(result.clone());
        }
    }
    // The last thing a clean stop does: leave one file behind.
    if let Err(error) = db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the write-ahead log could not be folded into the database");
    }
}

/// Waits for work; an empty batch is a probe of an unwritable database. False when closed.
fn next_batch(shared: &Shared, batch: &mut Vec<Work>) -> bool {
    let mut queue = lock(&shared.queue);
    loop {
        if !queue.jobs.is_empty() {
            let count = queue.jobs.len().min(BATCH_MAX);
            let taken: Vec<Job> = queue.jobs.drain(..count).collect();
            queue.bytes -= taken.iter().map(|job| job.bytes).sum::<usize>();
            batch.extend(taken.into_iter().map(|job| job.work));
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

/// One transaction. A write that fails is undone alone; a failure of the whole is told to
/// everybody, and nothing more of the batch is tried. While it is doubted that anything can be
/// written, every batch has to write: one that finds nothing to do would prove nothing.
fn commit(
    db: &Connection,
    batch: impl Iterator<Item = Work>,
    is_doubted: bool,
) -> Result<Vec<Answer>, (Vec<Answer>, rusqlite::Error)> {
    let mut answers = Vec::new();
    let mut failed = db.execute_batch("BEGIN IMMEDIATE").err();
    for work in batch {
        let (answer, error) = match failed {
            Some(_) => work(None),
            None => step(db, work),
        };
        answers.push(answer);
        failed = failed.or(error);
    }
    if is_doubted && failed.is_none() {
        failed = probe(db).err();
    }
    match failed.or_else(|| db.execute_batch("COMMIT").err()) {
        None => Ok(answers),
        Some(error) => {
            if !db.is_autocommit() {
                drop(db.execute_batch("ROLLBACK"));
            }
            Err((answers, error))
        }
    }
}

/// One write within the transaction; the error is one that loses the whole batch.
fn step(db: &Connection, work: Work) -> (Answer, Option<rusqlite::Error>) {
    if let Err(error) = run(db, "SAVEPOINT step") {
        return (work(None).0, Some(error));
    }
    let (answer, error) = match catch_unwind(AssertUnwindSafe(|| work(Some(db)))) {
        Ok(done) => done,
        Err(_) => {
            tracing::error!("a write panicked and was undone; please report this as a bug");
            // Its caller learns it from the answer that never comes.
            let undone = run(db, "ROLLBACK TO step").and_then(|_| run(db, "RELEASE step"));
            return (Box::new(drop), undone.err());
        }
    };
    let fatal = match error {
        None => run(db, "RELEASE step").err(),
        // Some errors end the transaction by themselves: then nothing of it is left.
        Some(error) if db.is_autocommit() || connection::is_of_the_disk(&error) => Some(error),
        Some(error) => {
            tracing::error!(%error, "a write failed and was undone");
            run(db, "ROLLBACK TO step").and_then(|_| run(db, "RELEASE step")).err()
        }
    };
    (answer, fatal)
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
