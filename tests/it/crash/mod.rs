//! The real process, killed with SIGKILL at any request and started again at the same address with
//! the same database.
//!
//! The played neighbours hold a request, which is an instant at which to kill; a held request is
//! never released, so what was held before it was applied is lost on its way, and what was held
//! after it was applied is an answer that nobody gets. It must never look into the gateway: what
//! its neighbours saw and what its API says is what counts.

/// What the gateway says, held against what its neighbours know.
mod books;
/// What a gateway does with a database that it must not use.
mod databases;
/// SIGTERM: readiness falls, what is in flight ends, what was accepted is on disk.
mod drain;
/// The load balancer before the gateway.
mod front;
/// Stopped and started again on a socket that outlives it.
mod heirs;
/// Killed while it mints tokens.
mod minting;
/// Killed at each single step of one pull request's life.
mod steps;
/// Killed again and again during a stream of events.
mod stream;
/// What people do to pull requests all day.
mod team;
/// A write-ahead log that was torn off.
mod torn;
