//! One file per profile: what it does to the gateway, and which budgets it judges.

/// Durable accepts per second against a handler that stores nothing.
pub(crate) mod accept;
/// Both servers of `accept`, and a round of it.
mod bench;
/// What a token of its own costs each status.
pub(crate) mod credentials;
/// Full lives, from the delivery to both statuses.
pub(crate) mod life;
/// Accepting at given rates.
pub(crate) mod rate;
/// The budgets of `accept`, and what is printed.
mod verdicts;
/// Whether everything that was acknowledged is stored, once.
mod verification;
