//! The files of the intake. Each holds one numbered segment at a time and is used again for a later
//! one, because overwriting a file syncs in half the time of making it longer.
//!
//! The head of a file names the segment in it. Records of an earlier segment may lie behind those
//! of the present one; the number of the segment in each record tells them apart.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record;
use crate::storage::sqlite::engine::file_access::FILE_MODE;

/// A segment that has reached this length is followed by the next.
pub(super) const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Segments with deliveries that are not in the database yet: 4 GiB. More is refused.
const SEGMENTS_MAX: usize = 128;
/// Unused files that are kept for later segments; more are deleted.
const UNUSED_FILES_MAX: usize = 4;
/// The head of a file: this, the installation, and the number of the segment.
const MAGIC: [u8; 8] = *b"AZGWIN01";
const HEAD_BYTES: usize = 24;
const FIXED_BYTES: u64 = record::FIXED_BYTES as u64;
/// The offset of the first record.
pub(super) const FIRST_AT: u64 = 24;
/// Segment numbers that every start leaves out. An earlier process may have written records of a
/// segment whose head never reached the disk; they must not be read as records of ours.
const NUMBERS_SKIPPED: u64 = 1 << 32;

/// A position in the order in which deliveries were received: segments are numbered upwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    /// In bytes from the beginning of the file.
    pub(crate) offset: u64,
}

/// One segment and the file that holds it.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<File>,
    /// The offset behind the last record that is on disk.
    pub(super) end: u64,
    file_number: u32,
}

/// All segments and files.
#[derive(Debug)]
pub(super) struct Segments {
    /// The path of every file without its number.
    path: PathBuf,
    installation: [u8; 8],
    /// Segments in use, oldest first.
    live: VecDeque<Segment>,
    /// Numbers of files that may hold the next segment.
    unused: Vec<u32>,
    number_max: u64,
    files: u32,
    /// Records that were there when the files were opened.
    left_over: u64,
    /// Whether the directory entry of every file is on disk.
    is_folder_synced: bool,
    /// Another process may own the files: none is deleted any more.
    is_closed: bool,
}

impl Segments {
    /// Finds the files beside the database. Segments before `position` are no longer needed.
    pub(super) fn open(database: &Path, gateway: &str, position: Position) -> io::Result<Self> {
        let mut installation = [b'-'; 8];
        for (target, byte) in installation.iter_mut().zip(gateway.bytes()) {
            *target = byte;
        }
        let mut path = database.as_os_str().to_owned();
        path.push("-intake-");
        let mut found = Self {
            path: path.into(),
            installation,
            live: VecDeque::new(),
            unused: Vec::new(),
            number_max: position.segment,
            files: 0,
            left_over: 0,
            is_folder_synced: false,
            is_closed: false,
        };
        for file_number in file_numbers(&found.path)? {
            found.files = found.files.max(file_number.saturating_add(1));
            found.look_into(file_number, position)?;
        }
        found.live.make_contiguous().sort_by_key(|segment| segment.number);
        found.number_max = found.number_max.saturating_add(NUMBERS_SKIPPED);
        Ok(found)
    }

