//! The files of the intake: numbered segments in slots that are used again and again, because
//! overwriting a file costs half of what making it longer does.
//!
//! A slot says in its first bytes which segment lies in it; what was in it before is told apart by
//! its number. It must never know who waits for what is written.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record;
use crate::storage::Mark;

/// A segment that has reached this is followed by the next.
pub(super) const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Segments that hold what is not taken in yet: 4 GiB. More is refused.
const SEGMENTS_MAX: usize = 128;
/// Slots kept for later; what a burst needed beyond them is given back.
const IDLE_MAX: usize = 4;
/// What a slot begins with: this, the installation and the number of the segment.
const MAGIC: [u8; 8] = *b"AZGWIN01";
const HEAD_BYTES: usize = 24;
const FIXED_BYTES: u64 = record::FIXED_BYTES as u64;
/// Where the first record begins.
pub(super) const FIRST_AT: u64 = 24;
/// Numbers left out at a start: an earlier process may have begun segments of which records are on
/// disk and the head is not, and what it wrote must never be taken for what we write.
const NUMBERS_SKIPPED: u64 = 1 << 32;

/// Where records lie.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<File>,
    /// Behind the last record that is on disk.
    pub(super) end: u64,
    slot: u32,
}

/// All slots.
#[derive(Debug)]
pub(super) struct Segments {
    /// What every slot's name begins with.
    path: PathBuf,
    installation: [u8; 8],
    /// Oldest first.
    live: VecDeque<Segment>,
    idle: Vec<u32>,
    number_max: u64,
    slots: u32,
    /// On disk when they were found; counted up by nobody.
    left_over: u64,
    /// Whether the folder names every file even after a power failure.
    is_folder_synced: bool,
    /// The files may be somebody else's by now.
    is_closed: bool,
}

impl Segments {
    /// Finds what lies beside the database; segments before `mark` are done with.
    pub(super) fn open(database: &Path, gateway: &str, mark: Mark) -> io::Result<Self> {
        let mut installation = [b'-'; 8];
        for (place, byte) in installation.iter_mut().zip(gateway.bytes()) {
            *place = byte;
        }
        let mut path = database.as_os_str().to_owned();
        path.push("-intake-");
        let mut found = Self {
            path: path.into(),
            installation,
            live: VecDeque::new(),
            idle: Vec::new(),
            number_max: mark.segment,
            slots: 0,
            left_over: 0,
            is_folder_synced: false,
            is_closed: false,
        };
        for slot in slots(&found.path)? {
            found.slots = found.slots.max(slot.saturating_add(1));
            found.look_into(slot, mark)?;
        }
        found.live.make_contiguous().sort_by_key(|segment| segment.number);
        found.number_max = found.number_max.saturating_add(NUMBERS_SKIPPED);
        Ok(found)
    }

