//! Encryption of stored secrets: XChaCha20-Poly1305 with a key derived from the root key.
//!
//! The associated data is a context, such as `link/fabrikam/refresh`, so that a value that is
//! copied to another row cannot be decrypted there. The random nonce of 24 bytes needs no counter,
//! however many replicas encrypt.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::keyring::{Keyring, RootKey};
use super::value::Secret;

/// The first byte of every sealed secret; another algorithm would get another one.
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 24;

/// An encrypted secret: version, nonce, ciphertext and tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// A decrypted secret.
#[derive(Debug)]
pub struct Opened {
    pub secret: Secret,
    /// It was sealed with the previous root key: seal it again before that key is removed.
    pub is_stale: bool,
}

/// It was sealed for another context, with a key that is not configured, or was altered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the stored tokens cannot be decrypted with the configured root key: put the previous key into \
     [secrets] previous_root_key, or link the service user again"
)]
pub struct Unreadable;

impl Keyring {
    /// Encrypts a secret for one context, with the current key.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn seal(&self, context: &str, secret: &Secret) -> Result<Sealed, getrandom::Error> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: secret.expose().as_bytes(), aad: context.as_bytes() };
        // Encryption only fails for texts beyond 256 GB.
        let Ok(ciphertext) = cipher(&self.current).encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("a token is short enough to be encrypted")
        };
        Ok(Sealed([&[VERSION][..], &nonce, &ciphertext].concat()))
    }

    /// Decrypts what was sealed for this context, with either key.
    ///
    /// # Errors
    /// See [`Unreadable`].
    pub fn open(&self, context: &str, sealed: &Sealed) -> Result<Opened, Unreadable> {
        if let Some(secret) = opened(&self.current, context, sealed) {
            return Ok(Opened { secret, is_stale: false });
        }
        let previous = self.previous.as_ref().ok_or(Unreadable)?;
        let secret = opened(previous, context, sealed).ok_or(Unreadable)?;
        Ok(Opened { secret, is_stale: true })
    }
}

fn cipher(key: &RootKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new((&*key.derive("seal", &[])).into())
}

fn opened(key: &RootKey, context: &str, sealed: &Sealed) -> Option<Secret> {
    let (version, rest) = sealed.0.split_first()?;
    let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES)?;
    let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).ok()?;
    let payload = Payload { msg: ciphertext, aad: context.as_bytes() };
    let plain = cipher(key).decrypt(&XNonce::from(nonce), payload).ok().map(Zeroizing::new)?;
    (*version == VERSION).then_some(())?;
    Some(Secret::new(std::str::from_utf8(&plain).ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(current: u8, previous: Option<u8>) -> Keyring {
        let key = |byte| RootKey(Zeroizing::new([byte; 32]));
        Keyring { current: key(current), previous: previous.map(key) }
    }

    fn seal(keys: &Keyring, context: &str) -> Sealed {
        keys.seal(context, &Secret::new("a refresh token".into())).expect("there is randomness")
    }

    #[test]
    fn a_sealed_secret_opens_in_its_context_only() {
        let keys = keyring(1, None);
        let sealed = seal(&keys, "link/fabrikam");
        let opened = keys.open("link/fabrikam", &sealed).expect("it is the same context");
        assert_eq!(opened.secret.expose(), "a refresh token");
        assert!(!opened.is_stale);
        assert_eq!(keys.open("link/contoso", &sealed).err(), Some(Unreadable));
    }

    #[test]
    fn the_previous_key_opens_during_a_rotation_and_marks_it_stale() {
        let sealed = seal(&keyring(1, None), "x");
        let opened = keyring(2, Some(1)).open("x", &sealed).expect("the previous key opens it");
        assert!(opened.is_stale);
        assert_eq!(keyring(2, None).open("x", &sealed).err(), Some(Unreadable));
    }

    #[test]
    fn every_changed_byte_is_detected() {
        let keys = keyring(1, None);
        let sealed = seal(&keys, "x");
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            assert!(keys.open("x", &changed).is_err(), "byte {at}");
            assert!(keys.open("x", &Sealed(sealed.0[..at].to_vec())).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn ciphertexts_differ_and_contain_no_plain_text() {
        let keys = keyring(1, None);
        let (one, other) = (seal(&keys, "x"), seal(&keys, "x"));
        assert_ne!(one, other);
        assert!(!String::from_utf8_lossy(&one.0).contains("refresh"));
    }
}
