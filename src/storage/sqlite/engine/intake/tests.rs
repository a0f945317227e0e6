//! Files that are used again, and reading the records in them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::record::Received;
use super::segments::{FIRST_AT, Position, Segment, Segments};
use super::{Intake, reading, record};
use crate::domain::time::Timestamp;
use crate::storage::sqlite::engine::{connection, schema};

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

fn records(bodies: &[&[u8]], segment: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        assert!(record::append(&mut bytes, "fabrikam", "push", Timestamp::ZERO, body));
    }
    record::seal(&mut bytes, segment);
    bytes
}

/// A segment that holds these, on disk.
fn segment(segments: &mut Segments, bodies: &[&[u8]]) -> Segment {
    let (mut segment, head) = segments.next().unwrap();
    let records = records(bodies, segment.number);
    segment.file.write_all_at(&head, 0).unwrap();
    segment.file.write_all_at(&records, FIRST_AT).unwrap();
    segment.end = FIRST_AT + records.len() as u64;
    segments.written(&segment, segment.end);
    segment
}

fn read(segments: &Segments, from: Position) -> (Vec<Vec<u8>>, Position) {
    let found = reading::read(&segments.from(from), from, 100, usize::MAX).unwrap();
    (bodies(found.0), found.1)
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
    segments.free_before(position(second.number, FIRST_AT));
    // As long as "one", so that "two" begins just behind it.
    let third = segment(&mut segments, &[b"six"]);
    assert_eq!(folder.files().len(), 2, "no third file is needed");
    assert!(third.number > second.number && second.number > first.number);
    let (found, end) = read(&segments, position(second.number, FIRST_AT));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()]);
    assert_eq!(end, segments.end());
    assert!(segments.from(end).is_empty());
    // A reader that began before finds no record of the new segment in the old one.
    let (found, _) = reading::read(&old[..1], Position::default(), 100, usize::MAX).unwrap();
    assert!(found.is_empty(), "{found:?}");
    let (found, _) =
        read(&folder.open(position(second.number, FIRST_AT)), position(second.number, 0));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()], "the same after a start");
}

#[test]
fn files_that_a_burst_needed_are_deleted() {
    let folder = Folder::new();
    let mut segments = folder.open(Position::default());
    let last = (0..20).map(|_| segment(&mut segments, &[b"{}"])).last().unwrap();
    assert_eq!(folder.files().len(), 20);
    segments.free_before(position(last.number, last.end));
    assert_eq!(
        folder.files().len(),
        5,
        "the last may be written to, and four unused ones are written"
    );
    let more: Vec<_> = (0..6).map(|_| segment(&mut segments, &[b"{}"])).collect();
    assert!(more.iter().all(|one| one.number > last.number));
    let (found, _) = read(&segments, position(last.number, last.end));
    assert_eq!(found.len(), 6);
    // Once closed, another process may own the files.
    segments.close();
    let there = folder.files();
    segments.free_before(position(more[5].number, more[5].end));
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
    assert_eq!(read(&again, position(theirs.number, 0)).0, [b"theirs".to_vec()]);
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
            assert!(lost.number > number_max);
            number_max = lost.number;
            segments.give_up(&lost);
        }
        let written = segment(&mut segments, &[b"{}"]);
        assert!(written.number > number_max);
        position.segment = written.number;
        let (lost, _) = segments.next().unwrap();
        number_max = lost.number;
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
                let (some, upto) = reading::read(&there, from, limit, bytes_max).unwrap();
                assert!(upto > from && (1..=limit).contains(&some.len()));
                found.extend(bodies(some));
                from = upto;
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
    let second_at = FIRST_AT + records(&[b"one"], 0).len() as u64;
    overwrite(&folder.file(0), second_at + 600_000, b"x");
    let three = [b"one".to_vec(), b"three".to_vec(), b"four".to_vec()];
    let first = Position { segment: of_three.number, offset: FIRST_AT };
    assert_eq!(read(&segments, first).0, three);
    assert_eq!(read(&folder.open(first), first).0, three);
    // A batch may begin with a damaged record.
    let (found, upto) =
        reading::read(&segments.from(first)[..1], position(first.segment, second_at), 1, 1)
            .unwrap();
    assert_eq!((bodies(found), upto.offset), (vec![b"three".to_vec()], of_three.end));
    // Where the length of a record is damaged, the other segments are still read.
    overwrite(&folder.file(0), second_at, &[0xff; 16]);
    let (found, upto) = read(&segments, first);
    assert_eq!(found, [b"one".to_vec(), b"four".to_vec()]);
    assert_eq!(upto, segments.end(), "the damaged segment is not read again");
}

#[test]
fn a_record_that_was_written_in_part_is_not_read() {
    let folder = Folder::new();
    let whole = segment(&mut folder.open(Position::default()), &[b"one", b"two"]);
    let bytes = std::fs::read(folder.file(0)).unwrap();
    let second_at = (FIRST_AT as usize) + records(&[b"one"], 0).len();
    for end in FIRST_AT as usize..bytes.len() {
        std::fs::write(folder.file(0), &bytes[..end]).unwrap();
        let segments = folder.open(Position::default());
        let wanted = if end < second_at { 0 } else { 1 };
        assert_eq!(segments.left_over(), wanted, "cut at {end}");
        let found = read(&segments, Position::default()).0;
        assert_eq!(found.len() as u64, wanted, "cut at {end}");
        assert!(segments.end() <= position(whole.number, whole.end));
    }
}

#[test]
fn every_start_reaches_the_disk() {
    let folder = Folder::new();
    let db = connection::open_for_writing(&folder.database()).unwrap();
    schema::create(&db).unwrap().unwrap();
    for number in 1..4 {
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let log = folder.database().with_extension("db-wal");
        assert_eq!(std::fs::metadata(&log).unwrap().len(), 0);
        drop(Intake::open(&folder.database(), &db, Arc::default()).unwrap());
        assert!(std::fs::metadata(&log).unwrap().len() > 0, "start {number} wrote nothing");
    }
}
