//! Files that are used again, and reading the records in them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::head::FIRST_AT;
use super::reading::Damage;
use super::record::{HEAD_BYTES, Received, SegmentKey};
use super::segments::{Position, Segment, Segments};
use super::{Intake, reading, record};
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::disk_faults::DiskFaults;
use crate::storage::sqlite::engine::{connection, schema};
use crate::storage::{Availability, Migrate};

const GATEWAY: &str = "0123abcd";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("gateway.db")
    }

    fn open(&self, position: Position) -> Segments {
        Segments::open(&self.database(), GATEWAY, position).unwrap()
    }

    /// The names of the files, sorted.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn file(&self, number: u32) -> PathBuf {
        self.0.path().join(format!("gateway.db-intake-{number}"))
    }
}

fn position(segment: u64, offset: u64) -> Position {
    Position { segment, offset }
}

/// A batch of records without its mark.
fn records(bodies: &[&[u8]], key: SegmentKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        assert!(record::append(&mut bytes, "fabrikam", "push", Timestamp::ZERO, body));
    }
    record::seal(&mut bytes, key);
    bytes
}

fn mark(key: SegmentKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    record::append_mark(&mut bytes);
    record::seal(&mut bytes, key);
    bytes
}

/// A segment that holds these in one batch, on disk.
fn segment(segments: &mut Segments, bodies: &[&[u8]]) -> Segment {
    batches(segments, &[bodies])
}

/// A segment that holds these batches, on disk.
fn batches(segments: &mut Segments, batches: &[&[&[u8]]]) -> Segment {
    let (mut segment, head) = segments.next().unwrap();
    segment.file.write_all_at(&head, 0).unwrap();
    let mut at = FIRST_AT;
    for bodies in batches {
        let records = records(bodies, segment.key);
        segment.file.write_all_at(&records, at).unwrap();
        segment.end = at + records.len() as u64;
        segment.file.write_all_at(&mark(segment.key), segment.end).unwrap();
        at = segment.end + HEAD_BYTES as u64;
        segments.written(&segment, segment.end);
    }
    segment
}

/// The bodies of all records from a position on, which are not damaged.
fn read(segments: &Segments, from: Position) -> (Vec<Vec<u8>>, Position) {
    let (bodies, upto, damage) = read_damaged(segments, from);
    assert!(damage.is_empty(), "{damage:?}");
    (bodies, upto)
}

fn read_damaged(segments: &Segments, from: Position) -> (Vec<Vec<u8>>, Position, Vec<Damage>) {
    let found = reading::read(&segments.from(from), from, 100, usize::MAX).unwrap();
    (bodies(found.received), found.upto, found.damage)
}

fn bodies(found: Vec<Received>) -> Vec<Vec<u8>> {
    found.into_iter().map(|one| one.body).collect()
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(bytes, at).unwrap();
}

#[test]
fn a_file_is_used_again_once_its_deliveries_were_moved_and_their_records_are_not_read_again() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let first = segment(&mut segments, &[b"one", b"two", b"three"]);
    let second = segment(&mut segments, &[b"four"]);
    let old = segments.from(Position::default());
    assert_eq!(folder.files().len(), 2);
    segments.free_before(position(second.key.number, FIRST_AT));
    // As long as "one", so that "two" begins just behind it.
    let third = segment(&mut segments, &[b"six"]);
    assert_eq!(folder.files().len(), 2, "no third file is needed");
    assert!(third.key.number > second.key.number && second.key.number > first.key.number);
    let (found, end) = read(&segments, position(second.key.number, FIRST_AT));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()]);
    assert_eq!(end, segments.end());
    assert!(segments.from(end).is_empty());
    // A reader that began before finds no record of the new segment in the old one. What it misses
    // is not damage: everything in a segment that is no longer in use was moved.
    let found = reading::read(&old[..1], Position::default(), 100, usize::MAX).unwrap();
    assert!(!bodies(found.received).contains(&b"six".to_vec()));
    assert_eq!(segments.set_aside(first.key.number).unwrap(), None);
    let (found, _) =
        read(&folder.open(position(second.key.number, FIRST_AT)), position(second.key.number, 0));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()], "the same after a start");
}

