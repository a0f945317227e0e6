//! The log of one run: everything that its command printed, up to a limit. Of more the beginning
//! and the end are there, with a note between them.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// How much of the beginning a log has.
const HEAD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How much of the end it has, if there was more than that.
const TAIL_BYTES_MAX: usize = 1024 * 1024;
/// Older logs are deleted.
pub(super) const LOGS_MAX: usize = 200;

/// See the module.
#[derive(Debug)]
pub(super) struct Log<W> {
    /// None after writing has failed: the command goes on all the same.
    out: Option<W>,
    head_bytes_left: usize,
    tail: VecDeque<u8>,
    tail_bytes_max: usize,
    bytes_left_out: u64,
}

impl Log<File> {
    /// The log of a run in a folder of logs, of which the oldest are deleted.
    pub(super) fn create(folder: &Path, name: &str) -> io::Result<(Self, PathBuf)> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let path = folder.join(format!("{name}.log"));
        let file = File::create(&path)?;
        delete_oldest(folder)?;
        Ok((Self::new(file, HEAD_BYTES_MAX, TAIL_BYTES_MAX), path))
    }
}

impl<W: Write> Log<W> {
    fn new(out: W, head_bytes_max: usize, tail_bytes_max: usize) -> Self {
        let (head_bytes_left, tail) = (head_bytes_max, VecDeque::new());
        Self { out: Some(out), head_bytes_left, tail, tail_bytes_max, bytes_left_out: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(self.head_bytes_left));
        self.head_bytes_left -= head.len();
        self.write(head);
        self.tail.extend(rest);
        let more = self.tail.len().saturating_sub(self.tail_bytes_max);
        self.tail.drain(..more);
        self.bytes_left_out += more as u64;
    }

    /// Writes the end. Afterwards nothing is added.
    pub(super) fn finish(&mut self) {
        if self.bytes_left_out > 0 {
            let note = format!("\n\n[azdo-gateway: {} bytes left out]\n\n", self.bytes_left_out);
            self.write(note.as_bytes());
        }
        let tail: Vec<u8> = std::mem::take(&mut self.tail).into();
        self.write(&tail);
        self.out = None;
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(out) = &mut self.out
            && let Err(error) = out.write_all(bytes)
        {
            tracing::warn!("the log of a run is incomplete: {error}");
            self.out = None;
        }
    }
}

/// Names of logs are ids of runs, which sort by age.
fn delete_oldest(folder: &Path) -> io::Result<()> {
    let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
    let mut logs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let older = logs.len().saturating_sub(LOGS_MAX);
    logs.into_iter().take(older).try_for_each(std::fs::remove_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(chunks: &[&str]) -> String {
        let mut written = Vec::new();
        let mut log = Log::new(&mut written, 6, 4);
        for chunk in chunks {
            log.push(chunk.as_bytes());
        }
        log.finish();
        log.push(b"late");
        drop(log);
        String::from_utf8(written).unwrap()
    }

    #[test]
    fn of_a_long_output_the_beginning_and_the_end_are_there() {
        assert_eq!(logged(&[]), "");
        assert_eq!(logged(&["abc", "def"]), "abcdef");
        assert_eq!(logged(&["abcdefgh", "ij"]), "abcdefghij");
        let note = "\n\n[azdo-gateway: 3 bytes left out]\n\n";
        assert_eq!(logged(&["abcdefgh", "ijklm"]), format!("abcdef{note}jklm"));
    }

    #[test]
    fn only_the_newest_logs_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..=LOGS_MAX {
            Log::create(folder.path(), &format!("{number:04}")).unwrap();
        }
        let count = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(count, LOGS_MAX);
        assert!(!folder.path().join("0000.log").exists());
    }
}
