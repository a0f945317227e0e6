//! Identities, the tokens that ADO accepts, and who is calling.
//!
//! Plain values. How a request is authenticated is decided in `authentication`.

use super::scope::Scope;

/// A person, group or service.
#[derive(Debug, Clone)]
pub struct Identity {
    /// GUID.
    pub id: String,
    /// Name for people.
    pub display_name: String,
    /// Mail address; the object id for a service principal.
    pub unique_name: String,
    /// Whether it is a group.
    pub is_group: bool,
}

/// What kind of credential a caller presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    /// A PAT, by Basic.
    Pat,
    /// A bearer of a person.
    User,
    /// A bearer of a service principal or managed identity.
    Application,
}

/// A token that ADO accepts.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// GUID of the identity, or its unique name where ADO only heard of it from Entra.
    pub(crate) holder: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) valid_until_ms: i64,
    pub(crate) kind: CredentialKind,
}

/// Who is calling, after the token was found good.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) identity: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) kind: CredentialKind,
}

/// Why a caller is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthenticationError {
    /// No token, or a wrong, revoked or expired one.
    InvalidToken,
    /// A token that does not work for other reasons, or an identity without access: 401.
    NotAuthorized,
}

impl Caller {
    /// Whether the token carries one of these scopes.
    pub(crate) fn holds_any(&self, needed: &[Scope]) -> bool {
        let held = |scope: &Scope| self.scopes.iter().any(|own| own.grants(*scope));
        needed.is_empty() || needed.iter().any(held)
    }
}