#[test]
fn files_that_a_burst_needed_are_deleted() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let last = (0..20).map(|_| segment(&mut segments, &[b"{}"])).last().unwrap();
    assert_eq!(folder.files().len(), 20);
    segments.free_before(position(last.key.number, last.end));
    assert_eq!(
        folder.files().len(),
        5,
        "the last may be written to, and four unused ones are written"
    );
    let more: Vec<_> = (0..6).map(|_| segment(&mut segments, &[b"{}"])).collect();
    assert!(more.iter().all(|one| one.key.number > last.key.number));
    let (found, _) = read(&segments, position(last.key.number, last.end));
    assert_eq!(found.len(), 6);
    // Once closed, another process may own the files.
    segments.close();
    let there = folder.files();
    segments.free_before(position(more[5].key.number, more[5].end));
    assert_eq!(folder.files(), there);
}

#[test]
fn files_of_another_database_are_neither_read_nor_overwritten() {
    let folder = Folder::new();
    let theirs = segment(&mut folder.open(Position::default()), &[b"theirs"]);
    let before = std::fs::read(folder.file(0)).unwrap();
    let mut ours = Segments::open(&folder.database(), "feedbeef", Position::default()).unwrap();
    assert_eq!((ours.left_over(), ours.from(Position::default()).len()), (0, 0));
    segment(&mut ours, &[b"ours"]);
    assert_eq!(std::fs::read(folder.file(0)).unwrap(), before);
    // The older database comes back and finds its delivery.
    let again = folder.open(Position::default());
    assert_eq!(again.left_over(), 1);
    assert_eq!(read(&again, position(theirs.key.number, 0)).0, [b"theirs".to_vec()]);
}

#[test]
fn no_segment_number_is_used_twice() {
    let folder = Folder::new();
    let mut position = Position { segment: 41, offset: 7 };
    let mut number_max = position.segment;
    for _ in 0..4 {
        let mut segments = folder.open(position);
        for _ in 0..3 {
            // The head of this segment never reaches the disk.
            let (lost, _) = segments.next().unwrap();
            assert!(lost.key.number > number_max);
            number_max = lost.key.number;
            segments.give_up(&lost);
        }
        let written = segment(&mut segments, &[b"{}"]);
        assert!(written.key.number > number_max);
        position.segment = written.key.number;
        let (lost, _) = segments.next().unwrap();
        number_max = lost.key.number;
    }
}

#[test]
fn files_with_other_names_and_without_a_head_are_ignored() {
    let folder = Folder::new();
    for name in ["x", "", "+5", "-1", "99999999999", "1.tmp"] {
        std::fs::create_dir(folder.0.path().join(format!("gateway.db-intake-{name}"))).unwrap();
    }
    std::fs::write(folder.file(3), b"AZGWIN").unwrap();
    let mut segments = folder.open(Position::default());
    segment(&mut segments, &[b"{}"]);
    assert_eq!(read(&segments, Position::default()).0.len(), 1);
}

#[test]
fn reading_crosses_segments_with_any_limit() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let long = vec![7; 700_000];
    let wanted: [&[&[u8]]; 4] = [&[b"a", b""], &[&long, b"b", &long], &[], &[b"c"]];
    for bodies in wanted {
        segment(&mut segments, bodies);
    }
    let wanted: Vec<Vec<u8>> = wanted.concat().iter().map(|body| body.to_vec()).collect();
    for segments in [&segments, &folder.open(Position::default())] {
        for (limit, bytes_max) in [(1, 10), (2, usize::MAX), (9, 1), (3, 700_000)] {
            let (mut from, mut found) = (Position::default(), Vec::new());
            while !segments.from(from).is_empty() {
                let there = segments.from(from);
                let some = reading::read(&there, from, limit, bytes_max).unwrap();
                assert!(some.upto > from && (1..=limit).contains(&some.received.len()));
                found.extend(bodies(some.received));
                from = some.upto;
            }
            assert!(found == wanted, "{limit} {bytes_max}: {}", found.len());
            assert_eq!(from, segments.end());
        }
    }
}

