//! The thread that appends: it takes whatever waits, writes it in one piece, has it on disk with
//! one fsync and only then answers everybody.
//!
//! As with the writer of the database, the time of one fsync builds the next batch. After a failure
//! nothing is written behind what may be half there: the next batch begins a new segment. It must
//! never acknowledge what is not on disk.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::record;
use super::segments::{FIRST_AT, SEGMENT_BYTES, Segment, Segments};
use crate::domain::time::Timestamp;
use crate::storage::Error;
use crate::storage::sqlite::engine::condition::{Condition, Part};
use crate::storage::sqlite::engine::writer::lock;

/// Deliveries that wait to be written: more are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes that wait: more are refused. As much again may be under way to the disk.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What a queue keeps for the next batch.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often an unwritable disk is tried, without anybody having to send something.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// What has to fit before the disk counts as writable again.
const PROBE_BYTES: usize = 64 * 1024;

type Answer = oneshot::Sender<Result<(), Arc<str>>>;

#[derive(Debug, Default)]
struct Queue {
    /// Records behind each other.
    bytes: Vec<u8>,
    answers: Vec<Answer>,
    is_closed: bool,
}

/// What the thread and its callers share.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    pub(super) segments: Mutex<Segments>,
    condition: Arc<Condition>,
    /// On disk: what was left over and what this process appended.
    pub(super) appended: AtomicU64,
    path: PathBuf,
}

impl Shared {
    pub(super) fn new(
        segments: Segments,
        path: &Path,
        left_over: u64,
        condition: Arc<Condition>,
    ) -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            segments: Mutex::new(segments),
            condition,
            appended: AtomicU64::new(left_over),
            path: path.to_owned(),
        }
    }

    /// Returns once the delivery is on disk; once admitted it is written even if the caller goes
    /// away.
    pub(super) async fn append(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        let answered = self.admit(organization, hook, received_at, body)?;
        match answered.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(advice)) => Err(Error::unavailable(&*advice)),
            Err(_) => Err(Error::unavailable("the store is closed")),
        }
    }

    fn admit(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<oneshot::Receiver<Result<(), Arc<str>>>, Error> {
        let (answer, answered) = oneshot::channel();
        let mut queue = lock(&self.queue);
        let waiting = queue.answers.len();
        if queue.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if waiting >= WAITING_MAX || queue.bytes.len() + body.len() > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting });
        }
        if !record::append(&mut queue.bytes, organization, hook, received_at, body) {
            return Err(Error::unavailable("a delivery is longer than can be written"));
        }
        queue.answers.push(answer);
        drop(queue);
        if waiting == 0 {
            self.arrived.notify_one();
        }
        Ok(answered)
    }

    pub(super) fn close(&self) {
        lock(&self.queue).is_closed = true;
        self.arrived.notify_one();
    }

    /// Waits for work; an empty batch is a probe of an unwritable disk. False when closed.
    fn next_batch(&self, bytes: &mut Vec<u8>, answers: &mut Vec<Answer>) -> bool {
        let mut queue = lock(&self.queue);
        loop {
            if !queue.answers.is_empty() {
                std::mem::swap(&mut queue.bytes, bytes);
                std::mem::swap(&mut queue.answers, answers);
                return true;
            }
            if queue.is_closed {
                return false;
            }
            if self.condition.is_well(Part::Intake) {
                queue = self.arrived.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (woken, waited) = self
                .arrived
                .wait_timeout(queue, PROBE_EVERY)
                .unwrap_or_else(PoisonError::into_inner);
            queue = woken;
            if waited.timed_out() && queue.answers.is_empty() {
                return true;
            }
        }
    }
}

/// Where the next batch goes.
struct Place {
    segment: Segment,
    position: u64,
}

/// Appends until it is closed.
pub(super) fn append_all(shared: &Shared) {
    let (mut bytes, mut answers) = (Vec::new(), Vec::new());
    let mut place = None;
    while shared.next_batch(&mut bytes, &mut answers) {
        let written = write(shared, &mut place, &mut bytes);
        let result = match written {
            Ok(()) => {
                let count = u64::try_from(answers.len()).unwrap_or(u64::MAX);
                shared.appended.fetch_add(count, Ordering::Release);
                shared.condition.set(Part::Intake, None);
                Ok(())
            }
            Err(error) => {
                let advice = advice(&error, &shared.path);
                shared.condition.set(Part::Intake, Some(advice.clone()));
                Err(Arc::from(advice))
            }
        };
        for answer in answers.drain(..) {
            // The caller may have gone away; what was written stays written.
            drop(answer.send(result.clone()));
        }
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES_MAX);
    }
}

/// Has the batch on disk, or leaves its place for good.
fn write(shared: &Shared, place: &mut Option<Place>, bytes: &mut [u8]) -> io::Result<()> {
    let mut here = match place.take().filter(|here| here.position < SEGMENT_BYTES) {
        Some(here) => here,
        None => begin(shared, bytes.is_empty())?,
    };
    record::seal(bytes, here.segment.number);
    let written = here.segment.file.write_all_at(bytes, here.position);
    if let Err(error) = written.and_then(|()| here.segment.file.sync_data()) {
        lock(&shared.segments).give_back(&here.segment);
        return Err(error);
    }
    here.position = here.position.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    lock(&shared.segments).written(&here.segment, here.position);
    *place = Some(here);
    Ok(())
}

