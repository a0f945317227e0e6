//! A certificate with which the app authenticates itself: its key signs a short-lived assertion, so
//! that no password is sent.
//!
//! Sources: RFC 7523 §3; Microsoft Learn, "Certificate credentials" (PS256, `x5t#S256`, and the
//! token endpoint as audience).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// Entra accepts at most ten minutes; half of that allows for clocks that differ.
const ASSERTION_LIFE: Duration = Duration::from_secs(5 * 60);

/// An RSA key and the thumbprint of its certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: EncodingKey,
    thumbprint: String,
}

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("it contains no private key (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    #[error("its private key is encrypted; store it unencrypted")]
    EncryptedKey,
    #[error("its private key is not an RSA key in PEM")]
    BadKey,
    #[error("it contains no certificate (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    #[error("its certificate is not PEM")]
    BadCertificate,
    #[error("its private key belongs to another certificate")]
    Mismatch,
}

impl Certificate {
    /// Reads a key (PKCS#8 or PKCS#1) and a certificate, each in PEM; both may be in one text. Of a
    /// chain, the first certificate is used.
    ///
    /// # Errors
    /// One of them is missing or unusable, or they do not belong together.
    pub fn from_pem(key: &Secret, certificate: &str) -> Result<Self, CertificateError> {
        let key = private_key(key.expose())?;
        let der = block(certificate, "CERTIFICATE").ok_or(CertificateError::NoCertificate)?;
        let encoded: String = der.lines().skip(1).filter(|line| !line.starts_with('-')).collect();
        let encoded: String = encoded.split_whitespace().collect();
        let der = STANDARD.decode(encoded).map_err(|_| CertificateError::BadCertificate)?;
        if !contains(&der, &modulus(&key)?) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { key, thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&der)) })
    }

    /// A new assertion for this token endpoint; none if the key cannot sign.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        endpoint: &Url,
        now: Timestamp,
    ) -> Option<Secret> {
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(self.thumbprint.clone());
        let claims = Claims {
            aud: endpoint.as_str(),
            iss: client_id,
            sub: client_id,
            jti: uuid::Uuid::now_v7().to_string(),
            nbf: seconds(now),
            iat: seconds(now),
            exp: seconds(now.plus(ASSERTION_LIFE)),
        };
        jsonwebtoken::encode(&header, &claims, &self.key).ok().map(Secret::new)
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

fn seconds(at: Timestamp) -> i64 {
    at.ms().div_euclid(1_000)
}

fn private_key(pem: &str) -> Result<EncodingKey, CertificateError> {
    if block(pem, "ENCRYPTED PRIVATE KEY").is_some() || pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(CertificateError::EncryptedKey);
    }
    let found = block(pem, "PRIVATE KEY").or_else(|| block(pem, "RSA PRIVATE KEY"));
    let found = found.ok_or(CertificateError::NoKey)?;
    EncodingKey::from_rsa_pem(found.as_bytes()).map_err(|_| CertificateError::BadKey)
}

/// The first PEM block of this label, including its first and last line (RFC 7468).
fn block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let from = pem.find(&begin)?;
    let rest = pem.get(from..)?;
    rest.get(..rest.find(&end)? + end.len())
}

/// The modulus of the key pair. Computing it also shows that the key is complete.
fn modulus(key: &EncodingKey) -> Result<Vec<u8>, CertificateError> {
    let public = Jwk::from_encoding_key(key, Algorithm::PS256);
    let Ok(AlgorithmParameters::RSA(public)) = public.map(|public| public.algorithm) else {
        return Err(CertificateError::BadKey);
    };
    URL_SAFE_NO_PAD.decode(public.n).map_err(|_| CertificateError::BadKey)
}

/// Whether the certificate belongs to the key. Its DER contains the modulus of its key unchanged,
/// so no ASN.1 has to be parsed.
fn contains(der: &[u8], modulus: &[u8]) -> bool {
    !modulus.is_empty() && der.windows(modulus.len()).any(|window| window == modulus)
}
