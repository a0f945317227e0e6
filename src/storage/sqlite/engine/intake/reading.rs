//! Reads records in the order in which they were written, across segments. What is damaged is left
//! out and reported.

use std::io;
use std::os::unix::fs::FileExt;

use super::record::{self, Found, HEAD_BYTES, Received};
use super::recovery;
use super::segments::{Position, Segment};

/// Bytes of one read from a file; a record that is longer is read by itself.
const CHUNK_BYTES: usize = 256 * 1024;

/// Records, and what could not be read among them.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) received: Vec<Received>,
    /// The position behind the records and the damage.
    pub(super) upto: Position,
    pub(super) damage: Vec<Damage>,
}

/// Bytes of a segment in which no record can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) at: Position,
    pub(super) bytes: u64,
}

/// Up to `limit` records from `position` on. Reading ends with the record at which their bodies
/// reach `bytes_max`.
pub(super) fn read(
    segments: &[Segment],
    position: Position,
    limit: usize,
    bytes_max: usize,
) -> io::Result<Records> {
    let mut records = Records { received: Vec::new(), upto: position, damage: Vec::new() };
    let mut bytes = 0;
    for segment in segments {
        let mut scan = Scan::new(segment, position)?;
        while records.received.len() < limit && bytes < bytes_max {
            let Some(record) = scan.next()? else { break };
            bytes += record.body.len();
            records.received.push(record);
        }
        records.upto = Position { segment: segment.key.number, offset: scan.offset };
        records.damage.append(&mut scan.damage);
        if records.received.len() >= limit || bytes >= bytes_max {
            break;
        }
    }
    Ok(records)
}

struct Scan<'a> {
    segment: &'a Segment,
    /// Of the next record.
    offset: u64,
    /// Where the segment ends in the file, which may have become shorter.
    end: u64,
    chunk: Vec<u8>,
    /// Bytes of the chunk that were read.
    used: usize,
    damage: Vec<Damage>,
}

impl<'a> Scan<'a> {
    fn new(segment: &'a Segment, position: Position) -> io::Result<Self> {
        Ok(Self {
            segment,
            offset: segment.start(position),
            end: segment.end.min(segment.file.metadata()?.len()),
            chunk: Vec::new(),
            used: 0,
            damage: Vec::new(),
        })
    }

    fn next(&mut self) -> io::Result<Option<Received>> {
        while self.left() > 0 {
            let rest = self.chunk.get(self.used..).unwrap_or_default();
            match record::read(rest, self.segment.key) {
                Found::Whole(received, bytes) => {
                    self.advance(bytes);
                    return Ok(Some(received));
                }
                Found::Mark => self.advance(HEAD_BYTES),
                Found::Damaged(bytes) => {
                    self.leave_out(self.offset.saturating_add(as_u64(bytes)));
                    self.used += bytes;
                }
                Found::More(bytes) if bytes <= self.left() => self.fill(bytes.max(CHUNK_BYTES))?,
                Found::More(_) | Found::Nothing => {
                    let Segment { file, key, .. } = self.segment;
                    let from = self.offset.saturating_add(1);
                    let next = recovery::next_record(file, *key, from, self.end)?;
                    self.leave_out(next.unwrap_or(self.end));
                    self.chunk.clear();
                }
            }
        }
        if self.offset < self.segment.end {
            self.leave_out(self.segment.end);
        }
        Ok(None)
    }

    fn left(&self) -> usize {
        usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX)
    }

    /// There is no record before `end` that can be read.
    fn leave_out(&mut self, end: u64) {
        let at = Position { segment: self.segment.key.number, offset: self.offset };
        let bytes = end.saturating_sub(self.offset);
        if self.offset < self.segment.acknowledged {
            self.damage.push(Damage { at, bytes });
        } else {
            let Position { segment, offset } = at;
            tracing::info!(
                segment,
                offset,
                bytes,
                "a delivery was written only in part and was never acknowledged: it is left out"
            );
        }
        self.offset = end;
    }

    fn advance(&mut self, bytes: usize) {
        self.used += bytes;
        self.offset = self.offset.saturating_add(as_u64(bytes));
    }

    /// Reads up to so many bytes from the offset on, as far as the segment has them.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        self.used = 0;
        self.chunk.resize(bytes.min(self.left()), 0);
        self.segment.file.read_exact_at(&mut self.chunk, self.offset)
    }
}

fn as_u64(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
