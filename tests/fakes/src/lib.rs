//! Stand-ins for the neighbours of the gateway: Azure DevOps (ADO), Microsoft Entra, a CI system.
//!
//! Each neighbour is a world: plain state with a pure `handle(request, now) -> response`, so that
//! stories, simulation, the demo and the load test are thin users of one thing. They must never
//! know anything of the gateway's crate, and must never be more forgiving than the real neighbour.

/// Azure DevOps.
pub mod ado;
/// Bearer tokens on their way from Entra to ADO.
pub mod bearers;
/// A CI system that is started by webhook and reports back.
pub mod ci;
/// What a person at a terminal can do to the worlds, as JSON over HTTP.
pub mod control;
/// Microsoft Entra: sign-in and tokens.
pub mod entra;
/// Misbehaviour of the network and of a neighbour on bad days.
pub mod faults;
/// Requests and responses as plain values.
pub mod http;
/// What has been asked of a world, for tests to count.
pub mod journal;
/// Moments as ADO writes them.
pub mod moment;
/// Seeded randomness, so that ids are reproducible.
pub mod random;
/// The worlds behind a socket; the only place with a clock.
pub mod shell;
