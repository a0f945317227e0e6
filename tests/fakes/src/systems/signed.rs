//! Signatures as the systems send them with their callbacks: HMAC-SHA256 in hexadecimal.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The lower-case hexadecimal HMAC-SHA256 of a message under the key's bytes as they stand.
pub(super) fn hex_hmac_sha256(key: &str, message: &[u8]) -> String {
    let Ok(mut code) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return String::new();
    };
    code.update(message);
    code.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_test_vector_of_rfc_4231_has_the_same_code() {
        assert_eq!(
            super::hex_hmac_sha256("Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }
}
