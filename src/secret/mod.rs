//! Values that must never be seen, and everything that is derived from the root key.
//!
//! A secret prints as `[secret]` and is wiped when dropped. Hook passwords and report tokens are
//! HMACs of what they are for, so any replica verifies them without a look-up and nothing readable
//! is stored. It must never know who asks.

mod seal;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::domain::id::RunId;

pub use seal::{Opened, Sealed, Unreadable};

/// Text that is shown to nobody.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself: only for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in constant time, the length included.
    pub fn is(&self, candidate: &str) -> Choice {
        Sha256::digest(self.0.as_bytes()).ct_eq(&Sha256::digest(candidate.as_bytes()))
    }

    /// Compares in constant time where the lengths are equal; for texts whose length is known.
    pub fn is_exactly(&self, candidate: &[u8]) -> Choice {
        self.0.as_bytes().ct_eq(candidate)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

/// 32 random bytes that everything else is derived from.
#[derive(Clone)]
pub struct RootKey(Zeroizing<[u8; 32]>);

impl RootKey {
    /// Reads base64, with padding.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = Zeroizing::new(
            STANDARD.decode(text.trim()).map_err(|_| "it is not base64".to_owned())?,
        );
        let bytes = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| format!("it has {} bytes, and 32 are needed", bytes.len()))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A new one.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// As the configuration wants it.
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0.as_slice()))
    }

    /// HMAC-SHA-256 over the parts, each preceded by its length so that none runs into the next.
    fn derive(&self, purpose: &str, parts: &[&str]) -> Zeroizing<[u8; 32]> {
        // An HMAC key may have any length, so this cannot fail with 32 bytes.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in [purpose].iter().chain(parts) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Zeroizing::new(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

/// The root key, and while it is being rotated the one before, which still verifies.
#[derive(Clone, Debug)]
pub struct Keyring {
    pub current: RootKey,
    pub previous: Option<RootKey>,
}

/// What a report token begins with, so that secret scanners can recognise one.
const REPORT_TOKEN_PREFIX: &str = "azgwr_";

impl Keyring {
    /// The password of a hook: Azure DevOps sends it with every delivery (user `azure-devops`).
    pub fn hook_password(&self, organization: &str, hook: &str) -> Secret {
        hook_password(&self.current, organization, hook)
    }

    /// What tells in the name of a hook under which key its password is derived: eight hexadecimal
    /// digits that say nothing else.
    pub fn hook_tag(&self, organization: &str, untagged: &str) -> String {
        let organization = organization.to_ascii_lowercase();
        let bytes = self.current.derive("hook tag", &[&organization, untagged]);
        bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `candidate` is the password of that hook, under either key.
    pub fn verifies_hook(&self, organization: &str, hook: &str, candidate: &str) -> bool {
        self.verifies(candidate, |key| hook_password(key, organization, hook))
    }

    /// The token with which a CI reports on one run and nothing else.
    pub fn report_token(&self, run: RunId) -> Secret {
        report_token(&self.current, run)
    }

    /// Whether `candidate` is the report token of that run, under either key.
    pub fn verifies_report(&self, run: RunId, candidate: &str) -> bool {
        self.verifies(candidate, |key| report_token(key, run))
    }

    /// Both keys are always tried, so that the time taken does not tell which one it was.
    fn verifies(&self, candidate: &str, secret: impl Fn(&RootKey) -> Secret) -> bool {
        let previous = self.previous.as_ref().unwrap_or(&self.current);
        let matched = secret(&self.current).is(candidate) | secret(previous).is(candidate);
        matched.into()
    }
}

fn hook_password(key: &RootKey, organization: &str, hook: &str) -> Secret {
    let organization = organization.to_ascii_lowercase();
    let bytes = key.derive("hook", &[&organization, hook]);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn report_token(key: &RootKey, run: RunId) -> Secret {
    let bytes = key.derive("report", &[&run.to_string()]);
    Secret::new(format!("{REPORT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> RootKey {
        RootKey(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn both_keys_verify_while_rotating() {
        let before = Keyring { current: key(1), previous: None };
        let password = before.hook_password("Fabrikam", "push");
        let during = Keyring { current: key(2), previous: Some(key(1)) };
        assert!(during.verifies_hook("fabrikam", "push", password.expose()));
        assert!(during.verifies_hook(
            "fabrikam",
            "push",
            during.hook_password("fabrikam", "push").expose()
        ));
        let after = Keyring { current: key(2), previous: None };
        assert!(!after.verifies_hook("fabrikam", "push", password.expose()));
    }

    #[test]
    fn a_password_is_good_for_its_hook_only() {
        let keys = Keyring { current: key(1), previous: None };
        let password = keys.hook_password("ab", "c");
        assert!(!keys.verifies_hook("a", "bc", password.expose()));
        assert!(!keys.verifies_hook("ab", "d", password.expose()));
        assert!(!keys.verifies_hook("ab", "c", ""));
    }

    #[test]
    fn nothing_prints_a_secret() {
        let keys = Keyring { current: key(7), previous: Some(key(8)) };
        let printed = format!("{keys:?} {:?}", keys.hook_password("a", "b"));
        assert!(!printed.contains('7') && !printed.contains('8'), "{printed}");
    }
}
