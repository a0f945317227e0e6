//! The record of one hook call in a segment, and the mark behind each batch of records.
//!
//! The head of a record has a checksum of its own: where a record ends is known although its body
//! is damaged, and the next record can be found behind a damaged head. The checksum is seeded with
//! the installation and covers the number of the segment, which tells a record from what an earlier
//! use of the file or another database left.
//!
//! Little endian: the CRC-32 of the rest of the head (u32), the length of what follows the head
//! (u32), the CRC-32 of what follows the head (u32), the number of the segment (u64), microseconds
//! since 1970 (i64), the lengths of organization and hook (u32 each). Behind this head stand the
//! organization, the hook, and the body to the end.
//!
//! A mark is a head with nothing behind it. It is written behind the records of each batch, in the
//! same write, so everything before it was written: what is not readable there was damaged later.

use crate::domain::time::Timestamp;

/// Bytes of a record without names and body, and of a mark.
pub(super) const HEAD_BYTES: usize = 36;
const CRC_FROM: usize = 4;
const LENGTH_AT: usize = 4;
const CONTENTS_CRC_AT: usize = 8;
pub(super) const NUMBER_AT: usize = 12;
const RECEIVED_AT: usize = 20;
const ORGANIZATION_AT: usize = 28;
const HOOK_AT: usize = 32;

/// A hook call as it was received; its body has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) organization: String,
    pub(crate) hook: String,
    pub(crate) received_at: Timestamp,
    pub(crate) body: Vec<u8>,
}

/// What a record has to belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentKey {
    /// The checksum of the installation's name.
    seed: u32,
    pub(super) number: u64,
}

impl SegmentKey {
    pub(super) fn new(installation: [u8; 8], number: u64) -> Self {
        Self { seed: crc32fast::hash(&installation), number }
    }
}

/// What some bytes of a segment are.
#[derive(Debug)]
pub(super) enum Found {
    /// A record, and its length in bytes.
    Whole(Received, usize),
    /// The end of a batch.
    Mark,
    /// A record whose head is right and whose contents are not, and its length in bytes.
    Damaged(usize),
    /// The beginning of a record of this length in bytes.
    More(usize),
    /// No record of this segment.
    Nothing,
}

/// Appends a record without the number of its segment and its checksums, which `seal` fills in.
/// False when a length does not fit into its field. The organization is not empty.
pub(super) fn append(
    to: &mut Vec<u8>,
    organization: &str,
    hook: &str,
    received_at: Timestamp,
    body: &[u8],
) -> bool {
    let bytes = organization.len() + hook.len() + body.len();
    let lengths = (u32::try_from(bytes), u32::try_from(organization.len()));
    let (Ok(bytes), Ok(of_organization)) = lengths else { return false };
    let Ok(of_hook) = u32::try_from(hook.len()) else { return false };
    append_head(to, bytes, received_at, of_organization, of_hook);
    for part in [organization.as_bytes(), hook.as_bytes(), body] {
        to.extend_from_slice(part);
    }
    true
}

/// Appends the mark of the end of a batch, for `seal` to fill in.
pub(super) fn append_mark(to: &mut Vec<u8>) {
    append_head(to, 0, Timestamp::ZERO, 0, 0);
}

fn append_head(to: &mut Vec<u8>, bytes: u32, at: Timestamp, of_organization: u32, of_hook: u32) {
    to.extend_from_slice(&[0; LENGTH_AT]);
    to.extend_from_slice(&bytes.to_le_bytes());
    to.extend_from_slice(&[0; RECEIVED_AT - CONTENTS_CRC_AT]);
    to.extend_from_slice(&at.micros().to_le_bytes());
    to.extend_from_slice(&of_organization.to_le_bytes());
    to.extend_from_slice(&of_hook.to_le_bytes());
}

/// Writes the number of the segment and the checksums into every record of `batch`.
pub(super) fn seal(mut batch: &mut [u8], key: SegmentKey) {
    while let Some(bytes) = length(batch).filter(|bytes| *bytes <= batch.len()) {
        let (record, rest) = batch.split_at_mut(bytes);
        let (head, contents) = record.split_at_mut(HEAD_BYTES);
        let contents_crc = crc32fast::hash(contents);
        set(head, CONTENTS_CRC_AT, &contents_crc.to_le_bytes());
        set(head, NUMBER_AT, &key.number.to_le_bytes());
        let crc = head_crc(head, key.seed);
        set(head, 0, &crc.to_le_bytes());
        batch = rest;
    }
}

fn set(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(field) = bytes.get_mut(at..at + value.len()) {
        field.copy_from_slice(value);
    }
}

