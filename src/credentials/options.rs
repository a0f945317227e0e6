//! The options of an organization's identity, wherever they were read from.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::entra;
use crate::domain::access::Access;
use crate::domain::time::Timestamp;
use crate::secret::Secret;

/// `[organization.credential]`.
#[derive(Clone, Debug)]
pub enum Options {
    /// An account in Entra, of a person or a robot, that an operator links in a browser. PATs are
    /// minted for it.
    ServiceUser(ServiceUser),
    /// An app registration of Entra that is itself a member of the organization.
    ServicePrincipal { app: App, credential: AppCredential },
    /// The identity that Azure gives to the machine.
    ManagedIdentity {
        /// The id of a user-assigned identity; none for the machine's own.
        client_id: Option<String>,
        /// The machine's metadata service: `http://169.254.169.254`.
        endpoint_url: Url,
    },
    /// An app registration of Entra that trusts tokens of the platform, such as a Kubernetes
    /// cluster.
    WorkloadIdentity { app: App, token_file: PathBuf },
    /// A PAT made by hand: for Azure DevOps Server and first trials.
    Pat { token: Secret },
}

impl Options {
    /// The value of `kind` in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Options::ServiceUser(_) => "service_user",
            Options::ServicePrincipal { .. } => "service_principal",
            Options::ManagedIdentity { .. } => "managed_identity",
            Options::WorkloadIdentity { .. } => "workload_identity",
            Options::Pat { .. } => "pat",
        }
    }
}

/// An app registration in Entra.
#[derive(Clone, Debug)]
pub struct App {
    /// `https://login.microsoftonline.com`, without a trailing slash.
    pub authority_url: Url,
    pub tenant_id: String,
    pub client_id: String,
}

impl From<App> for entra::App {
    fn from(App { authority_url: url, tenant_id, client_id }: App) -> Self {
        Self { authority: entra::Authority { url, tenant_id }, client_id }
    }
}

/// With what an app authenticates itself.
#[derive(Clone, Debug)]
pub enum AppCredential {
    /// One client secret, or two while it is rotated; the first is tried first.
    Secrets(Vec<Secret>),
    /// A certificate and its private key, both PEM, in one text.
    Certificate(Secret),
}

/// `[sign_in]`: how people sign in to the pages.
#[derive(Clone, Debug)]
pub struct SignInOptions {
    pub app: App,
    /// One, or two while it is rotated.
    pub client_secrets: Vec<Secret>,
    pub access: Access,
    /// How long a session lasts.
    pub session: Duration,
}

/// `kind = "service_user"`.
#[derive(Clone, Debug)]
pub struct ServiceUser {
    pub app: App,
    /// One, or two while it is rotated.
    pub client_secrets: Vec<Secret>,
    /// When the client secret expires, if the operator has set it.
    pub client_secret_expires: Option<Timestamp>,
    /// The only account that may be linked: its sign-in name, or its object id.
    pub expected_user: Option<String>,
    pub pat_use: PatUse,
    pub pat_lifetime: Duration,
    /// Whether PATs are minted before they are needed.
    pub mint_ahead: bool,
}

/// How minted PATs are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatUse {
    /// A PAT of its own for every call.
    Single,
    /// One PAT per scope for all calls of its lifetime.
    Window,
}