/// A new segment: its head is on disk with the first batch. A probe fills some of it with zeros,
/// which are no records: on a disk that is nearly full a little would still fit.
fn begin(shared: &Shared, is_probe: bool) -> io::Result<Place> {
    let (segment, head) = {
        let mut segments = lock(&shared.segments);
        if segments.is_full() {
            let full = "too many deliveries wait to be taken into the database";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, full));
        }
        segments.next()?
    };
    let zeros = if is_probe { PROBE_BYTES } else { 0 };
    let start = [head, vec![0; zeros]].concat();
    match segment.file.write_all_at(&start, 0) {
        Ok(()) => Ok(Place { segment, position: FIRST_AT }),
        Err(error) => {
            lock(&shared.segments).give_back(&segment);
            Err(error)
        }
    }
}

/// What is wrong and what to do about it.
fn advice(error: &io::Error, database: &Path) -> String {
    let path = database.display();
    match error.kind() {
        io::ErrorKind::StorageFull => {
            format!("the disk that holds {path} is full: free some space or shorten the retention")
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            format!("{path} or its folder is read-only: make both writable for this process")
        }
        io::ErrorKind::QuotaExceeded => format!("{error}: look why nothing is decided"),
        _ => format!("writing beside {path} failed ({error}): check the disk and the system log"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::super::reading;
    use super::*;
    use crate::storage::Mark;

    fn shared(database: &Path) -> Shared {
        let segments = Segments::open(database, "0123abcd", Mark::default()).unwrap();
        Shared::new(segments, database, 0, Arc::default())
    }

    fn batch(bodies: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in bodies {
            record::append(&mut bytes, "fabrikam", "push", Timestamp::ZERO, body.as_bytes());
        }
        bytes
    }

    fn read(segments: &Segments) -> Vec<String> {
        let there = segments.from(Mark::default());
        let (found, _) = reading::read(&there, Mark::default(), 100, usize::MAX).unwrap();
        found.into_iter().map(|one| String::from_utf8(one.body).unwrap()).collect()
    }

    #[test]
    fn behind_a_failed_write_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("gateway.db");
        let slot = folder.path().join("gateway.db-intake-0");
        let shared = shared(&database);
        let mut place = None;
        write(&shared, &mut place, &mut batch(&["one", "two"])).unwrap();
        let before = std::fs::read(&slot).unwrap();
        let first = place.as_mut().unwrap();
        let number = first.segment.number;
        // It takes nothing any more.
        first.segment.file = Arc::new(File::open(&slot).unwrap());
        write(&shared, &mut place, &mut batch(&["three"])).unwrap_err();
        assert!(place.is_none());
        write(&shared, &mut place, &mut batch(&["four"])).unwrap();
        assert_ne!(place.unwrap().segment.number, number);
        assert_eq!(std::fs::read(&slot).unwrap(), before);
        let found = ["one", "two", "four"];
        assert_eq!(read(&lock(&shared.segments)), found);
        let again = Segments::open(&database, "0123abcd", Mark::default()).unwrap();
        assert_eq!(read(&again), found);
    }

    #[tokio::test]
    async fn a_full_disk_is_told_and_tried_until_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let slot = folder.path().join("gateway.db-intake-0");
        std::os::unix::fs::symlink("/dev/full", &slot).unwrap();
        let shared = Arc::new(shared(&folder.path().join("gateway.db")));
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || append_all(&theirs));
        let append = |body: &'static [u8]| shared.append("fabrikam", "push", Timestamp::ZERO, body);
        let refused = append(b"one").await.unwrap_err().to_string();
        assert!(refused.contains("full"), "{refused}");
        assert!(!shared.condition.is_well(Part::Intake));
        std::fs::remove_file(&slot).unwrap();
        // Nobody has to send anything for it to be found out.
        while !shared.condition.is_well(Part::Intake) {
            tokio::task::yield_now().await;
        }
        append(b"two").await.unwrap();
        assert_eq!(shared.appended.load(Ordering::Acquire), 1);
        assert_eq!(read(&lock(&shared.segments)), ["two"]);
        shared.close();
        thread.join().unwrap();
        assert!(append(b"three").await.is_err());
    }

    #[tokio::test]
    async fn what_waits_is_written_though_nobody_waits_for_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let shared = shared(&folder.path().join("gateway.db"));
        for body in [b"one", b"two"] {
            drop(shared.admit("fabrikam", "push", Timestamp::ZERO, body).unwrap());
        }
        let long = vec![0; WAITING_BYTES_MAX];
        let busy = shared.append("fabrikam", "push", Timestamp::ZERO, &long).await;
        assert!(matches!(busy, Err(Error::Busy { waiting: 2 })), "{busy:?}");
        shared.close();
        append_all(&shared);
        assert_eq!(read(&lock(&shared.segments)), ["one", "two"]);
    }
}
