//! What linking takes and gives: how a sign-in begins and comes back, who is linked, and why nobody
//! was. It must never show what it carries in confidence.

use url::Url;

use crate::domain::time::Timestamp;
use crate::secret::Secret;
use crate::storage::{self, Link};

/// A sign-in that was begun.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser is to go.
    pub authorize_url: Url,
    /// What the browser has to bring back in a cookie.
    pub browser: Secret,
}

/// What the browser came back with.
#[derive(Clone, Debug, Default)]
pub struct Return {
    pub state: Option<Secret>,
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// The cookie.
    pub browser: Option<Secret>,
}

/// Whether somebody is linked, and who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    pub user_name: String,
    pub email: Option<String>,
    pub tenant_id: String,
    pub linked_at: Timestamp,
    pub linked_by: String,
    pub signed_in_at: Timestamp,
    pub refreshed_at: Timestamp,
    pub problem: Option<String>,
}

/// Why nothing was linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such organization, or it has no service user.
    #[error("{0}")]
    NotLinkable(String),
    /// Whoever asks has no right to, or no longer.
    #[error("{0}")]
    NotAllowed(String),
    /// Something about the sign-in is not as it has to be.
    #[error("{0}")]
    Refused(String),
    /// It may work later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<storage::Error> for LinkError {
    fn from(error: storage::Error) -> Self {
        LinkError::Unavailable(error.to_string())
    }
}

impl From<&Link> for LinkState {
    fn from(link: &Link) -> Self {
        Self {
            user_name: link.user_name.clone(),
            email: link.email.clone(),
            tenant_id: link.tenant_id.clone(),
            linked_at: link.linked_at,
            linked_by: link.linked_by.clone(),
            signed_in_at: link.signed_in_at,
            refreshed_at: link.refreshed_at,
            problem: link.problem.clone(),
        }
    }
}
