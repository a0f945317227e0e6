//! Finds the next record behind bytes that are none, in a segment that was damaged or written only
//! in part.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::record::{self, HEAD_BYTES, SegmentKey};

/// Bytes that are searched at once.
const CHUNK_BYTES: usize = 256 * 1024;

/// The first offset from `from` on, and before `end`, at which a record or mark of the segment
/// begins.
pub(super) fn next_record(
    file: &File,
    key: SegmentKey,
    from: u64,
    end: u64,
) -> io::Result<Option<u64>> {
    let number = key.number.to_le_bytes();
    search(file, from, end, |head| {
        // Most bytes are ruled out by the first byte of the number.
        head.get(record::NUMBER_AT) == number.first() && record::length_in(head, key).is_some()
    })
}

/// The number of the newest segment of that installation with a record in the file, of those from
/// `number_min` on.
pub(super) fn newest_segment(
    file: &File,
    installation: [u8; 8],
    number_min: u64,
) -> io::Result<Option<u64>> {
    let length = |head: &[u8; HEAD_BYTES]| {
        let number = record::number_in(head);
        // Bytes of text are larger than any number.
        let is_number = number >= number_min && number >> 56 == 0;
        let key = SegmentKey::new(installation, number);
        if is_number { record::length_in(head, key) } else { None }
    };
    let (mut from, end) = (0, file.metadata()?.len());
    let mut newest = None;
    let mut head = [0; HEAD_BYTES];
    while let Some(mut at) = search(file, from, end, |head| length(head).is_some())? {
        // The next record begins where this one ends, as a rule.
        while at.saturating_add(HEAD_BYTES as u64) <= end {
            file.read_exact_at(&mut head, at)?;
            let Some(bytes) = length(&head).and_then(|bytes| u64::try_from(bytes).ok()) else {
                break;
            };
            newest = newest.max(Some(record::number_in(&head)));
            at = at.saturating_add(bytes);
        }
        from = at;
    }
    Ok(newest)
}

/// The first offset from `from` on at which `is_wanted` holds for the bytes of a head.
fn search(
    file: &File,
    mut from: u64,
    end: u64,
    is_wanted: impl Fn(&[u8; HEAD_BYTES]) -> bool,
) -> io::Result<Option<u64>> {
    let mut chunk = Vec::new();
    loop {
        let left = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
        chunk.resize(left.min(CHUNK_BYTES), 0);
        if chunk.len() < HEAD_BYTES {
            return Ok(None);
        }
        file.read_exact_at(&mut chunk, from)?;
        let mut heads = chunk.windows(HEAD_BYTES).filter_map(|head| head.first_chunk());
        let found = heads.position(&is_wanted);
        // The last bytes of the chunk are searched again: a head may begin in them.
        let searched = found.unwrap_or(chunk.len() - HEAD_BYTES + 1);
        from = from.saturating_add(u64::try_from(searched).unwrap_or(u64::MAX));
        if found.is_some() {
            return Ok(Some(from));
        }
    }
}
