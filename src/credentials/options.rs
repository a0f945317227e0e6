//! What the operator sets about our identity. It must never know the file that it came from.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// `[organization.credential]`.
#[derive(Clone, Debug)]
pub enum Options {
    /// A person's or robot's account in Entra, linked through a browser; mints PATs.
    ServiceUser(ServiceUser),
    /// An app of Entra that is a member of the organization itself.
    ServicePrincipal { app: App, proof: Proof },
    /// The identity of the machine that the gateway runs on.
    ManagedIdentity {
        /// Of a user-assigned identity; none for that of the machine.
        client_id: Option<String>,
        /// Of the machine's metadata service; `http://169.254.169.254`.
        endpoint_url: Url,
    },
    /// An app of Entra that trusts tokens of the platform that the gateway runs on.
    WorkloadIdentity { app: App, token_file: PathBuf },
    /// A personal access token made by hand: for Azure DevOps Server and first trials.
    Pat { token: Secret },
}

/// An app registration in Entra.
#[derive(Clone, Debug)]
pub struct App {
    /// `https://login.microsoftonline.com`; without a trailing slash.
    pub authority_url: Url,
    pub tenant_id: String,
    pub client_id: String,
}

/// How an app proves itself.
#[derive(Clone, Debug)]
pub enum Proof {
    /// One client secret, or two while they are being exchanged; the first is tried first.
    Secrets(Vec<Secret>),
    /// A certificate and its private key, both PEM, in one text.
    Certificate(Secret),
}

/// `kind = "service_user"`.
#[derive(Clone, Debug)]
pub struct ServiceUser {
    pub app: App,
    /// One, or two while they are being exchanged.
    pub client_secrets: Vec<Secret>,
    /// When the client secret ends, as far as the operator told.
    pub client_secret_expires: Option<Timestamp>,
    /// The only account that may be linked.
    pub expected_user: Option<String>,
    pub pat_use: PatUse,
    pub pat_lifetime: Duration,
    /// Whether PATs are minted before they are asked for.
    pub mint_ahead: bool,
}

/// How minted PATs are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatUse {
    /// One PAT, one call.
    Single,
    /// One PAT per scope for its lifetime.
    Window,
}
