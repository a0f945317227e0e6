//! NEIGHBOUR Microsoft Entra: OAuth 2.0 and OpenID Connect as far as Azure DevOps needs them
//! (docs/azure-devops.md §4.4).
//!
//! Written on the gateway's own HTTP client: libraries for it bring a second HTTP client, or an RSA
//! implementation with an open security advisory. Storing and renewing tokens is left to callers.

/// What each error code means, and what to do about it.
pub mod advice;
mod app;
mod certificate;
mod client;
mod client_authentication;
mod error;
mod error_response;
mod id_token;
mod login;
mod managed_identity;
mod response;
mod scopes;
mod signing_keys;
mod token_endpoint;

pub use advice::{Advice, Context, Remedy};
pub use app::{App, Authority};
pub use certificate::{Certificate, CertificateError};
pub use client::Entra;
pub use client_authentication::ClientAuthentication;
pub use error::{Error, Refusal};
pub use id_token::Account;
pub use login::{Login, Who, random_text};
pub use managed_identity::managed_identity;
pub use token_endpoint::Tokens;

#[cfg(test)]
mod tests;
