//! Callbacks of CI systems: who sent one, and which runs it mentions.
//!
//! A callback is a hint: the run is polled at once, and the answer to that counts. So a replayed
//! one does no harm.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::domain::id::RunId;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// A signed time may differ from now by so much (Standard Webhooks, and Buildkite's documentation).
const AGE_MAX: Duration = Duration::from_secs(300);

/// A callback as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Callback<'a> {
    pub headers: &'a [(String, String)],
    pub body: &'a [u8],
    pub now: Timestamp,
}

/// A run, as a callback names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mentioned {
    Run(RunId),
    /// By its id at the CI.
    AtCi(String),
}

/// Why a callback is not obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    #[error("its signature or token is missing or wrong")]
    Unauthorized,
    #[error("its signature is older than 5 minutes")]
    TooOld,
    #[error("this CI is configured without callbacks: set webhook_secret")]
    Unexpected,
}

impl Callback<'_> {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(self.body).unwrap_or(Value::Null)
    }
}

/// How a CI proves that it sent a callback (docs/ci.md, "Callbacks").
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Standard Webhooks: `webhook-signature` over `id.timestamp.body`; secrets are `whsec_…`.
    StandardWebhooks,
    /// `X-Hub-Signature-256: sha256=` and hex over the body.
    HubSignature256,
    /// Hex over the body in this header, perhaps with the name of a scheme before it: `v1=`. There
    /// may be several, separated by commas, as CircleCI sends them.
    HmacSha256 { header: String },
    /// `X-Buildkite-Signature: timestamp=…,signature=` and hex over `timestamp.body`.
    Buildkite,
    /// This header is the secret.
    Token { header: String },
}

impl Scheme {
    /// Checks a callback with secrets, of which there are two while one is rotated.
    ///
    /// # Errors
    /// It is not proved that the CI sent it, or sent it lately.
    pub fn verify(&self, secrets: &[Secret], callback: &Callback<'_>) -> Result<(), CallbackError> {
        let header = |name: &str| callback.header(name).ok_or(CallbackError::Unauthorized);
        let any = |is_right: &dyn Fn(&[u8]) -> bool| {
            let proved = secrets.iter().any(|secret| is_right(secret.expose().as_bytes()));
            if proved { Ok(()) } else { Err(CallbackError::Unauthorized) }
        };
        match self {
            Self::HubSignature256 => {
                let given = header("x-hub-signature-256")?;
                let given = given.strip_prefix("sha256=").ok_or(CallbackError::Unauthorized)?;
                any(&|key| is_hex_of(key, &[callback.body], given))
            }
            Self::HmacSha256 { header: name } => {
                let given = header(name)?;
                let signatures = given.split(',').filter_map(|one| one.rsplit('=').next());
                any(&|key| signatures.clone().any(|hex| is_hex_of(key, &[callback.body], hex)))
            }
            Self::Token { header: name } => {
                let given = header(name)?.as_bytes();
                any(&|key| {
                    // Compared as digests: the time does not depend on where they differ.
                    is_equal(&digest(key, &[b"token"]), &digest(given, &[b"token"]))
                })
            }
            Self::Buildkite => {
                let given = header("x-buildkite-signature")?;
                let part =
                    |name: &str| given.split(',').find_map(|part| part.trim().strip_prefix(name));
                let (Some(at), Some(signature)) = (part("timestamp="), part("signature=")) else {
                    return Err(CallbackError::Unauthorized);
                };
                any(&|key| is_hex_of(key, &[at.as_bytes(), b".", callback.body], signature))?;
                is_recent(at, callback.now)
            }
            Self::StandardWebhooks => {
                let (id, at) = (header("webhook-id")?, header("webhook-timestamp")?);
                let parts = [id.as_bytes(), b".", at.as_bytes(), b".", callback.body];
                let given = header("webhook-signature")?;
                any(&|key| {
                    let key = key.strip_prefix(b"whsec_").and_then(|key| STANDARD.decode(key).ok());
                    let Some(key) = key else { return false };
                    let expected = digest(&key, &parts);
                    given.split(' ').filter_map(|one| one.strip_prefix("v1,")).any(|one| {
                        STANDARD.decode(one).is_ok_and(|given| is_equal(&expected, &given))
                    })
                })?;
                is_recent(at, callback.now)
            }
        }
    }
}

