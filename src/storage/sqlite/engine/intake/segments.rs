//! The files of the intake. Each holds one numbered segment at a time and is used again for a later
//! one, because overwriting a file syncs in half the time of making it longer.
//!
//! The head of a file names the segment in it. Records of an earlier segment may lie behind those
//! of the present one; the number of the segment in each record tells them apart.
//!
//! A file in which something is damaged gets another name, and no batch that begins later is
//! written to it. Its records are read as those of any other file. It is renamed before its
//! deliveries are moved into the database, so that a crash between the two does not leave it among
//! the files for later use.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::head::{FIRST_AT, Head, head, read_head};
use super::measure::{Measured, measure};
use super::names::{FileName, file_names, folder_of, path_of};
use super::record::SegmentKey;
use super::recovery;
use crate::storage::sqlite::engine::file_access::FILE_MODE;

/// A segment that has reached this length is followed by the next.
pub(super) const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Segments with deliveries that are not in the database yet: 4 GiB. More is refused.
const SEGMENTS_MAX: usize = 128;
/// Unused files that are kept for later segments; more are deleted.
const UNUSED_FILES_MAX: usize = 4;
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
    pub(super) key: SegmentKey,
    pub(super) file: Arc<File>,
    /// The offset behind the last record.
    pub(super) end: u64,
    /// Everything before this offset was once on disk. What an earlier process wrote behind it may
    /// have been written only in part, and was not acknowledged then.
    pub(super) acknowledged: u64,
    name: FileName,
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
    /// Numbers of the damaged files that are kept.
    damaged: Vec<u32>,
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
            damaged: Vec::new(),
            left_over: 0,
            is_folder_synced: false,
            is_closed: false,
        };
        let names = file_names(&found.path)?;
        for name in &names {
            match *name {
                FileName::Number(number) => {
                    found.files = found.files.max(number.saturating_add(1));
                }
                FileName::Damaged(number) => found.damaged.push(number),
            }
        }
        for name in names {
            let path = path_of(&found.path, name);
            let named = |error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            found.look_into(name, position).map_err(named)?;
        }
        found.live.make_contiguous().sort_by_key(|segment| segment.key.number);
        found.number_max = found.number_max.saturating_add(NUMBERS_SKIPPED);
        Ok(found)
    }

    fn look_into(&mut self, mut name: FileName, position: Position) -> io::Result<()> {
        let path = path_of(&self.path, name);
        let file = File::options().read(true).write(true).open(&path)?;
        let number = match read_head(&file)? {
            Head::Whole { installation, number } if installation == self.installation => {
                Some(number)
            }
            Head::Whole { .. } => {
                let path = path.display();
                tracing::warn!(
                    "{path} holds deliveries of another database and is neither read nor \
                     overwritten: put that database back, or delete the file"
                );
                return Ok(());
            }
            Head::Empty => None,
            // Its records name the segment, too.
            head => {
                let newest = recovery::newest_segment(&file, self.installation, position.segment)?;
                // The zeros of a file whose first bytes never reached the disk.
                if newest.is_none() && matches!(head, Head::Zeros) {
                    None
                } else {
                    name = self.rename(name, "its head is damaged")?;
                    self.sync_folder()?;
                    newest
                }
            }
        };
        match number.filter(|number| *number >= position.segment) {
            Some(number) => self.add_left_over(number, file, name, position)?,
            None => self.leave(name),
        }
        Ok(())
    }

    fn add_left_over(
        &mut self,
        number: u64,
        file: File,
        name: FileName,
        position: Position,
    ) -> io::Result<()> {
        self.number_max = self.number_max.max(number);
        let key = SegmentKey::new(self.installation, number);
        let Measured { count, end, acknowledged } = measure(&file, key, start(number, position))?;
        self.left_over = self.left_over.saturating_add(count);
        self.live.push_back(Segment { key, file: Arc::new(file), end, acknowledged, name });
        Ok(())
    }

    /// Nothing in the file is needed any more: another segment may have it, unless it is damaged.
    fn leave(&mut self, name: FileName) {
        if let FileName::Number(number) = name {
            self.unused.push(number);
        }
    }

    /// Whether there are any files, of whatever database.
    pub(super) fn has_files(&self) -> bool {
        self.files > 0 || !self.damaged.is_empty()
    }

    /// How many records an earlier process left, counted without verifying their checksums.
    pub(super) fn left_over(&self) -> u64 {
        self.left_over
    }

    /// The segments with records behind `position`, oldest first.
    pub(super) fn from(&self, position: Position) -> Vec<Segment> {
        let has_more = |segment: &&Segment| {
            segment.key.number >= position.segment && segment.end > segment.start(position)
        };
        self.live.iter().filter(has_more).cloned().collect()
    }

    /// The position behind the last record that is on disk.
    pub(super) fn end(&self) -> Position {
        let last = self.live.iter().rfind(|segment| segment.end > FIRST_AT);
        last.map(|last| Position { segment: last.key.number, offset: last.end }).unwrap_or_default()
    }

    pub(super) fn is_full(&self) -> bool {
        self.live.len() >= SEGMENTS_MAX
    }

    /// The next segment, and the head to write to its file. It is live once `written` was called.
    pub(super) fn next(&mut self) -> io::Result<(Segment, Vec<u8>)> {
        let file_number = self.unused.pop().unwrap_or(self.files);
        self.files = self.files.max(file_number.saturating_add(1));
        let name = FileName::Number(file_number);
        let file = match self.open_or_create(name) {
            Ok(file) => file,
            Err(error) => {
                self.unused.push(file_number);
                return Err(error);
            }
        };
        self.number_max = self.number_max.saturating_add(1);
        let number = self.number_max;
        let key = SegmentKey::new(self.installation, number);
        let (file, end) = (Arc::new(file), FIRST_AT);
        Ok((Segment { key, file, end, acknowledged: end, name }, head(self.installation, number)))
    }

    /// A new file survives a power failure only if its folder was synced. Whether the folder of the
    /// files that were found was synced is not known, so it is synced once after every start.
    fn open_or_create(&mut self, name: FileName) -> io::Result<File> {
        let path = path_of(&self.path, name);
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
        self.sync_folder()?;
        Ok(file)
    }

    fn sync_folder(&mut self) -> io::Result<()> {
        if !self.is_folder_synced {
            File::open(folder_of(&self.path))?.sync_all()?;
            self.is_folder_synced = true;
        }
        Ok(())
    }

    /// The records before `end` are on disk.
    pub(super) fn written(&mut self, segment: &Segment, end: u64) {
        match self.live.back_mut().filter(|last| last.key == segment.key) {
            Some(last) => (last.end, last.acknowledged) = (end, end),
            None => self.live.push_back(Segment { end, acknowledged: end, ..segment.clone() }),
        }
    }

    /// Whether something in the segment is damaged.
    pub(super) fn is_damaged(&self, segment: &Segment) -> bool {
        let found = self.live.iter().rfind(|live| live.key == segment.key);
        found.is_some_and(|live| matches!(live.name, FileName::Damaged(_)))
    }

    /// Writing to the segment failed: its file may hold another, unless records of it are on disk.
    pub(super) fn give_up(&mut self, segment: &Segment) {
        if self.live.iter().all(|live| live.key != segment.key) {
            self.leave(segment.name);
        }
    }

    /// Something in the segment is damaged: its file is renamed, and no batch that begins later is
    /// written to it. Done once for each segment. Returns the path at which the file is kept; the
    /// new name is on disk then.
    pub(super) fn set_aside(&mut self, number: u64) -> io::Result<Option<PathBuf>> {
        let at = self.live.iter().position(|live| live.key.number == number);
        let Some((at, name)) = at.and_then(|at| Some((at, self.live.get(at)?.name))) else {
            return Ok(None);
        };
        let name = self.rename(name, "a record in it is damaged")?;
        // Also where the folder cannot be synced now: the next attempt finds the file.
        if let Some(live) = self.live.get_mut(at) {
            live.name = name;
        }
        self.sync_folder()?;
        Ok(Some(path_of(&self.path, name)))
    }

    /// Gives a file the name of a damaged one, unless it has one.
    fn rename(&mut self, name: FileName, why: &str) -> io::Result<FileName> {
        if let FileName::Damaged(_) = name {
            return Ok(name);
        }
        let number = self.damaged.iter().max().map_or(0, |last| last.saturating_add(1));
        let (from, to) =
            (path_of(&self.path, name), path_of(&self.path, FileName::Damaged(number)));
        std::fs::rename(&from, &to)?;
        self.damaged.push(number);
        self.is_folder_synced = false;
        let (from, to) = (from.display(), to.display());
        tracing::error!("{from} is kept as {to} and not used again: {why}");
        Ok(FileName::Damaged(number))
    }

    /// The damaged files that were kept, each with whether it has deliveries behind `moved`.
    pub(super) fn damaged_files(&self, moved: Position) -> Vec<(PathBuf, bool)> {
        let needed = self.from(moved);
        let file = |number: &u32| {
            let name = FileName::Damaged(*number);
            (path_of(&self.path, name), needed.iter().any(|segment| segment.name == name))
        };
        self.damaged.iter().map(file).collect()
    }

    /// Every delivery before `position` is in the database: files of earlier segments are free.
    pub(super) fn free_before(&mut self, position: Position) {
        // The last segment may still be written to.
        let is_done = |segment: &Segment| segment.key.number < position.segment;
        while self.live.len() > 1 && self.live.front().is_some_and(is_done) {
            if let Some(done) = self.live.pop_front() {
                self.leave(done.name);
            }
        }
        while self.unused.len() > UNUSED_FILES_MAX && !self.is_closed {
            let Some(last) = self.unused.iter().copied().max() else { return };
            self.unused.retain(|unused| *unused != last);
            let path = path_of(&self.path, FileName::Number(last));
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, "{} is no longer needed and stays", path.display());
            }
        }
    }

    /// Reads the newest segment from another file from now on; the one before.
    #[cfg(test)]
    pub(super) fn exchange_file(&mut self, file: Arc<File>) -> Arc<File> {
        let newest = self.live.back_mut().unwrap();
        std::mem::replace(&mut newest.file, file)
    }

    /// Deletes no file from now on.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }
}

impl Segment {
    /// The offset at which reading from `position` on begins in this segment.
    pub(super) fn start(&self, position: Position) -> u64 {
        start(self.key.number, position)
    }
}

fn start(number: u64, position: Position) -> u64 {
    if number == position.segment { position.offset.max(FIRST_AT) } else { FIRST_AT }
}
