//! The record of one hook call in a segment.
//!
//! The checksum and the number of the segment tell a record from what an earlier use of the file
//! left and from a record that was written only in part.
//!
//! Little endian: the length of what follows the first 16 bytes (u32), the CRC-32 of everything
//! behind the CRC (u32), the number of the segment (u64), then microseconds since 1970 (i64), the
//! lengths of organization and hook (u32 each), the organization, the hook, and the body to the
//! end.

use crate::domain::time::Timestamp;

/// Header bytes that the length field does not count.
const HEAD_BYTES: usize = 16;
/// Bytes of a record without names and body.
pub(super) const FIXED_BYTES: usize = HEAD_BYTES + 16;
const CRC_AT: usize = 4;
const CRC_FROM: usize = 8;

/// A hook call as it was received; its body has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) organization: String,
    pub(crate) hook: String,
    pub(crate) received_at: Timestamp,
    pub(crate) body: Vec<u8>,
}

/// What some bytes of a segment are.
#[derive(Debug)]
pub(super) enum Found {
    /// A record, and its length in bytes.
    Whole(Received, usize),
    /// A record whose checksum is wrong, and its length in bytes.
    Damaged(usize),
    /// The beginning of a record of this length in bytes.
    More(usize),
    /// No record of this segment.
    End,
}

/// Appends a record without the number of its segment and its checksum, which `seal` fills in.
/// False when a length does not fit into its field.
pub(super) fn append(
    to: &mut Vec<u8>,
    organization: &str,
    hook: &str,
    received_at: Timestamp,
    body: &[u8],
) -> bool {
    let bytes = FIXED_BYTES - HEAD_BYTES + organization.len() + hook.len() + body.len();
    let lengths = (u32::try_from(bytes), u32::try_from(organization.len()));
    let (Ok(bytes), Ok(of_organization)) = lengths else { return false };
    let Ok(of_hook) = u32::try_from(hook.len()) else { return false };
    to.extend_from_slice(&bytes.to_le_bytes());
    to.extend_from_slice(&[0; HEAD_BYTES - CRC_AT]);
    to.extend_from_slice(&received_at.micros().to_le_bytes());
    to.extend_from_slice(&of_organization.to_le_bytes());
    to.extend_from_slice(&of_hook.to_le_bytes());
    for part in [organization.as_bytes(), hook.as_bytes(), body] {
        to.extend_from_slice(part);
    }
    true
}

/// Writes the number of the segment and the checksum into every record of `batch`.
pub(super) fn seal(mut batch: &mut [u8], segment: u64) {
    while let Some(bytes) = length(batch).filter(|bytes| *bytes <= batch.len()) {
        let (record, rest) = batch.split_at_mut(bytes);
        if let Some(field) = record.get_mut(CRC_FROM..HEAD_BYTES) {
            field.copy_from_slice(&segment.to_le_bytes());
        }
        let crc = crc32fast::hash(record.get(CRC_FROM..).unwrap_or_default());
        if let Some(field) = record.get_mut(CRC_AT..CRC_FROM) {
            field.copy_from_slice(&crc.to_le_bytes());
        }
        batch = rest;
    }
}

/// Reads the record that `bytes` begin with.
pub(super) fn read(bytes: &[u8], segment: u64) -> Found {
    if bytes.len() < FIXED_BYTES {
        return Found::More(FIXED_BYTES);
    }
    let Some(length) = length(bytes).filter(|_| number(bytes, CRC_FROM) == Some(segment)) else {
        return Found::End;
    };
    let Some(record) = bytes.get(..length) else { return Found::More(length) };
    let crc = crc32fast::hash(record.get(CRC_FROM..).unwrap_or_default());
    match contents(record).filter(|_| short(record, CRC_AT) == Some(crc)) {
        Some(received) => Found::Whole(received, length),
        None => Found::Damaged(length),
    }
}

/// The length in bytes of the record that begins with `fixed`, if it belongs to that segment. The
/// checksum is not verified.
pub(super) fn length_in_segment(fixed: &[u8; FIXED_BYTES], segment: u64) -> Option<usize> {
    length(fixed).filter(|_| number(fixed, CRC_FROM) == Some(segment))
}

fn contents(record: &[u8]) -> Option<Received> {
    let received_at = number(record, HEAD_BYTES)?.cast_signed();
    let (of_organization, of_hook) = (short(record, 24)?, short(record, 28)?);
    let names = record.get(FIXED_BYTES..)?;
    let (organization, names) = names.split_at_checked(usize::try_from(of_organization).ok()?)?;
    let (hook, body) = names.split_at_checked(usize::try_from(of_hook).ok()?)?;
    Some(Received {
        organization: String::from_utf8(organization.to_vec()).ok()?,
        hook: String::from_utf8(hook.to_vec()).ok()?,
        received_at: Timestamp::from_micros(received_at),
        body: body.to_vec(),
    })
}

/// The length of the whole record in bytes; none when it is shorter than the fixed part, so that a
/// reader always moves forward.
fn length(record: &[u8]) -> Option<usize> {
    let following = usize::try_from(short(record, 0)?).ok()?;
    Some(following.checked_add(HEAD_BYTES)?).filter(|bytes| *bytes >= FIXED_BYTES)
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
            seal(&mut batch, segment);
            let mut rest = batch.as_slice();
            for body in &bodies {
                let Found::Whole(received, bytes) = read(rest, segment) else {
                    panic!("no record")
                };
                prop_assert_eq!(&received.body, body);
                prop_assert_eq!(received.received_at.micros(), at);
                prop_assert_eq!(received.organization, "contoso");
                prop_assert_eq!(received.hook, "push");
                rest = &rest[bytes..];
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn a_record_with_one_changed_bit_is_not_read(at in 0..60_usize, bit in 0..8_u32) {
            let mut record = Vec::new();
            append(&mut record, "contoso", "push", Timestamp::ZERO, b"a body of some bytes");
            seal(&mut record, 5);
            record[at] ^= 1 << bit;
            prop_assert!(!matches!(read(&record, 5), Found::Whole(..)));
        }
    }

    #[test]
    fn a_record_of_another_segment_ends_the_reading() {
        let mut record = Vec::new();
        append(&mut record, "contoso", "push", Timestamp::from_micros(7), b"{}");
        seal(&mut record, 5);
        assert!(matches!(read(&record, 6), Found::End));
        assert!(matches!(read(&[0; 64], 0), Found::End), "zeros are no record in any segment");
        assert!(matches!(read(&record[..40], 5), Found::More(bytes) if bytes == record.len()));
    }
}
