//! What exists in Entra: applications, people, codes, refresh tokens.
//!
//! Plain values, which only the world changes.

/// The answer of a person who is asked for consent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consent {
    /// The person consents.
    #[default]
    Given,
    /// The person declines: `access_denied`, AADSTS65004.
    Declined,
    /// An administrator has to consent: `access_denied`, AADSTS90094.
    NeedsAdministrator,
}

/// A client secret.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    pub(crate) text: String,
    pub(crate) is_expired: bool,
}

/// A certificate that an application signs its assertions with.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    /// SHA-256 of its DER, base64url without padding.
    pub(crate) thumbprint: String,
    /// The RSA public key, as PKCS#1 DER.
    pub(crate) public_key: Vec<u8>,
}

/// A registered application with its service principal.
#[derive(Debug, Clone)]
pub(crate) struct App {
    pub(crate) object_id: String,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) federated_tokens: Vec<String>,
}

/// A person of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) object_id: String,
    pub(crate) display_name: String,
    pub(crate) principal_name: String,
    pub(crate) email: String,
    /// Object ids of groups.
    pub(crate) groups: Vec<String>,
    /// Values of app roles, of every application.
    pub(crate) app_roles: Vec<String>,
    pub(crate) consent: Consent,
    /// The AADSTS number with which sign-ins and refreshes of this person are refused: 50057
    /// disabled, 50076 MFA required.
    pub(crate) account_error: Option<u32>,
}

/// An issued authorization code.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) client_id: String,
    pub(crate) user: String,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) challenge: String,
    pub(crate) nonce: Option<String>,
    pub(crate) valid_until_ms: i64,
    pub(crate) is_redeemed: bool,
}

/// An issued refresh token.
#[derive(Debug, Clone)]
pub(crate) struct RefreshToken {
    pub(crate) client_id: String,
    pub(crate) user: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued_ms: i64,
    pub(crate) is_revoked: bool,
}

/// A managed identity of the machine.
#[derive(Debug, Clone)]
pub(crate) struct ManagedIdentity {
    pub(crate) client_id: String,
    pub(crate) object_id: String,
}

/// One call of the token endpoint, or of the managed identity endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenCall {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// `authorization_code`, `refresh_token`, `client_credentials`, `managed_identity`, or what
    /// else was requested.
    pub grant: String,
    /// The AADSTS number of the refusal; none when a token was issued.
    pub refused: Option<u32>,
}
