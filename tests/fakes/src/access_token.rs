//! An access token as Entra issues it and ADO accepts it.
//!
//! What the token permits is decided by ADO.

/// The account that an access token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person, by user principal name, with the delegated scopes of the token.
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
    /// The account that it belongs to.
    pub subject: Subject,
    /// When it expires, in milliseconds since 1970.
    pub valid_until_ms: i64,
}
