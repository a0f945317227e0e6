//! Reads records in the order in which they were written, across segments. Damaged records are left
//! out, each with a log line.

use std::io;
use std::os::unix::fs::FileExt;

use super::record::{self, Found, Received};
use super::segments::{Position, Segment};

/// Bytes of one read from a file; a record that is longer is read by itself.
const CHUNK_BYTES: usize = 256 * 1024;

/// Up to `limit` records from `position` on, and the position behind them. Reading ends with the
/// record at which their bodies reach `bytes_max`.
pub(super) fn read(
    segments: &[Segment],
    mut position: Position,
    limit: usize,
    bytes_max: usize,
) -> io::Result<(Vec<Received>, Position)> {
    let mut records = Vec::new();
    let mut bytes = 0;
    for segment in segments {
        let offset = segment.start(position);
        let mut scan = Scan { segment, offset, chunk: Vec::new(), used: 0 };
        while records.len() < limit && bytes < bytes_max {
            let Some(record) = scan.next()? else { break };
            bytes += record.body.len();
            records.push(record);
        }
        position = Position { segment: segment.number, offset: scan.offset };
        if records.len() >= limit || bytes >= bytes_max {
            break;
        }
    }
    Ok((records, position))
}

struct Scan<'a> {
    segment: &'a Segment,
    /// Of the next record.
    offset: u64,
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
                    self.advance(bytes);
                    return Ok(Some(received));
                }
                Found::Damaged(bytes) => {
                    self.log_damage(
                        "a delivery is damaged on disk and left out; if the gateway or the machine \
                         had just crashed, it was never acknowledged",
                    );
                    self.advance(bytes);
                }
                Found::More(bytes) if bytes <= self.left() => self.fill(bytes.max(CHUNK_BYTES))?,
                Found::More(_) | Found::End => {
                    self.log_damage(
                        "the length of a delivery is damaged on disk: the rest of its segment is \
                         left out",
                    );
                    self.offset = self.segment.end;
                }
            }
        }
        Ok(None)
    }

    fn left(&self) -> usize {
        usize::try_from(self.segment.end.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }

    fn log_damage(&self, what: &str) {
        let (segment, offset) = (self.segment.number, self.offset);
        tracing::error!(segment, offset, "{what}");
    }

    fn advance(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset = self.offset.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Reads up to so many bytes from the offset on, as far as the segment has them.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        self.used = 0;
        self.chunk.resize(bytes.min(self.left()), 0);
        self.segment.file.read_exact_at(&mut self.chunk, self.offset)
    }
}
