//! Reads records in the order in which they were written, over the ends of segments. It must never
//! pass over what is damaged without a word.

use std::io;
use std::os::unix::fs::FileExt;

use super::record::{self, Found};
use super::segments::Segment;
use crate::storage::{Mark, Received};

/// Read at once; longer records are read alone.
const CHUNK_BYTES: usize = 256 * 1024;

/// Up to `limit` records of at most about `bytes_max` bytes from `mark` on, and where they end.
pub(super) fn read(
    segments: &[Segment],
    mut mark: Mark,
    limit: usize,
    bytes_max: usize,
) -> io::Result<(Vec<Received>, Mark)> {
    let mut records = Vec::new();
    let mut bytes = 0;
    for segment in segments {
        mark = Mark { segment: segment.number, position: segment.start(mark) };
        let mut scan = Scan { segment, position: mark.position, chunk: Vec::new(), used: 0 };
        while records.len() < limit && bytes < bytes_max {
            let Some(record) = scan.next()? else { break };
            bytes += record.body.len();
            records.push(record);
        }
        mark.position = scan.position;
        if records.len() >= limit || bytes >= bytes_max {
            break;
        }
    }
    Ok((records, mark))
}

struct Scan<'a> {
    segment: &'a Segment,
    /// Of what comes next.
    position: u64,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were read.
    used: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> io::Result<Option<Received>> {
        while self.left() > 0 {
            let rest = self.chunk.get(self.used..).unwrap_or_default();
            match record::read(rest, self.segment.number) {
                Found::Whole(received, bytes) => {
                    self.step(bytes);
                    return Ok(Some(received));
                }
                Found::Damaged(bytes) => {
                    self.tell_damage(
                        "a delivery is damaged on disk and left out; if the gateway or the machine \
                         had just died, it was never acknowledged",
                    );
                    self.step(bytes);
                }
                Found::More(bytes) if bytes <= self.left() => self.fill(bytes.max(CHUNK_BYTES))?,
                Found::More(_) | Found::End => {
                    self.tell_damage(
                        "deliveries are damaged on disk: all from here on are left out",
                    );
                    self.position = self.segment.end;
                }
            }
        }
        Ok(None)
    }

    fn left(&self) -> usize {
        usize::try_from(self.segment.end.saturating_sub(self.position)).unwrap_or(usize::MAX)
    }

    fn tell_damage(&self, what: &str) {
        let (segment, position) = (self.segment.number, self.position);
        tracing::error!(segment, position, "{what}");
    }

    fn step(&mut self, bytes: usize) {
        self.used += bytes;
        self.position = self.position.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Reads up to so many bytes from here on, as far as there are any.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        self.used = 0;
        self.chunk.resize(bytes.min(self.left()), 0);
        self.segment.file.read_exact_at(&mut self.chunk, self.position)
    }
}
