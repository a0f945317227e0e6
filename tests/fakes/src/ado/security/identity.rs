//! Identities, the tokens that ADO accepts, and callers.
//!
//! Plain values. How a request is authenticated is decided in `authentication`.

use super::scope::Scope;

/// A person, group or service.
#[derive(Debug, Clone)]
pub struct Identity {
    /// GUID.
    pub id: String,
    /// Name that people see.
    pub display_name: String,
    /// Mail address; the object id for a service principal.
    pub unique_name: String,
    /// Whether it is a group.
    pub is_group: bool,
}

/// The kind of credential that a caller presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A PAT, by Basic authentication.
    Pat,
    /// A bearer token of a person.
    User,
    /// A bearer token of a service principal or managed identity.
    Application,
}

/// A token that ADO accepts.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// GUID of the identity, or its unique name for a token of Entra, which knows no GUIDs of ADO.
    pub(crate) holder: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) valid_until_ms: i64,
    pub(crate) kind: CredentialKind,
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) kind: CredentialKind,
}

/// Why a caller cannot be authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationError {
    /// No token, or an unknown, revoked or expired one.
    InvalidToken,
    /// A valid token that does not work yet or any more, or an identity without membership: 401.
    NotAuthorized,
}

impl Caller {
    /// Whether the token has one of these scopes.
    pub(crate) fn holds_any(&self, needed: &[Scope]) -> bool {
        let held = |scope: &Scope| self.scopes.iter().any(|own| own.grants(*scope));
        needed.is_empty() || needed.iter().any(held)
    }
}
