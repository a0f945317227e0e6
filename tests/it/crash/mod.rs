//! The real process, killed with SIGKILL at any request and started again at the same address with
//! the same database.
//!
//! The fakes hold a request, and the gateway is killed at that instant. A held request is never
//! released: one that is held before it is applied is lost, of one that is held after it is applied
//! the answer is lost. Only what the fakes saw and what the API lists is checked.

/// Replicas whose machines show different times.
mod clocks;
/// Compares what the gateway lists with what the fakes know.
mod consistency;
/// PostgreSQL that fails while the gateway runs.
mod database_faults;
/// Databases that the gateway must refuse.
mod databases;
/// SIGTERM: readiness falls, requests in flight are answered, accepted deliveries are on disk.
mod drain;
/// Runs that ended without a result stay so.
mod endings;
/// Killed while subscriptions are healed.
mod healing;
/// A load balancer in front of the gateway.
mod load_balancer;
/// Killed while it mints tokens.
mod minting;
/// Several replicas: one dies, stands still, or is replaced.
mod replicas;
/// Replicas behind nginx, HAProxy and Caddy.
mod reverse_proxies;
/// A restart on an inherited socket.
mod socket_handover;
/// Killed at each single step of one pull request's life.
mod steps;
/// Killed again and again during a stream of events.
mod stream;
/// Random actions on pull requests.
mod team;
/// A write-ahead log that is cut or damaged.
mod torn;