/// Reads the record or mark that `bytes` begin with.
pub(super) fn read(bytes: &[u8], key: SegmentKey) -> Found {
    let Some((head, rest)) = bytes.split_first_chunk() else { return Found::More(HEAD_BYTES) };
    let Some(length) = length_in(head, key) else { return Found::Nothing };
    if length == HEAD_BYTES {
        return Found::Mark;
    }
    let Some(contents) = rest.get(..length - HEAD_BYTES) else { return Found::More(length) };
    let is_right = short(head, CONTENTS_CRC_AT) == Some(crc32fast::hash(contents));
    match received(head, contents).filter(|_| is_right) {
        Some(received) => Found::Whole(received, length),
        None => Found::Damaged(length),
    }
}

/// The length in bytes of the record that begins with this head, if it is a right one of that
/// segment. That of a mark is `HEAD_BYTES`.
pub(super) fn length_in(head: &[u8; HEAD_BYTES], key: SegmentKey) -> Option<usize> {
    let is_of_segment = number_in(head) == key.number;
    let is_right = is_of_segment && short(head, 0) == Some(head_crc(head, key.seed));
    length(head).filter(|_| is_right)
}

/// The number of the segment that a head names; its checksum is not verified.
pub(super) fn number_in(head: &[u8; HEAD_BYTES]) -> u64 {
    number(head, NUMBER_AT).unwrap_or_default()
}

fn head_crc(head: &[u8], seed: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new_with_initial(seed);
    crc.update(head.get(CRC_FROM..).unwrap_or_default());
    crc.finalize()
}

fn received(head: &[u8], contents: &[u8]) -> Option<Received> {
    let received_at = number(head, RECEIVED_AT)?.cast_signed();
    let (of_organization, of_hook) = (short(head, ORGANIZATION_AT)?, short(head, HOOK_AT)?);
    let (organization, rest) = contents.split_at_checked(usize::try_from(of_organization).ok()?)?;
    let (hook, body) = rest.split_at_checked(usize::try_from(of_hook).ok()?)?;
    Some(Received {
        organization: String::from_utf8(organization.to_vec()).ok()?,
        hook: String::from_utf8(hook.to_vec()).ok()?,
        received_at: Timestamp::from_micros(received_at),
        body: body.to_vec(),
    })
}

/// The length of the whole record in bytes.
fn length(record: &[u8]) -> Option<usize> {
    usize::try_from(short(record, LENGTH_AT)?).ok()?.checked_add(HEAD_BYTES)
}

fn short(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> SegmentKey {
        SegmentKey::new(*b"0123abcd", number)
    }

    proptest! {
        #[test]
        fn a_sealed_record_is_read_back(
            bodies in vec(vec(any::<u8>(), 0..300), 1..5),
            segment in any::<u64>(), at in any::<i64>(),
        ) {
            let mut batch = Vec::new();
            for body in &bodies {
                assert!(append(&mut batch, "contoso", "push", Timestamp::from_micros(at), body));
            }
            append_mark(&mut batch);
            seal(&mut batch, key(segment));
            let mut rest = batch.as_slice();
            for body in &bodies {
                let Found::Whole(received, bytes) = read(rest, key(segment)) else {
                    panic!("no record")
                };
                prop_assert_eq!(&received.body, body);
                prop_assert_eq!(received.received_at.micros(), at);
                prop_assert_eq!(received.organization, "contoso");
                prop_assert_eq!(received.hook, "push");
                rest = &rest[bytes..];
            }
            prop_assert!(matches!(read(rest, key(segment)), Found::Mark));
            prop_assert_eq!(rest.len(), HEAD_BYTES);
        }

        #[test]
        fn a_record_with_one_changed_bit_is_not_read(at in 0..67_usize, bit in 0..8_u32) {
            let mut record = Vec::new();
            append(&mut record, "contoso", "push", Timestamp::ZERO, b"a body of some bytes");
            seal(&mut record, key(5));
            let bytes = record.len();
            record[at] ^= 1 << bit;
            match read(&record, key(5)) {
                Found::Nothing => prop_assert!(at < HEAD_BYTES),
                Found::Damaged(length) => prop_assert!(at >= HEAD_BYTES && length == bytes),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_record_of_another_segment_or_installation_is_none() {
        let mut record = Vec::new();
        append(&mut record, "contoso", "push", Timestamp::from_micros(7), b"{}");
        seal(&mut record, key(5));
        assert!(matches!(read(&record, key(6)), Found::Nothing));
        let of_another = SegmentKey::new(*b"feedbeef", 5);
        assert!(matches!(read(&record, of_another), Found::Nothing));
        assert!(matches!(read(&[0; 64], key(0)), Found::Nothing), "zeros are no record");
        assert!(matches!(read(&record[..40], key(5)), Found::More(bytes) if bytes == record.len()));
    }
}