    fn look_into(&mut self, file_number: u32, position: Position) -> io::Result<()> {
        let path = self.path_of(file_number);
        let file = File::options().read(true).write(true).open(&path)?;
        let mut head = [0; HEAD_BYTES];
        let head = match file.read_exact_at(&mut head, 0) {
            Ok(()) => read_head(&head),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        let number = match head {
            Some((installation, number)) if installation == self.installation => Some(number),
            Some(_) => {
                let path = path.display();
                tracing::warn!(
                    "{path} holds deliveries of another database and is neither read nor \
                     overwritten: put that database back, or delete the file"
                );
                return Ok(());
            }
            None => None,
        };
        match number.filter(|number| *number >= position.segment) {
            Some(number) => {
                self.number_max = self.number_max.max(number);
                let (count, end) = measure(&file, number, start(number, position))?;
                self.left_over = self.left_over.saturating_add(count);
                self.live.push_back(Segment { number, file: Arc::new(file), end, file_number });
            }
            None => self.unused.push(file_number),
        }
        Ok(())
    }

    /// How many records an earlier process left, counted without verifying their checksums.
    pub(super) fn left_over(&self) -> u64 {
        self.left_over
    }

    /// The segments with records behind `position`, oldest first.
    pub(super) fn from(&self, position: Position) -> Vec<Segment> {
        let has_more = |segment: &&Segment| {
            segment.number >= position.segment && segment.end > segment.start(position)
        };
        self.live.iter().filter(has_more).cloned().collect()
    }

    /// The position behind the last record that is on disk.
    pub(super) fn end(&self) -> Position {
        let last = self.live.iter().rfind(|segment| segment.end > FIRST_AT);
        last.map(|last| Position { segment: last.number, offset: last.end }).unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.live.len() >= SEGMENTS_MAX
    }

    /// The next segment, and the head to write to its file. It is live once `written` was called.
    pub(super) fn next(&mut self) -> io::Result<(Segment, Vec<u8>)> {
        let file_number = self.unused.pop().unwrap_or(self.files);
        self.files = self.files.max(file_number.saturating_add(1));
        let file = match self.open_or_create(file_number) {
            Ok(file) => file,
            Err(error) => {
                self.unused.push(file_number);
                return Err(error);
            }
        };
        self.number_max = self.number_max.saturating_add(1);
        let number = self.number_max;
        let head = [MAGIC, self.installation, number.to_le_bytes()].concat();
        Ok((Segment { number, file: Arc::new(file), end: FIRST_AT, file_number }, head))
    }

    /// A new file survives a power failure only if its folder was synced. Whether the folder of the
    /// files that were found was synced is not known, so it is synced once after every start.
    fn open_or_create(&mut self, file_number: u32) -> io::Result<File> {
        let path = self.path_of(file_number);
        let mut options = File::options();
        options.read(true).write(true).mode(FILE_MODE);
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.is_folder_synced = false;
                let file = options.create(true).truncate(false).open(&path)?;
                file.sync_all()?;
                file
            }
            opened => opened?,
        };
        if !self.is_folder_synced {
            File::open(folder_of(&path))?.sync_all()?;
            self.is_folder_synced = true;
        }
        Ok(file)
    }

    /// Everything that was written to the segment before `end` is on disk.
    pub(super) fn written(&mut self, segment: &Segment, end: u64) {
        match self.live.back_mut().filter(|last| last.number == segment.number) {
            Some(last) => last.end = end,
            None => self.live.push_back(Segment { end, ..segment.clone() }),
        }
    }

    /// Writing to the segment failed: its file may hold another, unless records of it are on disk.
    pub(super) fn give_up(&mut self, segment: &Segment) {
        if self.live.iter().all(|live| live.number != segment.number) {
            self.unused.push(segment.file_number);
        }
    }

    /// Every delivery before `position` is in the database: files of earlier segments are free.
    pub(super) fn free_before(&mut self, position: Position) {
        // The last segment may still be written to.
        let is_done = |segment: &Segment| segment.number < position.segment;
        while self.live.len() > 1 && self.live.front().is_some_and(is_done) {
            self.unused.extend(self.live.pop_front().map(|done| done.file_number));
        }
        while self.unused.len() > UNUSED_FILES_MAX && !self.is_closed {
            let Some(last) = self.unused.iter().copied().max() else { return };
            self.unused.retain(|unused| *unused != last);
            let path = self.path_of(last);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, "{} is no longer needed and stays", path.display());
            }
        }
    }

    /// Deletes no file from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    fn path_of(&self, file_number: u32) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(file_number.to_string());
        path.into()
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// The numbers of the files that exist.
fn file_numbers(path: &Path) -> io::Result<Vec<u32>> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?.file_name();
        let digits = entry.as_encoded_bytes().strip_prefix(name).unwrap_or_default();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let digits = str::from_utf8(digits).ok().filter(|_| is_number);
        numbers.extend(digits.and_then(|digits| digits.parse::<u32>().ok()));
    }
    Ok(numbers)
}

/// The installation and the number of the segment that a head names. The installation keeps a new
/// database from reading the files of an older one that lay at the same path.
fn read_head(head: &[u8; HEAD_BYTES]) -> Option<([u8; 8], u64)> {
    let (magic, rest) = head.split_first_chunk()?;
    let (installation, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    (*magic == MAGIC).then_some((*installation, number))
}

impl Segment {
    /// The offset at which reading from `position` on begins in this segment.
    pub(super) fn start(&self, position: Position) -> u64 {
        start(self.number, position)
    }
}

fn start(number: u64, position: Position) -> u64 {
    if number == position.segment { position.offset.max(FIRST_AT) } else { FIRST_AT }
}

/// How many records lie behind the offset `from`, by their lengths alone, and where the last ends.
fn measure(file: &File, number: u64, mut from: u64) -> io::Result<(u64, u64)> {
    let bytes = file.metadata()?.len();
    let mut fixed = [0; record::FIXED_BYTES];
    let mut count = 0;
    while let Some(fixed_end) = from.checked_add(FIXED_BYTES).filter(|end| *end <= bytes) {
        file.read_exact_at(&mut fixed, from)?;
        let length = record::length_in_segment(&fixed, number);
        let end = length.and_then(|length| from.checked_add(u64::try_from(length).ok()?));
        // A record that was written only in part was never acknowledged.
        let Some(end) = end.filter(|end| (fixed_end..=bytes).contains(end)) else { break };
        count += 1;
        from = end;
    }
    Ok((count, from))
}
