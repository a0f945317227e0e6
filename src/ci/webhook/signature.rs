//! Standard Webhooks signatures: they prove who sent a trigger, and when.
//!
//! Source: the Standard Webhooks specification, "Signature scheme": HMAC-SHA-256 over
//! `id.timestamp.body`, base64, prefixed `v1,`; several, separated by spaces, during the
//! rotation of a secret.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The prefix of every secret.
const PREFIX: &str = "whsec_";

/// 24 to 64 bytes that the gateway shares with one CI.
#[derive(Clone)]
pub struct SigningSecret(Zeroizing<Vec<u8>>);

impl SigningSecret {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// What is wrong with the text, without showing it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let encoded = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or_else(|| format!("it does not begin with {PREFIX}"))?;
        let bytes = Zeroizing::new(
            STANDARD.decode(encoded).map_err(|_| format!("what follows {PREFIX} is not base64"))?,
        );
        if !(24..=64).contains(&bytes.len()) {
            return Err(format!("it has {} bytes instead of 24 to 64", bytes.len()));
        }
        Ok(Self(bytes))
    }

    /// A new secret, as text.
    ///
    /// # Errors
    /// The operating system has no randomness.
    pub fn generate() -> Result<Secret, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes.as_slice()))))
    }

    fn sign(&self, id: &str, timestamp_s: i64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC accepts keys of any length")
        };
        mac.update(format!("{id}.{timestamp_s}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[secret]")
    }
}

/// The value of `webhook-signature`: one signature per secret.
pub fn signatures(secrets: &[SigningSecret], id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let signed: Vec<_> = secrets.iter().map(|secret| secret.sign(id, timestamp_s, body)).collect();
    signed.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification.
    #[test]
    fn signs_as_the_specification_does() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signatures(
            &[secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn rejects_texts_that_are_no_secret() {
        for (text, why) in
            [("s3cret", "whsec_"), ("whsec_!", "base64"), ("whsec_c2hvcnQ=", "5 bytes")]
        {
            let refusal = SigningSecret::parse(text).unwrap_err();
            assert!(refusal.contains(why), "{refusal}");
        }
    }
}