#[test]
fn a_damaged_record_is_left_out_and_the_others_are_read() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let long = vec![7; 700_000];
    let of_three = segment(&mut segments, &[b"one", &long, b"three"]);
    segment(&mut segments, &[b"four"]);
    let second_at = FIRST_AT + records(&[b"one"], of_three.key).len() as u64;
    let bytes = records(&[&long], of_three.key).len() as u64;
    overwrite(&folder.file(0), second_at + 600_000, b"x");
    let three = [b"one".to_vec(), b"three".to_vec(), b"four".to_vec()];
    let first = Position { segment: of_three.key.number, offset: FIRST_AT };
    let damage = Damage { at: position(first.segment, second_at), bytes };
    for segments in [&segments, &folder.open(first)] {
        let (found, upto, damaged) = read_damaged(segments, first);
        assert_eq!((found, damaged), (three.to_vec(), vec![damage]));
        assert_eq!(upto, segments.end());
    }
    // A batch may begin with a damaged record.
    let found = reading::read(&segments.from(first)[..1], damage.at, 1, 1).unwrap();
    assert_eq!(
        (bodies(found.received), found.upto.offset),
        (vec![b"three".to_vec()], of_three.end)
    );
    // Where the length of a record is damaged, the next record is found all the same.
    overwrite(&folder.file(0), second_at, &[0xff; 16]);
    for segments in [&segments, &folder.open(first)] {
        let (found, _, damaged) = read_damaged(segments, first);
        assert_eq!((found, damaged), (three.to_vec(), vec![damage]));
    }
}

#[test]
fn a_record_that_was_written_in_part_is_not_read() {
    let folder = Folder::new();
    let whole = segment(&mut folder.open(Position::default()), &[b"one", b"two"]);
    let bytes = std::fs::read(folder.file(0)).unwrap();
    let second_at = (FIRST_AT as usize) + records(&[b"one"], whole.key).len();
    for end in FIRST_AT as usize..whole.end as usize {
        // The rest of the file is not there, or is what an earlier use has left.
        for earlier in [vec![], vec![7; bytes.len() - end]] {
            std::fs::write(folder.file(0), [&bytes[..end], &earlier].concat()).unwrap();
            let segments = folder.open(Position::default());
            let found = read(&segments, Position::default()).0;
            let expected = if end < second_at { 0 } else { 1 };
            assert_eq!(found.len(), expected, "cut at {end}");
            assert!(segments.end() <= position(whole.key.number, whole.end));
            assert!(
                segments.damaged_files(Position::default()).is_empty(),
                "it was never acknowledged"
            );
        }
    }
}

