//! The ways in which an ID token can be forged.
//!
//! Each forgery differs from a valid token in one point, so that a check that is missing in the
//! verifier is found by exactly one of them.

/// What is wrong with a forged ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with an unpublished key, under the key id of the published one.
    OtherKey,
    /// Signed with an unpublished key, under its own key id.
    UnknownKey,
    /// A claim was changed after signing.
    Tampered,
    /// The nonce of another sign-in.
    WrongNonce,
    /// No nonce.
    NoNonce,
    /// For another application.
    WrongAudience,
    /// From another tenant.
    WrongTenant,
    /// From another issuer.
    WrongIssuer,
    /// Expired.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Unsigned.
    AlgorithmNone,
    /// Names HS256, which a verifier would accept that lets the token choose the algorithm.
    AlgorithmHs256,
    /// No ID token in the answer.
    Missing,
}

impl Forgery {
    /// Every forgery, for tests that try all of them.
    pub const ALL: [Self; 13] = [
        Self::OtherKey,
        Self::UnknownKey,
        Self::Tampered,
        Self::WrongNonce,
        Self::NoNonce,
        Self::WrongAudience,
        Self::WrongTenant,
        Self::WrongIssuer,
        Self::Expired,
        Self::NotYetValid,
        Self::AlgorithmNone,
        Self::AlgorithmHs256,
        Self::Missing,
    ];

    /// The forgery of that name, compared without case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| format!("{one:?}").eq_ignore_ascii_case(name))
    }
}
