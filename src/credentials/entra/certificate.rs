//! A certificate by which the app proves itself: it signs a short-lived assertion instead of
//! sending a password.
//!
//! Sources: RFC 7523 §3; Microsoft Learn, "Certificate credentials" (PS256, `x5t#S256`, and an
//! audience that is the token endpoint). It must never know what the assertion is used for.

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

/// Entra wants at most ten minutes; half of that leaves room for clocks that differ.
const ASSERTION_LIFE: Duration = Duration::from_secs(5 * 60);

/// An RSA key and the thumbprint of its certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: EncodingKey,
    thumbprint: String,
}

/// Why a certificate cannot be used. It shows nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("it holds no private key (`-----BEGIN PRIVATE KEY-----`)")]
    NoKey,
    #[error("its private key is encrypted, and an unencrypted one is needed")]
    EncryptedKey,
    #[error("its private key is no RSA key in PEM")]
    BadKey,
    #[error("it holds no certificate (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate,
    #[error("its certificate is no PEM")]
    BadCertificate,
    #[error("its private key belongs to another certificate")]
    Mismatch,
}

impl Certificate {
    /// Reads a key (PKCS#8 or PKCS#1) and a certificate, each in PEM; both may stand in one text.
    /// Of a chain the first certificate counts.
    ///
    /// # Errors
    /// One of them is missing or unusable, or they do not belong together.
    pub fn from_pem(key: &Secret, certificate: &str) -> Result<Self, CertificateError> {
        let key = private_key(key.expose())?;
        let der = block(certificate, "CERTIFICATE").ok_or(CertificateError::NoCertificate)?;
        let encoded: String = der.lines().skip(1).filter(|line| !line.starts_with('-')).collect();
        let encoded: String = encoded.split_whitespace().collect();
        let der = STANDARD.decode(encoded).map_err(|_| CertificateError::BadCertificate)?;
        if !holds(&der, &modulus(&key)?) {
            return Err(CertificateError::Mismatch);
        }
        Ok(Self { key, thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(&der)) })
    }

    /// A fresh assertion for this token endpoint, or nothing if the key signs nothing.
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

/// The first PEM block of this label, with its frame (RFC 7468).
fn block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let from = pem.find(&begin)?;
    let rest = pem.get(from..)?;
    rest.get(..rest.find(&end)? + end.len())
}

/// What makes the key pair unique. That it can be computed shows that the key is whole.
fn modulus(key: &EncodingKey) -> Result<Vec<u8>, CertificateError> {
    let public = Jwk::from_encoding_key(key, Algorithm::PS256);
    let Ok(AlgorithmParameters::RSA(public)) = public.map(|public| public.algorithm) else {
        return Err(CertificateError::BadKey);
    };
    URL_SAFE_NO_PAD.decode(public.n).map_err(|_| CertificateError::BadKey)
}

/// A certificate holds the modulus of its key as it is, so no ASN.1 has to be read for this.
fn holds(der: &[u8], modulus: &[u8]) -> bool {
    !modulus.is_empty() && der.windows(modulus.len()).any(|window| window == modulus)
}
