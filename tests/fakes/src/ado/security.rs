//! Who is calling and what the caller may do: scopes of tokens, permissions of identities.

/// Denials and grants of permissions, and what follows from them.
mod access_control;
/// From a request to the caller.
pub(crate) mod authentication;
/// Identities, tokens and callers.
pub mod identity;
/// Permissions, and the resources that they are about.
pub mod permission;
/// Permissions over REST.
mod rest;
/// What a token may be used for.
pub mod scope;
