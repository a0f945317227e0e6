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
/// Where the first record begins.
pub(super) const FIRST_AT: u64 = 24;

/// Where records lie.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) file: Arc<File>,
    /// Behind the last record; unknown for what an earlier process wrote.
    pub(super) end: Option<u64>,
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
        };
        for slot in slots(&found.path)? {
            found.slots = found.slots.max(slot + 1);
            found.look_into(slot, mark)?;
        }
        found.live.make_contiguous().sort_by_key(|segment| segment.number);
        Ok(found)
    }

    fn look_into(&mut self, slot: u32, mark: Mark) -> io::Result<()> {
        let file = File::options().read(true).write(true).open(self.path_of(slot))?;
        let mut head = [0; HEAD_BYTES];
        let number = match file.read_exact_at(&mut head, 0) {
            Ok(()) => number(&head, self.installation),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        match number.filter(|number| *number >= mark.segment) {
            Some(number) => {
                self.number_max = self.number_max.max(number);
                self.live.push_back(Segment { number, file: Arc::new(file), end: None, slot });
            }
            None => self.idle.push(slot),
        }
        Ok(())
    }

    /// Those that a reader at `mark` has to look at, oldest first.
    pub(super) fn from(&self, mark: Mark) -> Vec<Segment> {
        self.live.iter().filter(|segment| segment.number >= mark.segment).cloned().collect()
    }

    /// How many records begin behind `mark`, by their lengths alone.
    pub(super) fn count_from(&self, mark: Mark) -> io::Result<u64> {
        self.from(mark).iter().map(|segment| count(segment, segment.start(mark))).sum()
    }

    pub(super) fn is_full(&self) -> bool {
        self.live.len() >= SEGMENTS_MAX
    }

    /// A slot for the next segment, and what it has to begin with. It counts once it is `live`.
    pub(super) fn next(&mut self) -> io::Result<(Segment, Vec<u8>)> {
        let slot = match self.idle.pop() {
            Some(slot) => slot,
            None => self.slots,
        };
        let made = self.make(slot);
        self.slots = self.slots.max(slot + 1);
        let file = match made {
            Ok(file) => file,
            Err(error) => {
                self.idle.push(slot);
                return Err(error);
            }
        };
        self.number_max += 1;
        let number = self.number_max;
        let head = [MAGIC, self.installation, number.to_le_bytes()].concat();
        Ok((Segment { number, file: Arc::new(file), end: Some(0), slot }, head))
    }

    /// A new file is there after a power failure only if its folder says so.
    fn make(&self, slot: u32) -> io::Result<File> {
        let path = self.path_of(slot);
        let mut options = File::options();
        options.read(true).write(true);
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        let file = options.create(true).truncate(false).open(&path)?;
        file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
        Ok(file)
    }

    /// What was written up to `end` is on disk now.
    pub(super) fn written(&mut self, segment: &Segment, end: u64) {
        match self.live.back_mut().filter(|last| last.number == segment.number) {
            Some(last) => last.end = Some(end),
            None => self.live.push_back(Segment { end: Some(end), ..segment.clone() }),
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
        while self.idle.len() > IDLE_MAX {
            let Some(slot) = self.idle.iter().copied().max() else { return };
            self.idle.retain(|idle| *idle != slot);
            if let Err(error) = std::fs::remove_file(self.path_of(slot)) {
                tracing::debug!(slot, %error, "a file of the intake stays though nobody needs it");
            }
        }
    }

    fn path_of(&self, slot: u32) -> PathBuf {
        let mut path: OsString = self.path.clone().into();
        path.push(slot.to_string());
        path.into()
    }
}

/// The slots that there are.
fn slots(path: &Path) -> io::Result<Vec<u32>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut slots = Vec::new();
    for entry in std::fs::read_dir(folder.unwrap_or(Path::new(".")))? {
        let entry = entry?.file_name();
        let slot: Option<u32> =
            entry.to_str().and_then(|entry| entry.strip_prefix(&name)?.parse().ok());
        slots.extend(slot);
    }
    Ok(slots)
}

/// The number of the segment that begins so, if it is one of this installation: a database made
/// anew must not take in what was left beside an older one.
fn number(head: &[u8; HEAD_BYTES], installation: [u8; 8]) -> Option<u64> {
    let (magic, rest) = head.split_first_chunk()?;
    let (whose, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    (*magic == MAGIC && *whose == installation).then_some(number)
}

impl Segment {
    /// Where a reader at `mark` begins.
    pub(super) fn start(&self, mark: Mark) -> u64 {
        if self.number == mark.segment { mark.position } else { FIRST_AT }
    }
}

fn count(segment: &Segment, mut from: u64) -> io::Result<u64> {
    let mut count = 0;
    let mut fixed = [0; record::FIXED_BYTES];
    loop {
        match segment.file.read_exact_at(&mut fixed, from) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(count),
            Err(error) => return Err(error),
        }
        let Some(bytes) = record::skip(&fixed, segment.number) else { return Ok(count) };
        count += 1;
        from = from.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }
}
