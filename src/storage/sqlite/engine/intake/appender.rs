//! The thread that appends hook calls: it takes all that wait, writes them in one piece, syncs
//! once, and then answers their callers. A delivery is acknowledged only after that sync.
//!
//! As with the writer of the database, the next batch gathers during the sync. After a failed write
//! the end of the segment is unknown, so the next batch begins a new segment.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::head::FIRST_AT;
use super::record;
use super::segments::{SEGMENT_BYTES, Segment, Segments};
use crate::domain::time::Timestamp;
use crate::storage::Error;
use crate::storage::sqlite::engine::disk_faults::{DiskFaults, DiskUse};

/// Deliveries in the queue; further ones are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes in the queue; more are refused. As much again may be on the way to the disk.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The memory that a queue keeps for the next batch.
const IDLE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often an unwritable disk is tried again while nothing is received.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// Bytes that must fit before the disk counts as writable again.
const PROBE_BYTES: usize = 64 * 1024;

type Answer = oneshot::Sender<Result<(), Arc<str>>>;

#[derive(Debug, Default)]
struct Queue {
    /// Records, one behind the other.
    bytes: Vec<u8>,
    answers: Vec<Answer>,
    is_closed: bool,
}

/// The state that the thread and its callers share.
#[derive(Debug)]
pub(super) struct Appender {
    queue: Mutex<Queue>,
    filled: Condvar,
    pub(super) segments: Mutex<Segments>,
    pub(super) faults: Arc<DiskFaults>,
    /// Deliveries on disk: those that an earlier process left and those that this one appended.
    pub(super) appended: AtomicU64,
    path: PathBuf,
}

impl Appender {
    pub(super) fn new(
        segments: Segments,
        path: &Path,
        left_over: u64,
        faults: Arc<DiskFaults>,
    ) -> Self {
        Self {
            queue: Mutex::default(),
            filled: Condvar::new(),
            segments: Mutex::new(segments),
            faults,
            appended: AtomicU64::new(left_over),
            path: path.to_owned(),
        }
    }

    /// Returns once the delivery is on disk. Once it is in the queue, it is written even if the
    /// caller stops waiting.
    pub(super) async fn append(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        let answered = self.enqueue(organization, hook, received_at, body)?;
        match answered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(advice)) => Err(Error::unavailable(&*advice)),
            Err(_) => Err(Error::unavailable("the store is closed")),
        }
    }

    fn enqueue(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<oneshot::Receiver<Result<(), Arc<str>>>, Error> {
        let (answer, answered) = oneshot::channel();
        let mut queue = self.queue.lock();
        let waiting = queue.answers.len();
        if queue.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if waiting >= WAITING_MAX || queue.bytes.len() + body.len() > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting });
        }
        if !record::append(&mut queue.bytes, organization, hook, received_at, body) {
            return Err(Error::unavailable("a delivery is longer than a record can be"));
        }
        queue.answers.push(answer);
        drop(queue);
        if waiting == 0 {
            self.filled.notify_one();
        }
        Ok(answered)
    }

    pub(super) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.filled.notify_one();
    }

    /// Waits for deliveries; an empty batch is a probe of an unwritable disk. False when closed.
    fn next_batch(&self, bytes: &mut Vec<u8>, answers: &mut Vec<Answer>) -> bool {
        let mut queue = self.queue.lock();
        loop {
            if !queue.answers.is_empty() {
                std::mem::swap(&mut queue.bytes, bytes);
                std::mem::swap(&mut queue.answers, answers);
                return true;
            }
            if queue.is_closed {
                return false;
            }
            if self.faults.is_working(DiskUse::Intake) {
                self.filled.wait(&mut queue);
                continue;
            }
            let waited = self.filled.wait_for(&mut queue, PROBE_EVERY);
            if waited.timed_out() && queue.answers.is_empty() {
                return true;
            }
        }
    }
}

/// The end of the segment that is being written: the next batch goes there.
struct Tail {
    segment: Segment,
    offset: u64,
}

/// Appends until the intake is closed.
pub(super) fn append_all(appender: &Appender) {
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    let mut tail = None;
    while appender.next_batch(&mut bytes, &mut answers) {
        let written = write(appender, &mut tail, &mut bytes);
        let result = match written {
            Ok(()) => {
                let count = u64::try_from(answers.len()).unwrap_or(u64::MAX);
                appender.appended.fetch_add(count, Ordering::Release);
                appender.faults.set(DiskUse::Intake, None);
                Ok(())
            }
            Err(error) => {
                let advice = advice(&error, &appender.path);
                appender.faults.set(DiskUse::Intake, Some(advice.clone()));
                Err(Arc::from(advice))
            }
        };
        for answer in answers.drain(..) {
            // The caller may be gone: the delivery counts all the same.
            drop(answer.send(result.clone()));
        }
        bytes.clear();
        bytes.shrink_to(IDLE_BYTES_MAX);
    }
}

/// Writes and syncs the batch. After an error the segment is not written to any more.
fn write(appender: &Appender, tail: &mut Option<Tail>, bytes: &mut Vec<u8>) -> io::Result<()> {
    let goes_on = |end: &Tail| {
        end.offset < SEGMENT_BYTES && !appender.segments.lock().is_damaged(&end.segment)
    };
    let Tail { segment, offset } = match tail.take().filter(goes_on) {
        Some(end) => end,
        None => begin_segment(appender, bytes.is_empty())?,
    };
    let after = |bytes: usize| offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    let end = after(bytes.len());
    record::append_mark(bytes);
    record::seal(bytes, segment.key);
    let written = segment.file.write_all_at(bytes, offset);
    if let Err(error) = written.and_then(|()| segment.file.sync_data()) {
        appender.segments.lock().give_up(&segment);
        return Err(error);
    }
    appender.segments.lock().written(&segment, end);
    *tail = Some(Tail { segment, offset: after(bytes.len()) });
    Ok(())
}

