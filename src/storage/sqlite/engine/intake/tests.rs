//! Slots that are used again, and reading what lies in them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::segments::{FIRST_AT, Segment, Segments};
use super::{reading, record};
use crate::domain::time::Timestamp;
use crate::storage::{Mark, Received};

const GATEWAY: &str = "0123abcd";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn database(&self) -> PathBuf {
        self.0.path().join("gateway.db")
    }

    fn open(&self, mark: Mark) -> Segments {
        Segments::open(&self.database(), GATEWAY, mark).unwrap()
    }

    /// The slots that there are.
    fn slots(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries.map(|entry| name(entry).into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn slot(&self, number: u32) -> PathBuf {
        self.0.path().join(format!("gateway.db-intake-{number}"))
    }
}

fn mark(segment: u64, position: u64) -> Mark {
    Mark { segment, position }
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

fn read(segments: &Segments, from: Mark) -> (Vec<Vec<u8>>, Mark) {
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
fn a_slot_is_used_again_when_all_in_it_is_taken_in_and_what_was_there_is_no_longer_read() {
    let folder = Folder::new();
    let mut segments = folder.open(Mark::default());
    let first = segment(&mut segments, &[b"one", b"two", b"three"]);
    let second = segment(&mut segments, &[b"four"]);
    let old = segments.from(Mark::default());
    assert_eq!(folder.slots().len(), 2);
    segments.taken(mark(second.number, FIRST_AT));
    // As long as "one", so that "two" begins just behind it.
    let third = segment(&mut segments, &[b"six"]);
    assert_eq!(folder.slots().len(), 2, "no third slot is needed");
    assert!(third.number > second.number && second.number > first.number);
    let (found, end) = read(&segments, mark(second.number, FIRST_AT));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()]);
    assert_eq!(end, segments.end());
    assert!(segments.from(end).is_empty());
    // Whoever began to read before finds nothing of the new in the old.
    let (found, _) = reading::read(&old[..1], Mark::default(), 100, usize::MAX).unwrap();
    assert!(found.is_empty(), "{found:?}");
    let (found, _) = read(&folder.open(mark(second.number, FIRST_AT)), mark(second.number, 0));
    assert_eq!(found, [b"four".to_vec(), b"six".to_vec()], "nor after a start");
}

#[test]
fn what_a_burst_needed_is_given_back() {
    let folder = Folder::new();
    let mut segments = folder.open(Mark::default());
    let last = (0..20).map(|_| segment(&mut segments, &[b"{}"])).last().unwrap();
    assert_eq!(folder.slots().len(), 20);
    segments.taken(mark(last.number, last.end));
    assert_eq!(folder.slots().len(), 5, "the last may be written to, and four are kept");
    let more: Vec<_> = (0..6).map(|_| segment(&mut segments, &[b"{}"])).collect();
    assert!(more.iter().all(|one| one.number > last.number));
    let (found, _) = read(&segments, mark(last.number, last.end));
    assert_eq!(found.len(), 6);
    // Once closed, another process may have the files.
    segments.close();
    let there = folder.slots();
    segments.taken(mark(more[5].number, more[5].end));
    assert_eq!(folder.slots(), there);
}

#[test]
fn what_lies_beside_another_database_is_neither_read_nor_written_over() {
    let folder = Folder::new();
    let theirs = segment(&mut folder.open(Mark::default()), &[b"theirs"]);
    let before = std::fs::read(folder.slot(0)).unwrap();
    let mut ours = Segments::open(&folder.database(), "feedbeef", Mark::default()).unwrap();
    assert_eq!((ours.left_over(), ours.from(Mark::default()).len()), (0, 0));
    segment(&mut ours, &[b"ours"]);
    assert_eq!(std::fs::read(folder.slot(0)).unwrap(), before);
    // The older database comes back, with what it was promised.
    let again = folder.open(Mark::default());
    assert_eq!(again.left_over(), 1);
    assert_eq!(read(&again, mark(theirs.number, 0)).0, [b"theirs".to_vec()]);
}

#[test]
fn no_number_is_used_twice() {
    let folder = Folder::new();
    let mut mark = Mark { segment: 41, position: 7 };
    let mut number_max = mark.segment;
    for _ in 0..4 {
        let mut segments = folder.open(mark);
        for _ in 0..3 {
            // Nothing comes of it: its head never reaches the disk.
            let (lost, _) = segments.next().unwrap();
            assert!(lost.number > number_max);
            number_max = lost.number;
            segments.give_back(&lost);
        }
        let kept = segment(&mut segments, &[b"{}"]);
        assert!(kept.number > number_max);
        mark.segment = kept.number;
        let (lost, _) = segments.next().unwrap();
        number_max = lost.number;
    }
}

#[test]
fn strange_names_and_empty_files_do_no_harm() {
    let folder = Folder::new();
    for name in ["x", "", "+5", "-1", "99999999999", "1.tmp"] {
        std::fs::create_dir(folder.0.path().join(format!("gateway.db-intake-{name}"))).unwrap();
    }
    std::fs::write(folder.slot(3), b"AZGWIN").unwrap();
    let mut segments = folder.open(Mark::default());
    segment(&mut segments, &[b"{}"]);
    assert_eq!(read(&segments, Mark::default()).0.len(), 1);
}

#[test]
fn it_is_read_over_the_ends_of_segments_in_pieces_of_any_size() {
    let folder = Folder::new();
    let mut segments = folder.open(Mark::default());
    let long = vec![7; 700_000];
    let wanted: [&[&[u8]]; 4] = [&[b"a", b""], &[&long, b"b", &long], &[], &[b"c"]];
    for bodies in wanted {
        segment(&mut segments, bodies);
    }
    let wanted: Vec<Vec<u8>> = wanted.concat().iter().map(|body| body.to_vec()).collect();
    for segments in [&segments, &folder.open(Mark::default())] {
        for (limit, bytes_max) in [(1, 10), (2, usize::MAX), (9, 1), (3, 700_000)] {
            let (mut from, mut found) = (Mark::default(), Vec::new());
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
fn what_is_damaged_is_left_out_and_the_others_are_kept() {
    let folder = Folder::new();
    let mut segments = folder.open(Mark::default());
    let long = vec![7; 700_000];
    let of_three = segment(&mut segments, &[b"one", &long, b"three"]);
    segment(&mut segments, &[b"four"]);
    let second_at = FIRST_AT + records(&[b"one"], 0).len() as u64;
    overwrite(&folder.slot(0), second_at + 600_000, b"x");
    let three = [b"one".to_vec(), b"three".to_vec(), b"four".to_vec()];
    let first = Mark { segment: of_three.number, position: FIRST_AT };
    assert_eq!(read(&segments, first).0, three);
    assert_eq!(read(&folder.open(first), first).0, three);
    // One that begins with damage is passed over, too.
    let (found, upto) =
        reading::read(&segments.from(first)[..1], mark(first.segment, second_at), 1, 1).unwrap();
    assert_eq!((bodies(found), upto.position), (vec![b"three".to_vec()], of_three.end));
    // Where even its length cannot be told, what lies in other segments is still found.
    overwrite(&folder.slot(0), second_at, &[0xff; 16]);
    let (found, upto) = read(&segments, first);
    assert_eq!(found, [b"one".to_vec(), b"four".to_vec()]);
    assert_eq!(upto, segments.end(), "and nothing is looked at for ever");
}

#[test]
fn what_was_never_finished_is_no_delivery() {
    let folder = Folder::new();
    let whole = segment(&mut folder.open(Mark::default()), &[b"one", b"two"]);
    let bytes = std::fs::read(folder.slot(0)).unwrap();
    let second_at = (FIRST_AT as usize) + records(&[b"one"], 0).len();
    for end in FIRST_AT as usize..bytes.len() {
        std::fs::write(folder.slot(0), &bytes[..end]).unwrap();
        let segments = folder.open(Mark::default());
        let wanted = if end < second_at { 0 } else { 1 };
        assert_eq!(segments.left_over(), wanted, "cut at {end}");
        let found = read(&segments, Mark::default()).0;
        assert_eq!(found.len() as u64, wanted, "cut at {end}");
        assert!(segments.end() <= mark(whole.number, whole.end));
    }
}
