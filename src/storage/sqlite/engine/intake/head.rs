//! What stands at the beginning of a file of the intake: whose file it is, and which segment it
//! holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The head of a file: this, the installation, the number of the segment, and the CRC-32 of all
/// three.
const MAGIC: [u8; 8] = *b"AZGWIN02";
const FILE_HEAD_BYTES: usize = 28;
/// The offset of the first record.
pub(super) const FIRST_AT: u64 = FILE_HEAD_BYTES as u64;

/// The installation in the head keeps a new database from reading the files of an older one that
/// lay at the same path.
pub(super) fn head(installation: [u8; 8], number: u64) -> Vec<u8> {
    let mut head = [MAGIC, installation, number.to_le_bytes()].concat();
    head.extend_from_slice(&crc32fast::hash(&head).to_le_bytes());
    head
}

/// What stands at the beginning of a file.
pub(super) enum Head {
    Whole {
        installation: [u8; 8],
        number: u64,
    },
    /// The file is too short to hold a record.
    Empty,
    Zeros,
    Damaged,
}

pub(super) fn read_head(file: &File) -> io::Result<Head> {
    let mut bytes = [0; FILE_HEAD_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Head::Empty),
        Err(error) => return Err(error),
    }
    if bytes == [0; FILE_HEAD_BYTES] {
        return Ok(Head::Zeros);
    }
    Ok(parse_head(&bytes).unwrap_or(Head::Damaged))
}

fn parse_head(bytes: &[u8; FILE_HEAD_BYTES]) -> Option<Head> {
    let (_, rest) = bytes.split_first_chunk::<8>()?;
    let (installation, rest) = rest.split_first_chunk()?;
    let number = u64::from_le_bytes(*rest.first_chunk()?);
    let is_right = head(*installation, number) == bytes;
    is_right.then_some(Head::Whole { installation: *installation, number })
}