/// Begins a segment; its head reaches the disk with the first batch. A probe also writes zeros,
/// which are not records: on a disk that is nearly full the head alone would still fit.
fn begin_segment(appender: &Appender, is_probe: bool) -> io::Result<Tail> {
    let (segment, head) = {
        let mut segments = appender.segments.lock();
        if segments.is_full() {
            let full = "too many deliveries wait to be moved into the database";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, full));
        }
        segments.next()?
    };
    let zeros = if is_probe { PROBE_BYTES } else { 0 };
    let start = [head, vec![0; zeros]].concat();
    match segment.file.write_all_at(&start, 0) {
        Ok(()) => Ok(Tail { segment, offset: FIRST_AT }),
        Err(error) => {
            appender.segments.lock().give_up(&segment);
            Err(error)
        }
    }
}

/// Tells the operator what is wrong and what to do about it.
fn advice(error: &io::Error, database: &Path) -> String {
    let path = database.display();
    match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("the disk that holds {path} is full: free some space or shorten the retention")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            format!("{path} or its folder is read-only: make both writable for this process")
        }
        io::ErrorKind::QuotaExceeded => format!("{error}: find out why no delivery is decided"),
        _ => format!("writing beside {path} failed ({error}): check the disk and the system log"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::reading;
    use super::super::segments::Position;
    use super::*;

    fn appender(database: &Path) -> Appender {
        let segments = Segments::open(database, "0123abcd", Position::default()).unwrap();
        Appender::new(segments, database, 0, Arc::default())
    }

    fn batch(bodies: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in bodies {
            record::append(&mut bytes, "fabrikam", "push", Timestamp::ZERO, body.as_bytes());
        }
        bytes
    }

    fn read(segments: &Segments) -> Vec<String> {
        let there = segments.from(Position::default());
        let found = reading::read(&there, Position::default(), 100, usize::MAX).unwrap();
        assert!(found.damage.is_empty(), "{:?}", found.damage);
        found.received.into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect()
    }

    #[test]
    fn after_a_failed_write_the_next_batch_begins_a_new_segment() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("gateway.db");
        let file = folder.path().join("gateway.db-intake-0");
        let appender = appender(&database);
        let mut tail = None;
        write(&appender, &mut tail, &mut batch(&["one", "two"])).unwrap();
        let before = std::fs::read(&file).unwrap();
        let first = tail.as_mut().unwrap();
        let key = first.segment.key;
        // Opened for reading only, the file refuses writes.
        first.segment.file = Arc::new(File::open(&file).unwrap());
        write(&appender, &mut tail, &mut batch(&["three"])).unwrap_err();
        assert!(tail.is_none());
        write(&appender, &mut tail, &mut batch(&["four"])).unwrap();
        assert_ne!(tail.unwrap().segment.key, key);
        assert_eq!(std::fs::read(&file).unwrap(), before);
        let found = ["one", "two", "four"];
        assert_eq!(read(&appender.segments.lock()), found);
        let again = Segments::open(&database, "0123abcd", Position::default()).unwrap();
        assert_eq!(read(&again), found);
    }

    #[tokio::test]
    async fn a_full_disk_refuses_deliveries_until_a_probe_fits() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gateway.db-intake-0");
        std::os::unix::fs::symlink("/dev/full", &file).unwrap();
        let appender = Arc::new(appender(&folder.path().join("gateway.db")));
        let of_thread = Arc::clone(&appender);
        let thread = std::thread::spawn(move || append_all(&of_thread));
        let append =
            |body: &'static [u8]| appender.append("fabrikam", "push", Timestamp::ZERO, body);
        let refused = append(b"one").await.unwrap_err().to_string();
        assert!(refused.contains("full"), "{refused}");
        assert!(!appender.faults.is_working(DiskUse::Intake));
        std::fs::remove_file(&file).unwrap();
        // The probes find the disk writable although nothing is received meanwhile.
        let writable = async {
            while !appender.faults.is_working(DiskUse::Intake) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(20 * PROBE_EVERY, writable).await.expect("a probe succeeds");
        append(b"two").await.unwrap();
        assert_eq!(appender.appended.load(Ordering::Acquire), 1);
        assert_eq!(read(&appender.segments.lock()), ["two"]);
        appender.close();
        thread.join().unwrap();
        assert!(append(b"three").await.is_err());
    }

    #[tokio::test]
    async fn queued_deliveries_are_written_although_their_callers_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let appender = appender(&folder.path().join("gateway.db"));
        for body in [b"one", b"two"] {
            drop(appender.enqueue("fabrikam", "push", Timestamp::ZERO, body).unwrap());
        }
        let long = vec![0; WAITING_BYTES_MAX];
        let busy = appender.append("fabrikam", "push", Timestamp::ZERO, &long).await;
        assert!(matches!(busy, Err(Error::Busy { waiting: 2 })), "{busy:?}");
        appender.close();
        append_all(&appender);
        assert_eq!(read(&appender.segments.lock()), ["one", "two"]);
    }
}
