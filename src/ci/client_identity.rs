//! The certificate that the gateway shows to a CI that asks for one.

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::secret::Secret;

/// A certificate and its private key, which belong together.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// Both, PEM.
    pem: Secret,
}

/// Which of the two is unfit, and why: a clause.
#[derive(Debug, PartialEq, Eq)]
pub enum Unfit {
    Certificate(&'static str),
    Key(&'static str),
}

impl ClientIdentity {
    /// Reads both, PEM. The certificate may be followed by those that lead to its authority.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn parse(certificate: &Secret, key: &Secret) -> Result<Self, Unfit> {
        let unreadable = Unfit::Certificate("has no certificate (-----BEGIN CERTIFICATE-----)");
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(certificate.expose().as_bytes()).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(unreadable)?;
        let pem = key.expose();
        if pem.contains("ENCRYPTED") {
            return Err(Unfit::Key("has a private key with a password"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| Unfit::Key("has no private key (-----BEGIN PRIVATE KEY-----)"))?;
        match CertifiedKey::from_der(chain, key, &default_provider()) {
            Ok(_) => {
                let both = format!("{}\n{pem}", certificate.expose());
                Ok(Self { pem: Secret::new(both) })
            }
            Err(rustls::Error::InconsistentKeys(_)) => {
                Err(Unfit::Key("is not the key of client_certificate"))
            }
            Err(rustls::Error::InvalidCertificate(_)) => {
                Err(Unfit::Certificate("has a certificate that cannot be read"))
            }
            Err(_) => Err(Unfit::Key("has a private key that cannot be read")),
        }
    }

    pub(super) fn for_client(&self) -> reqwest::Result<reqwest::Identity> {
        reqwest::Identity::from_pem(self.pem.expose().as_bytes())
    }
}