#[test]
fn any_byte_that_is_changed_loses_its_own_record_at_most_and_is_noticed() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    // What an earlier use of the file has left.
    let old: Vec<Vec<u8>> = (0..40).map(|number| vec![b'o'; 20 + number]).collect();
    let old: Vec<&[u8]> = old.iter().map(Vec::as_slice).collect();
    segment(&mut segments, &old);
    let of_next = segment(&mut segments, &[b"of the next file"]);
    segments.free_before(position(of_next.key.number, of_next.end));
    let written: Vec<Vec<u8>> = (0..12).map(|number| vec![b'n'; number * 7]).collect();
    let bodies: Vec<&[u8]> = written.iter().map(Vec::as_slice).collect();
    let batched = [&bodies[..1], &bodies[1..6], &bodies[6..]];
    let whole = batches(&mut segments, &batched);
    let from = position(whole.key.number, FIRST_AT);
    let (mut extents, mut at) = (Vec::new(), FIRST_AT);
    for batch in batched {
        for body in batch {
            let bytes = records(&[body], whole.key).len() as u64;
            extents.push(at..at + bytes);
            at += bytes;
        }
        at += HEAD_BYTES as u64;
    }
    drop(segments);
    let good = std::fs::read(folder.file(0)).unwrap();
    for changed in 0..at {
        let mut bytes = good.clone();
        bytes[changed as usize] ^= 1 << (changed % 8);
        std::fs::write(folder.file(0), &bytes).unwrap();
        let mut segments = folder.open(from);
        let (found, upto, damage) = read_damaged(&segments, from);
        let mut expected = written.clone();
        if let Some(lost) = extents.iter().position(|extent| extent.contains(&changed)) {
            expected.remove(lost);
        }
        assert_eq!(found, expected, "byte {changed} is changed");
        assert_eq!(upto, segments.end(), "byte {changed} is changed: all is read");
        // Nothing is lost with the last mark, behind which nothing shows that it was there.
        let is_last_mark = changed >= whole.end;
        let is_head = changed < FIRST_AT;
        assert_eq!(damage.len(), usize::from(!is_head && !is_last_mark), "byte {changed}");
        for one in &damage {
            segments.set_aside(one.at.segment).unwrap();
        }
        if is_last_mark {
            continue;
        }
        // Whatever happens to the segment later, the file stays as it is.
        for _ in 0..3 {
            let next = segment(&mut segments, &[b"next"]);
            segments.free_before(position(next.key.number, next.end));
        }
        let kept = segments.damaged_files(segments.end());
        assert_eq!(kept.len(), 1, "byte {changed} is changed");
        assert_eq!(std::fs::read(&kept[0].0).unwrap(), bytes, "byte {changed} is changed");
        let again = folder.open(segments.end());
        assert_eq!(again.damaged_files(segments.end()), kept);
        assert!(!kept[0].1, "its deliveries are in the database");
        for entry in std::fs::read_dir(folder.0.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_damaged_file_is_read_after_a_start_and_not_written_to() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let damaged = segment(&mut segments, &[b"one", b"two"]);
    let from = position(damaged.key.number, FIRST_AT);
    overwrite(&folder.file(0), FIRST_AT + 40, b"x");
    assert!(segments.set_aside(from.segment).unwrap().is_some());
    assert!(segments.is_damaged(&damaged), "it is not written to further");
    assert!(segments.damaged_files(from)[0].1, "the other record is still needed");
    // The process dies before the other record is in the database.
    let again = folder.open(from);
    let (found, upto, damage) = read_damaged(&again, from);
    assert_eq!((found, damage.len()), (vec![b"two".to_vec()], 1));
    assert_eq!(again.left_over(), 2, "records are counted by their heads");
    // After it is, the file is only kept.
    let again = folder.open(upto);
    assert_eq!((again.left_over(), again.from(upto).len()), (0, 0));
    assert!(matches!(again.damaged_files(upto)[..], [(_, false)]), "nothing in it is needed");
}

#[test]
fn a_file_that_became_shorter_loses_what_is_missing() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let shorter = segment(&mut segments, &[b"one", b"two", b"three"]);
    segment(&mut segments, &[b"four"]);
    let second_at = FIRST_AT + records(&[b"one"], shorter.key).len() as u64;
    shorter.file.set_len(second_at + 10).unwrap();
    let (found, upto, damage) = read_damaged(&segments, Position::default());
    assert_eq!(found, [b"one".to_vec(), b"four".to_vec()]);
    let lost: u64 = damage.iter().map(|one| one.bytes).sum();
    assert_eq!((damage[0].at.offset, lost), (second_at, shorter.end - second_at));
    assert_eq!(upto, segments.end());
}

#[test]
fn every_start_reaches_the_disk() {
    let folder = Folder::new();
    let db = connection::open_for_writing(&folder.database()).unwrap();
    schema::prepare(&db, Migrate::Auto).unwrap().unwrap();
    for number in 1..4 {
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let log = folder.database().with_extension("db-wal");
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
        drop(Intake::open(&folder.database(), &db, Arc::default()).unwrap());
        assert!(std::fs::metadata(&log).unwrap().len() > 0, "start {number} wrote nothing");
    }
}

/// A file that was opened for writing only refuses to be read.
#[tokio::test]
async fn what_cannot_be_read_is_read_later_and_nothing_is_taken_meanwhile() {
    let folder = Folder::new();
    let db = connection::open_for_writing(&folder.database()).unwrap();
    schema::prepare(&db, Migrate::Auto).unwrap().unwrap();
    let faults = Arc::new(DiskFaults::default());
    let intake = Intake::open(&folder.database(), &db, Arc::clone(&faults)).unwrap();
    intake.append("fabrikam", "push", Timestamp::ZERO, b"one").await.unwrap();
    let unreadable = std::fs::File::options().write(true).open(folder.file(0)).unwrap();
    let readable = intake.appender.segments.lock().exchange_file(Arc::new(unreadable));
    let refused = intake.read(10).await.unwrap_err().to_string();
    assert!(refused.contains("cannot be read"), "{refused}");
    let advice = faults.refusal().expect("no delivery is taken");
    assert_eq!(faults.availability(), Availability::Unwritable(advice));
    intake.appender.segments.lock().exchange_file(readable);
    assert_eq!(intake.read(10).await.unwrap().received.len(), 1);
    assert_eq!(faults.availability(), Availability::Writable);
}