    fn look_into(&mut self, slot: u32, mark: Mark) -> io::Result<()> {
        let path = self.path_of(slot);
        let file = File::options().read(true).write(true).open(&path)?;
        let mut head = [0; HEAD_BYTES];
        let head = match file.read_exact_at(&mut head, 0) {
            Ok(()) => head_of(&head),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        let number = match head {
            Some((whose, number)) if whose == self.installation => Some(number),
            Some(_) => {
                let path = path.display();
                tracing::warn!(
                    "{path} holds deliveries of another database and is left as it is: put that \
                     database back, or delete the file"
                );
                return Ok(());
            }
            None => None,
        };
        match number.filter(|number| *number >= mark.segment) {
            Some(number) => {
                self.number_max = self.number_max.max(number);
                let start = start(number, mark);
                let (count, end) = measure(&file, number, start)?;
                self.left_over = self.left_over.saturating_add(count);
                self.live.push_back(Segment { number, file: Arc::new(file), end, slot });
            }
            None => self.idle.push(slot),
        }
        Ok(())
    }

    /// How many records an earlier process left, by their lengths alone.
    pub(super) fn left_over(&self) -> u64 {
        self.left_over
    }

    /// Those in which something lies behind `mark`, oldest first.
    pub(super) fn from(&self, mark: Mark) -> Vec<Segment> {
        let has_more = |segment: &&Segment| {
            segment.number >= mark.segment && segment.end > segment.start(mark)
        };
        self.live.iter().filter(has_more).cloned().collect()
    }

    /// Behind all that is on disk.
    pub(super) fn end(&self) -> Mark {
        let last = self.live.iter().rfind(|segment| segment.end > FIRST_AT);
        last.map(|last| Mark { segment: last.number, position: last.end }).unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.live.len() >= SEGMENTS_MAX
    }

    /// A slot for the next segment, and what it has to begin with. It counts once it is `live`.
    pub(super) fn next(&mut self) -> io::Result<(Segment, Vec<u8>)> {
        let slot = self.idle.pop().unwrap_or(self.slots);
        self.slots = self.slots.max(slot.saturating_add(1));
        let file = match self.open_or_make(slot) {
            Ok(file) => file,
            Err(error) => {
                self.idle.push(slot);
                return Err(error);
            }
        };
        self.number_max = self.number_max.saturating_add(1);
        let number = self.number_max;
        let head = [MAGIC, self.installation, number.to_le_bytes()].concat();
        Ok((Segment { number, file: Arc::new(file), end: FIRST_AT, slot }, head))
    }

    /// A new file is there after a power failure only if its folder says so; of those that were
    /// found nobody knows whether it does.
    fn open_or_make(&mut self, slot: u32) -> io::Result<File> {
        let path = self.path_of(slot);
        let mut options = File::options();
        options.read(true).write(true);
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

    /// What was written up to `end` is on disk now.
    pub(super) fn written(&mut self, segment: &Segment, end: u64) {
        match self.live.back_mut().filter(|last| last.number == segment.number) {
            Some(last) => last.end = end,
            None => self.live.push_back(Segment { end, ..segment.clone() }),
        }
    }

    /// Nothing came of it: the slot may be used for another.
    pub(super) fn give_back(&mut self, segment: &Segment) {
        if self.live.iter().all(|live| live.number != segment.number) {
            self.idle.push(segment.slot);
        }
    }

    /// What lies before `mark` is in the database.
    pub(super) fn taken(&mut self, mark: Mark) {
        // The last one may be written to.
        while self.live.len() > 1 && self.live.front().is_some_and(|one| one.number < mark.segment)
        {
            self.idle.extend(self.live.pop_front().map(|done| done.slot));
        }
        while self.idle.len() > IDLE_MAX && !self.is_closed {
            let Some(slot) = self.idle.iter().copied().max() else { return };
            self.idle.retain(|idle| *idle != slot);
            if let Err(error) = std::fs::remove_file(self.path_of(slot)) {
                tracing::debug!(slot, %error, "a file of the intake stays though nobody needs it");
            }
        }
    }

    /// Deletes no file from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    fn path_of(&self, slot: u32) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(slot.to_string());
        path.into()
    }
}

fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// The slots that there are.
fn slots(path: &Path) -> io::Result<Vec<u32>> {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let mut slots = Vec::new();
    for entry in std::fs::read_dir(folder_of(path))? {
        let entry = entry?.file_name();
        let digits = entry.as_encoded_bytes().strip_prefix(name).unwrap_or_default();
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let slot = str::from_utf8(digits).ok().filter(|_| is_number);
        slots.extend(slot.and_then(|digits| digits.parse::<u32>().ok()));
    }
    Ok(slots)
}

/// The installation and the number of the segment that begins so: a database made anew must not
/// take in what was left beside an older one.
fn head_of(head: &[u8; HEAD_BYTES]) -> Option<([u8; 8], u64)> {
    let (magic, rest) = head.split_first_chunk()?;
    let (whose, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    (*magic == MAGIC).then_some((*whose, number))
}

impl Segment {
    /// Where a reader at `mark` begins.
    pub(super) fn start(&self, mark: Mark) -> u64 {
        start(self.number, mark)
    }
}

fn start(number: u64, mark: Mark) -> u64 {
    if number == mark.segment { mark.position.max(FIRST_AT) } else { FIRST_AT }
}

/// How many records lie behind `from`, by their lengths alone, and where the last of them ends.
fn measure(file: &File, number: u64, mut from: u64) -> io::Result<(u64, u64)> {
    let bytes = file.metadata()?.len();
    let mut fixed = [0; record::FIXED_BYTES];
    let mut count = 0;
    while let Some(fixed_end) = from.checked_add(FIXED_BYTES).filter(|end| *end <= bytes) {
        file.read_exact_at(&mut fixed, from)?;
        let following = record::skip(&fixed, number).and_then(|bytes| u64::try_from(bytes).ok());
        let end = following.and_then(|following| from.checked_add(following));
        // One that was never finished was never acknowledged.
        let Some(end) = end.filter(|end| (fixed_end..=bytes).contains(end)) else { break };
        count += 1;
        from = end;
    }
    Ok((count, from))
}
