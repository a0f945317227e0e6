//! Microsoft Entra as a world: people sign in, applications redeem codes and refresh tokens.
//!
//! It stands in for the v2.0 endpoints of one tenant and for the managed identity endpoint of a
//! virtual machine. It is as strict as documented, and stricter where that is unknown. It does not
//! know Azure DevOps: `bearers` passes the issued tokens on.

/// Signed assertions that applications authenticate with.
mod assertion;
/// The page at which people sign in.
mod authorize;
/// Which application is calling the token endpoint.
mod client;
/// As much DER as keys and certificates need.
mod der;
/// Discovery documents, and from a request to the code that answers it.
mod discovery;
/// The ways in which an ID token can be forged.
pub mod forgery;
/// What each grant yields.
mod grants;
/// ID tokens, valid and forged.
mod id_token;
/// Key pairs, generated once for a process.
mod keys;
/// The managed identity endpoint.
mod managed_identity;
/// What exists: applications, people, codes, refresh tokens.
pub mod model;
/// Refusals, in the shape that Entra gives them.
mod refusal;
/// What tests order and count: refusals, revocations, token calls.
mod scripting;
/// The token endpoint.
mod token_endpoint;
/// The state as a whole and how a test sets it up.
pub mod world;

pub use forgery::Forgery;
pub use model::Consent;
pub use world::{Options, World};

#[cfg(test)]
mod tests;
