//! What the operator sets for the HTTP edge. It must never know the file that it came from.

use std::net::SocketAddr;
use std::time::Duration;

use url::Url;

use crate::secret::Secret;

/// `[server]`.
#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    /// What Azure DevOps and CI systems reach; without a trailing slash.
    pub public_url: Url,
    pub body_bytes_max: usize,
    /// Of all deliveries that are not on disk yet, together.
    pub memory_bytes_max: usize,
    /// How long a stopping gateway waits for what is in flight.
    pub drain: Duration,
}

/// `[[api_token]]`.
#[derive(Clone, Debug)]
pub struct ApiToken {
    pub name: String,
    pub role: Role,
    pub token: Secret,
}

/// What the bearer of an API token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Operator,
    /// Report on runs and post statuses.
    Reporter,
    /// Take runs to execute.
    Runner,
    /// Look.
    Viewer,
}