fn digest(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC accepts keys of any length")
    };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// HMAC-SHA-256 over the parts, in hex.
pub(in crate::ci) fn hex_hmac(key: &[u8], parts: &[&[u8]]) -> String {
    digest(key, parts).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Takes the same time wherever they differ.
fn is_equal(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

fn is_hex_of(key: &[u8], parts: &[&[u8]], given: &str) -> bool {
    let expected = hex_hmac(key, parts);
    is_equal(expected.as_bytes(), given.trim().to_ascii_lowercase().as_bytes())
}

fn is_recent(at_s: &str, now: Timestamp) -> Result<(), CallbackError> {
    let at_s: i64 = at_s.trim().parse().map_err(|_| CallbackError::Unauthorized)?;
    let at = Timestamp::from_ms(at_s.saturating_mul(1_000));
    match at.since(now).max(now.since(at)) <= AGE_MAX {
        true => Ok(()),
        false => Err(CallbackError::TooOld),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_614_265_330_000);
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn verified(scheme: &Scheme, secret: &str, headers: &[(&str, &str)]) -> Result<(), String> {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let callback = Callback { headers: &headers, body: BODY, now: NOW };
        let secrets = [Secret::new("older".to_owned()), Secret::new(secret.to_owned())];
        scheme.verify(&secrets, &callback).map_err(|error| error.to_string())
    }

    #[test]
    fn each_scheme_accepts_its_signature_only() {
        let hex: String = digest(b"key", &[BODY]).iter().map(|b| format!("{b:02x}")).collect();
        let timed: String =
            digest(b"key", &[b"1614265330.", BODY]).iter().map(|b| format!("{b:02x}")).collect();
        let hub = format!("sha256={hex}");
        let buildkite = format!("timestamp=1614265330,signature={timed}");
        let hmac = || Scheme::HmacSha256 { header: "Authorization".into() };
        let versions = format!("v1={hex}, v2=00");
        let token = Scheme::Token { header: "X-Gitlab-Token".into() };
        for (scheme, header, value) in [
            (Scheme::HubSignature256, "x-hub-signature-256", hub.as_str()),
            (hmac(), "authorization", &hex),
            (hmac(), "authorization", &hub),
            (hmac(), "authorization", &versions),
            (token, "x-gitlab-token", "key"),
            (Scheme::Buildkite, "X-Buildkite-Signature", &buildkite),
        ] {
            assert_eq!(verified(&scheme, "key", &[(header, value)]), Ok(()), "{scheme:?}");
            for (secret, header, value) in
                [("other", header, value), ("key", "x-other", value), ("key", header, "sha256=0")]
            {
                assert!(verified(&scheme, secret, &[(header, value)]).is_err(), "{scheme:?}");
            }
        }
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn standard_webhooks_are_verified_as_specified() {
        let scheme = Scheme::StandardWebhooks;
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let headers = [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", "v1,x v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
        ];
        assert_eq!(verified(&scheme, secret, &headers), Ok(()));
        assert!(verified(&scheme, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx", &headers).is_err());
        assert!(verified(&scheme, secret, &headers[1..]).is_err());
    }

    #[test]
    fn an_old_signature_is_refused() {
        let at = NOW.ms() / 1_000 - 301;
        let signed: String = digest(b"key", &[format!("{at}.").as_bytes(), BODY])
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let value = format!("timestamp={at},signature={signed}");
        let refused = verified(&Scheme::Buildkite, "key", &[("x-buildkite-signature", &value)]);
        assert_eq!(refused, Err("its signature is older than 5 minutes".to_owned()));
    }
}
