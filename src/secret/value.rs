//! A secret text: it prints as `[secret]`, and its memory is wiped when it is dropped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// See the module.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the place that has to send or hash it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Changes with the text, and does not tell it where it is too long to be guessed.
    pub fn fingerprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0.as_bytes()))
    }

    /// Compares in constant time, whatever the lengths.
    pub fn is(&self, candidate: &str) -> Choice {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(candidate.as_bytes()))
    }

    /// Compares in constant time if the lengths are equal; for texts whose length is no secret.
    pub fn is_exactly(&self, candidate: &[u8]) -> Choice {
        self.0.as_bytes().ct_eq(candidate)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}
