//! The options of the HTTP server and of its callers' tokens.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

pub use crate::domain::access::Role;
use crate::domain::audit::Via;
use crate::secret::Secret;

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    /// Where a private network gets liveness, readiness and metrics without a token.
    pub admin_listen: Option<SocketAddr>,
    /// Where Azure DevOps and CI systems reach the gateway.
    pub public_url: Url,
    pub body_bytes_max: usize,
    /// The most memory for the bodies of all deliveries that are not stored yet.
    pub memory_bytes_max: usize,
    /// How long a stopping gateway waits for work in progress.
    pub drain: Duration,
}

/// `[[api_token]]`.
#[derive(Clone, Debug)]
pub struct ApiToken {
    pub name: String,
    pub role: Role,
    pub token: Secret,
    /// Of a runner: the only labels that it may have; none where it may have any.
    pub labels: Option<Vec<String>>,
    /// How its use is named in the audit log.
    pub via: Via,
}
