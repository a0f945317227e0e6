//! How the app authenticates itself at the token endpoint: the fields that it adds to the form.
//!
//! Sources: RFC 6749 §2.3.1, RFC 7523 §2.2; Microsoft Learn, "Client credentials flow".

use std::io::Read as _;
use std::path::{Path, PathBuf};

use url::Url;

use super::certificate::Certificate;
use super::error::Error;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// Marks `client_assertion` as a JWT (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// A projected token has about 1 KiB.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;

/// See the module.
#[derive(Clone, Debug)]
pub enum ClientAuthentication {
    /// One secret, or two while it is rotated: if one is refused, the next is tried.
    Secrets(Vec<Secret>),
    /// Signs a new assertion for every request.
    Certificate(Certificate),
    /// A token of another issuer that the app registration trusts, such as a Kubernetes cluster.
    /// Its file is read for every request, because it is replaced about once an hour.
    Federated { token_file: PathBuf },
}

/// A field name and its secret value.
pub(super) type Field = (&'static str, Secret);

impl ClientAuthentication {
    /// The fields of each attempt, in the order in which to try them; at least one attempt.
    pub(super) async fn attempts(
        &self,
        client_id: &str,
        endpoint: &Url,
        now: Timestamp,
    ) -> Result<Vec<Vec<Field>>, Error> {
        let assertion = match self {
            Self::Secrets(secrets) if secrets.is_empty() => {
                let advice = "no client secret is set; put one in [organization.credential] \
                              client_secret";
                return Err(Error::configuration("client_secret", advice.to_owned()));
            }
            Self::Secrets(secrets) => {
                let attempt = |secret: &Secret| vec![("client_secret", secret.clone())];
                return Ok(secrets.iter().map(attempt).collect());
            }
            Self::Certificate(certificate) => {
                certificate.assertion(client_id, endpoint, now).ok_or_else(|| {
                    let advice = "the private key of the certificate cannot sign; it has to be an \
                                  RSA key of at least 2048 bits";
                    Error::configuration("certificate", advice.to_owned())
                })?
            }
            Self::Federated { token_file } => read_token(token_file).await?,
        };
        let kind = Secret::new(ASSERTION_TYPE.to_owned());
        Ok(vec![vec![("client_assertion_type", kind), ("client_assertion", assertion)]])
    }
}

async fn read_token(path: &Path) -> Result<Secret, Error> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<String> {
        let mut text = String::new();
        std::fs::File::open(owned)?.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    });
    let problem = match read.await {
        Ok(Ok(text)) if !text.trim().is_empty() => {
            return Ok(Secret::new(text.trim().to_owned()));
        }
        Ok(Ok(_)) => "it is empty".to_owned(),
        Ok(Err(error)) => error.kind().to_string(),
        Err(_) => "reading it was aborted".to_owned(),
    };
    let advice = format!(
        "the token file {} cannot be read ({problem}); give the pod a service account with \
         workload identity, or correct token_file",
        path.display()
    );
    Err(Error::configuration("token_file", advice))
}
