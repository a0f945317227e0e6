//! The ways in which an ID token can be forged.
//!
//! Each forgery differs from a valid token in one point, so that a check that is missing in the
//! verifier is found by exactly one of them.

/// What is wrong with an ID token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed by a key that is not announced, under the name of the one that is.
    OtherKey,
    /// Names a key that is not announced.
    UnknownKey,
    /// A claim was changed after signing.
    Tampered,
    /// Answers another sign-in.
    WrongNonce,
    /// Answers no sign-in.
    NoNonce,
    /// For another application.
    WrongAudience,
    /// From another tenant.
    WrongTenant,
    /// From another issuer.
    WrongIssuer,
    /// Too old.
    Expired,
    /// Not valid yet.
    NotYetValid,
    /// Unsigned.
    AlgorithmNone,
    /// Says HS256, which a verifier that lets the token choose would follow.
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
