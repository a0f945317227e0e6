//! An access token as Entra issues it and ADO accepts it.
//!
//! What its holder may do is decided in ADO.

/// Whom an access token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person who signed in, by user principal name; the token carries these delegated scopes.
    User {
        /// `svc-ci@fabrikam.example`.
        principal_name: String,
        /// Wire names without the resource: `vso.pats`.
        scopes: Vec<String>,
    },
    /// An application or managed identity, by the object id of its service principal.
    Application {
        /// GUID in the tenant.
        object_id: String,
    },
}

/// An access token that Entra has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// What the caller presents as a bearer token.
    pub secret: String,
    /// Whom it speaks for.
    pub subject: Subject,
    /// When it ends, in milliseconds since 1970.
    pub valid_until_ms: i64,
}
