//! The service user: an account in Entra that an operator links to an organization, and for which
//! PATs are minted.
//!
//! `linking` signs a person in and stores the link, `expected` decides whom; `session` keeps the
//! access token of the linked user valid.

mod expected;
mod linkable_organization;
mod linking;
mod refusals;
mod session;
mod sign_in;

pub(super) use linkable_organization::LinkableOrganization;
pub use linking::Linking;
pub(super) use session::{AccessToken, Session};
pub use sign_in::{LinkError, LinkedUser};
