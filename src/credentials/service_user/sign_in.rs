//! What linking returns: the linked user, or why linking failed.

use crate::credentials::callback::SignInError;
use crate::domain::time::Timestamp;
use crate::storage::{self, Link};

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

impl From<SignInError> for LinkError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused(reason) => LinkError::Refused(reason),
            SignInError::Unavailable(reason) => LinkError::Unavailable(reason),
        }
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
