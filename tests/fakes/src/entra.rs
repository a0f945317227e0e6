//! Microsoft Entra as a world: people sign in, applications redeem codes and refresh tokens.
//!
//! It stands in for the v2.0 endpoints of one tenant and for the managed identity endpoint of a
//! virtual machine, as strict as documented, or stricter where that is unknown. It must never know
//! Azure DevOps: what it issues is carried there by others.

/// Signed assertions that applications authenticate with.
mod assertion;
/// The page at which people sign in.
mod authorize;
/// Which application is calling the token endpoint.
mod client;
/// Just enough DER to read keys and certificates.
mod der;
/// Documents that say where everything is and which keys sign.
mod discovery;
/// What each grant yields.
mod grants;
/// ID tokens, honest and forged.
pub mod id_token;
/// Key pairs, made once for a process.
mod keys;
/// The managed identity endpoint.
mod managed;
/// What exists: applications, people, codes, refresh tokens.
pub mod model;
/// Refusals, in the shape that Entra gives them.
mod refusal;
/// The token endpoint.
mod token;
/// What happens to tokens by the hand of a test.
mod trouble;
/// The state as a whole and how it is set up.
pub mod world;

pub use id_token::Forgery;
pub use model::Consent;
pub use world::{Options, World};

#[cfg(test)]
mod tests;
