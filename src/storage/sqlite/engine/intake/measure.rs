//! How many records a segment has, and where they end.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::record::{self, HEAD_BYTES, SegmentKey};
use super::recovery;

/// The records of a segment behind an offset, found by their heads alone.
pub(super) struct Measured {
    pub(super) count: u64,
    /// The offset behind the last record.
    pub(super) end: u64,
    /// Everything before this offset was once on disk.
    pub(super) acknowledged: u64,
}

/// Reads the heads from the offset `from` on.
pub(super) fn measure(file: &File, key: SegmentKey, from: u64) -> io::Result<Measured> {
    let bytes = file.metadata()?.len();
    let (mut count, mut end, mut acknowledged) = (0, from, from);
    let mut at = from;
    loop {
        match record_at(file, key, at, bytes)? {
            // A mark. Where it does not follow the last record, something between is damaged.
            Some(record_end) if record_end - at == HEAD_BYTES as u64 => {
                (end, acknowledged) = (at, at);
                at = record_end;
            }
            Some(record_end) => {
                count += 1;
                (at, end) = (record_end, record_end);
            }
            // Behind damage the next record is looked for. A record that was written only in part
            // was never acknowledged, and has none behind it.
            None => match recovery::next_record(file, key, at.saturating_add(1), bytes)? {
                Some(next) => at = next,
                None => return Ok(Measured { count, end, acknowledged }),
            },
        }
    }
}

/// Where the record ends that begins at this offset. None where none begins, or not all of it is
/// there.
fn record_at(file: &File, key: SegmentKey, at: u64, bytes: u64) -> io::Result<Option<u64>> {
    let mut head = [0; HEAD_BYTES];
    let head_end = at.saturating_add(HEAD_BYTES as u64);
    if head_end > bytes {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let length = record::length_in(&head, key).and_then(|length| u64::try_from(length).ok());
    Ok(length.and_then(|length| at.checked_add(length)).filter(|end| *end <= bytes))
}
