//! Stand-ins for the neighbours of the gateway: Azure DevOps (ADO), Microsoft Entra, CI systems.
//!
//! Each neighbour is a world: plain state with a pure `handle(request, now) -> response`, so that
//! stories, simulation, the demo and the load test all use the same one. A world is never more
//! forgiving than the real neighbour. The crate imports nothing of the gateway, so that a misspelt
//! field cannot be misspelt on both sides.

/// An access token as Entra issues it and ADO accepts it.
pub mod access_token;
/// Azure DevOps.
pub mod ado;
/// What connects ADO to Entra: accounts that both know, and issued access tokens.
pub mod bearers;
/// A CI system that is started by webhook and reports back.
pub mod ci;
/// Control of the worlds by JSON over HTTP, for people and load tests.
pub mod control;
/// Microsoft Entra: sign-in and tokens.
pub mod entra;
/// Misbehaviour of the network and of a neighbour, by rules.
pub mod faults;
/// Requests and responses as plain values.
pub mod http;
/// The requests that a world has received, for tests to count.
pub mod journal;
/// What all worlds have in common.
pub mod neighbour;
/// Seeded randomness, so that ids are reproducible.
pub mod random;
/// The worlds behind a socket; the only place with a clock.
pub mod shell;
/// CI systems with an API of their own.
pub mod systems;
/// Points in time as text.
pub mod timestamp;
