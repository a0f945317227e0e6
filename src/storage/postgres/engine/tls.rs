//! TLS to the database: which certificates are accepted follows `sslmode` as libpq defines it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore,
    SignatureScheme,
};
use rustls_platform_verifier::ConfigVerifierExt;

use crate::storage::{Error, TlsMode};

/// The settings of TLS. Errors say what to do.
pub(crate) fn client_config(mode: TlsMode, ca_file: Option<&Path>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::unavailable(format!("TLS cannot be set up: {error}")))
    };
    let roots = ca_file.map(roots).transpose()?;
    match (mode, roots) {
        (TlsMode::VerifyFull, Some(roots)) => {
            Ok(builder()?.with_root_certificates(roots).with_no_client_auth())
        }
        (TlsMode::VerifyFull, None) => {
            // The default provider may be set already: then it is the same one.
            drop(aws_lc_rs::default_provider().install_default());
            ClientConfig::with_platform_verifier().map_err(|error| {
                Error::unavailable(format!(
                    "the certificates of the system cannot be read: {error}: set storage.ca_file"
                ))
            })
        }
        (TlsMode::VerifyCa | TlsMode::Require, Some(roots)) => {
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                    .build()
                    .map_err(|error| {
                        Error::unavailable(format!("storage.ca_file cannot be used: {error}"))
                    })?;
            let verifier = Arc::new(AnyHost { verifier });
            let builder = builder()?.dangerous();
            Ok(builder.with_custom_certificate_verifier(verifier).with_no_client_auth())
        }
        (TlsMode::VerifyCa, None) => Err(Error::unavailable(
            "sslmode=verify-ca needs storage.ca_file: set it, or write sslmode=verify-full",
        )),
        (TlsMode::Disable | TlsMode::Prefer | TlsMode::Require, _) => {
            let verifier = Arc::new(AnyCertificate(provider.clone()));
            let builder = builder()?.dangerous();
            Ok(builder.with_custom_certificate_verifier(verifier).with_no_client_auth())
        }
    }
}

fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let failed = |why: String| {
        let path = path.display();
        Error::unavailable(format!(
            "storage.ca_file {path} cannot be read: {why}: name a file with certificates in PEM"
        ))
    };
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(failed("it holds no certificate".into())),
        false => Ok(roots),
    }
}

/// Checks who signed a certificate, and not for which host: `verify-ca`.
#[derive(Debug)]
struct AnyHost {
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyHost {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        // The host is checked last, so whatever else is wrong is found before.
        match self.verifier.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Accepts every certificate: `prefer` and `require` protect against listening only.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
