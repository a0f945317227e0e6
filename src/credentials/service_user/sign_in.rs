//! What linking takes and returns: a started sign-in, the browser's return from it, the linked
//! user, and why linking failed.

use url::Url;

use crate::domain::time::Timestamp;
use crate::secret::Secret;
use crate::storage::{self, Link};

/// A sign-in at Entra that a browser is sent to.
#[derive(Debug)]
pub struct StartedSignIn {
    /// Where the browser signs in.
    pub authorize_url: Url,
    /// The value of the cookie that the browser has to bring back.
    pub browser: Secret,
}

/// What a browser brings back from Entra: the query of the redirect, and the cookie.
#[derive(Clone, Debug, Default)]
pub struct SignInCallback {
    pub state: Option<Secret>,
    pub code: Option<Secret>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// The value of the cookie.
    pub browser: Option<Secret>,
}

/// The service user that is linked to an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkedUser {
    pub user_name: String,
    pub email: Option<String>,
    pub tenant_id: String,
    pub linked_at: Timestamp,
    /// The operator who linked it.
    pub linked_by: String,
    pub signed_in_at: Timestamp,
    pub refreshed_at: Timestamp,
    /// Why the link does not work, for an operator; none while it works.
    pub problem: Option<String>,
}

/// Why linking failed. The texts are for an operator.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such organization, or it has no service user.
    #[error("{0}")]
    NotLinkable(String),
    /// The caller has no right to link, or has lost it.
    #[error("{0}")]
    NotAllowed(String),
    /// A check of the sign-in failed.
    #[error("{0}")]
    Refused(String),
    /// A transient error: linking may work later.
    #[error("{0}")]
    Unavailable(String),
}

impl From<storage::Error> for LinkError {
    fn from(error: storage::Error) -> Self {
        LinkError::Unavailable(error.to_string())
    }
}

impl From<&Link> for LinkedUser {
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
