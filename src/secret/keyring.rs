//! The root key, and the hook passwords, report tokens and proofs that are derived from it.
//!
//! They are HMACs of what they are for, so any replica can verify them without a look-up, and none
//! is stored.

use std::fmt;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::value::Secret;
use crate::domain::id::RunId;

/// 32 random bytes from which passwords, tokens and encryption keys are derived.
#[derive(Clone)]
pub struct RootKey(pub(super) Zeroizing<[u8; 32]>);

impl RootKey {
    /// Reads base64, with padding.
    ///
    /// # Errors
    /// What is wrong with the text, without showing it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = Zeroizing::new(
            STANDARD.decode(text.trim()).map_err(|_| "it is not base64".to_owned())?,
        );
        let bytes = <[u8; 32]>::try_from(bytes.as_slice())
            .map_err(|_| format!("it has {} bytes instead of 32", bytes.len()))?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// A new key.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// In base64, as the configuration expects it.
    pub fn to_base64(&self) -> Secret {
        Secret::new(STANDARD.encode(self.0.as_slice()))
    }

    /// HMAC-SHA-256 over the parts, each preceded by its length: ("ab", "c") and ("a", "bc")
    /// differ.
    pub(super) fn derive(&self, purpose: &str, parts: &[&str]) -> Zeroizing<[u8; 32]> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_slice()) else {
            unreachable!("HMAC accepts keys of any length")
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

fn eight_digits(bytes: &[u8; 32]) -> String {
    bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// The root key, and during a rotation the previous one, which still verifies and decrypts.
#[derive(Clone, Debug)]
pub struct Keyring {
    pub current: RootKey,
    pub previous: Option<RootKey>,
}

/// The prefix of report tokens, by which secret scanners can recognise them.
const REPORT_TOKEN_PREFIX: &str = "azgwr_";
/// The prefix of the ids of leases.
const LEASE_PREFIX: &str = "azgwl_";
/// Ends the number in the tokens of leases. Not a character of base64.
const NUMBER_END: char = '.';
/// Ends the project in the password of a hook that is made by hand for one project. Not a character
/// of base64.
const PROJECT_END: char = '.';

impl Keyring {
    /// The password of a hook, which Azure DevOps sends with every delivery (user `azure-devops`).
    pub fn hook_password(&self, organization: &str, hook: &str) -> Secret {
        hook_password(&self.current, organization, hook)
    }

    /// The password of a hook that is made by hand for one project, its name or its GUID. The
    /// password contains the project, so that any replica reads what its deliveries may be about.
    pub fn hook_password_of_project(
        &self,
        organization: &str,
        hook: &str,
        project: &str,
    ) -> Secret {
        hook_password_of_project(&self.current, organization, hook, project)
    }

    /// Part of a hook's name: eight hexadecimal digits that change with the root key, so that the
    /// name shows which key its password is derived from.
    pub fn hook_tag(&self, organization: &str, untagged: &str) -> String {
        let organization = organization.to_ascii_lowercase();
        eight_digits(&self.current.derive("hook tag", &[&organization, untagged]))
    }

    /// Eight hexadecimal digits that tell these texts from others.
    pub fn fingerprint(&self, of: &[&str]) -> String {
        eight_digits(&self.current.derive("fingerprint", of))
    }

    /// Whether `candidate` is a password of that hook, under either key.
    pub fn verifies_hook(&self, organization: &str, hook: &str, candidate: &str) -> bool {
        let project = project_of(candidate);
        self.verifies(candidate, |key| match &project {
            Some(project) => hook_password_of_project(key, organization, hook, project),
            None => hook_password(key, organization, hook),
        })
    }

    /// The token with which a CI reports on this run only.
    pub fn report_token(&self, run: RunId) -> Secret {
        report_token(&self.current, run)
    }

    /// The token with which a runner reports on a run that it has taken, under the lease with this
    /// number only. It contains the number.
    pub fn lease_report_token(&self, run: RunId, number: u32) -> Secret {
        lease_token(&self.current, REPORT_TOKEN_PREFIX, run, number)
    }

    /// The number of the lease under which `candidate` is a report token of that run; none where it
    /// is not one.
    pub fn verified_lease_report(&self, run: RunId, candidate: &str) -> Option<u32> {
        self.verified_lease(REPORT_TOKEN_PREFIX, run, candidate)
    }

    /// The id of a lease: whoever has it may renew the lease and end it. It contains the number.
    pub fn lease_id(&self, run: RunId, number: u32) -> Secret {
        lease_token(&self.current, LEASE_PREFIX, run, number)
    }

    /// The number of the lease whose id `candidate` is; none where it is not one of that run.
    pub fn verified_lease_id(&self, run: RunId, candidate: &str) -> Option<u32> {
        self.verified_lease(LEASE_PREFIX, run, candidate)
    }

    fn verified_lease(&self, prefix: &str, run: RunId, candidate: &str) -> Option<u32> {
        let (number, _) = candidate.strip_prefix(prefix)?.split_once(NUMBER_END)?;
        let number = number.parse().ok()?;
        self.verifies(candidate, |key| lease_token(key, prefix, run, number)).then_some(number)
    }

    /// Whether `candidate` is the report token of that run, under either key.
    pub fn verifies_report(&self, run: RunId, candidate: &str) -> bool {
        self.verifies(candidate, |key| report_token(key, run))
    }

    /// Proves to a caller who chose `challenge` that the gateway which it reached at `address` has
    /// the root key. The address keeps another process from answering with the proof of a gateway
    /// that listens elsewhere.
    pub fn gateway_proof(&self, challenge: &str, address: SocketAddr) -> Secret {
        gateway_proof(&self.current, challenge, address)
    }

    /// Whether `candidate` is that proof, under either key.
    pub fn verifies_gateway(&self, challenge: &str, address: SocketAddr, candidate: &str) -> bool {
        self.verifies(candidate, |key| gateway_proof(key, challenge, address))
    }

    /// Always tries both keys, so that the time taken does not show which one matched.
    fn verifies(&self, candidate: &str, secret: impl Fn(&RootKey) -> Secret) -> bool {
        let previous = self.previous.as_ref().unwrap_or(&self.current);
        let matched = secret(&self.current).is(candidate) | secret(previous).is(candidate);
        matched.into()
    }
}

/// The project, in lower case, that the password of a hook is bound to; none where it is bound to
/// no project.
pub fn project_of(hook_password: &str) -> Option<String> {
    let (project, _) = hook_password.split_once(PROJECT_END)?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(project).ok()?).ok()
}

fn hook_password(key: &RootKey, organization: &str, hook: &str) -> Secret {
    let organization = organization.to_ascii_lowercase();
    let bytes = key.derive("hook", &[&organization, hook]);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

fn hook_password_of_project(
    key: &RootKey,
    organization: &str,
    hook: &str,
    project: &str,
) -> Secret {
    let (organization, project) = (organization.to_ascii_lowercase(), project.to_lowercase());
    let bytes = key.derive("hook of a project", &[&organization, hook, &project]);
    let (project, code) =
        (URL_SAFE_NO_PAD.encode(project), URL_SAFE_NO_PAD.encode(bytes.as_slice()));
    Secret::new(format!("{project}{PROJECT_END}{code}"))
}

fn report_token(key: &RootKey, run: RunId) -> Secret {
    let bytes = key.derive("report", &[&run.to_string()]);
    Secret::new(format!("{REPORT_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

fn lease_token(key: &RootKey, prefix: &str, run: RunId, number: u32) -> Secret {
    let bytes = key.derive("lease", &[prefix, &run.to_string(), &number.to_string()]);
    let code = URL_SAFE_NO_PAD.encode(bytes.as_slice());
    Secret::new(format!("{prefix}{number}{NUMBER_END}{code}"))
}

fn gateway_proof(key: &RootKey, challenge: &str, address: SocketAddr) -> Secret {
    // One address has two spellings where a socket serves both versions of IP.
    let address = SocketAddr::new(address.ip().to_canonical(), address.port()).to_string();
    // A key of its own, since anybody chooses what is signed with it.
    let key = RootKey(key.derive("gateway proof", &[]));
    let bytes = key.derive("challenge", &[challenge, &address]);
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
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
        let new = during.hook_password("fabrikam", "push");
        for password in [&password, &new] {
            assert!(during.verifies_hook("fabrikam", "push", password.expose()));
        }
        let after = Keyring { current: key(2), previous: None };
        assert!(!after.verifies_hook("fabrikam", "push", password.expose()));
    }

    #[test]
    fn a_password_is_valid_for_its_hook_only() {
        let keys = Keyring { current: key(1), previous: None };
        let password = keys.hook_password("ab", "c");
        for (organization, hook, password) in
            [("a", "bc", password.expose()), ("ab", "d", password.expose()), ("ab", "c", "")]
        {
            assert!(!keys.verifies_hook(organization, hook, password));
        }
    }

    #[test]
    fn the_tokens_of_a_lease_are_for_that_lease_and_for_one_use() {
        let keys = Keyring { current: key(1), previous: None };
        let (run, other) = (RunId(uuid::Uuid::from_u128(1)), RunId(uuid::Uuid::from_u128(2)));
        let (id, token) = (keys.lease_id(run, 3), keys.lease_report_token(run, 3));
        assert_eq!(keys.verified_lease_id(run, id.expose()), Some(3));
        assert_eq!(keys.verified_lease_report(run, token.expose()), Some(3));
        assert_eq!(keys.verified_lease_id(other, id.expose()), None);
        assert_eq!(keys.verified_lease_id(run, token.expose()), None);
        assert_eq!(keys.verified_lease_report(run, id.expose()), None);
        assert_eq!(keys.verified_lease_id(run, &id.expose().replacen('3', "4", 1)), None);
        assert_eq!(keys.verified_lease_report(run, keys.report_token(run).expose()), None);
        let rotated = Keyring { current: key(2), previous: Some(key(1)) };
        assert_eq!(rotated.verified_lease_id(run, id.expose()), Some(3));
    }

    #[test]
    fn a_password_for_one_project_is_valid_for_that_project_only() {
        let keys = Keyring { current: key(1), previous: None };
        let verify = |password: &str| keys.verifies_hook("ab", "c", password);
        let password = keys.hook_password_of_project("AB", "c", "Tools & more");
        assert!(verify(password.expose()));
        assert_eq!(project_of(password.expose()).as_deref(), Some("tools & more"));
        assert!(!keys.verifies_hook("ab", "d", password.expose()));
        let (_, code) = password.expose().split_once('.').unwrap();
        let forged = format!("{}.{code}", URL_SAFE_NO_PAD.encode("fabrikam"));
        assert!(!verify(&forged) && !verify(code));
        let any = keys.hook_password("ab", "c");
        let bound = format!("{}.{}", URL_SAFE_NO_PAD.encode("fabrikam"), any.expose());
        assert!(verify(any.expose()) && !verify(&bound));
        assert_eq!(project_of(any.expose()), None);
    }

    #[test]
    fn a_proof_is_for_its_challenge_and_address() {
        let address = |text: &str| text.parse().unwrap();
        let keys = Keyring { current: key(1), previous: None };
        let proof = keys.gateway_proof("nonce", address("127.0.0.1:8080"));
        let is_verified = |challenge: &str, at: &str| {
            keys.verifies_gateway(challenge, address(at), proof.expose())
        };
        assert!(is_verified("nonce", "127.0.0.1:8080"));
        assert!(is_verified("nonce", "[::ffff:127.0.0.1]:8080"));
        assert!(!is_verified("another", "127.0.0.1:8080"));
        assert!(!is_verified("nonce", "127.0.0.1:8081"));
        assert!(!is_verified("nonce", "10.0.0.1:8080"));
        let rotated = Keyring { current: key(2), previous: Some(key(1)) };
        assert!(rotated.verifies_gateway("nonce", address("127.0.0.1:8080"), proof.expose()));
        let foreign = Keyring { current: key(2), previous: None };
        assert!(!foreign.verifies_gateway("nonce", address("127.0.0.1:8080"), proof.expose()));
    }

    #[test]
    fn debug_output_contains_no_key_and_no_password() {
        let keys = Keyring { current: key(7), previous: Some(key(8)) };
        let printed = format!("{keys:?} {:?}", keys.hook_password("a", "b"));
        assert!(!printed.contains('7') && !printed.contains('8'), "{printed}");
    }
}
