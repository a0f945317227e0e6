//! As much DER as keys and certificates need.
//!
//! What is not well-formed is none.

/// A tag and its content.
type Element<'a> = (u8, &'a [u8]);

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const SEQUENCE: u8 = 0x30;
/// The explicit tag around the version of a certificate.
const VERSION: u8 = 0xa0;

/// The first element, and the bytes after it.
pub(super) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some(((tag, content), behind))
}

/// The content of the first element when it has this tag, and the bytes after it.
fn expect(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let ((tag, content), behind) = element(bytes)?;
    (tag == wanted).then_some((content, behind))
}

/// Modulus and exponent of an RSA public key in PKCS#1, without leading zeros.
pub(super) fn modulus_and_exponent(key: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inside, _) = expect(key, SEQUENCE)?;
    let (modulus, behind) = expect(inside, INTEGER)?;
    let (exponent, _) = expect(behind, INTEGER)?;
    Some((without_zeros(modulus), without_zeros(exponent)))
}

/// The public key of an X.509 certificate, as PKCS#1; none when it is not an RSA key.
pub(super) fn public_key_of(certificate: &[u8]) -> Option<Vec<u8>> {
    let (inside, _) = expect(certificate, SEQUENCE)?;
    let (mut rest, _) = expect(inside, SEQUENCE)?;
    if let Some(((VERSION, _), behind)) = element(rest) {
        rest = behind;
    }
    // Serial number, signature algorithm, issuer, validity, subject.
    for _ in 0..5 {
        rest = element(rest)?.1;
    }
    let (info, _) = expect(rest, SEQUENCE)?;
    let (_, behind) = expect(info, SEQUENCE)?;
    let (bits, _) = expect(behind, BIT_STRING)?;
    // The first byte is the number of unused bits, which is zero.
    let key = bits.strip_prefix(&[0])?;
    modulus_and_exponent(key).map(|_| key.to_vec())
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
