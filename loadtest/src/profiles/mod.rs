//! One file per profile: what it does to the gateway, and which budgets it judges.

/// Durable accepts per second against a handler that stores nothing.
pub(crate) mod accept;
/// Both servers of `accept`, and a round of it.
mod bench;
/// Other receivers, in turns with the gateway.
pub(crate) mod compare;
/// What a token of its own costs each status.
pub(crate) mod credentials;
/// What it costs that much is stored already.
pub(crate) mod growth;
/// Full lives, from the delivery to both statuses.
pub(crate) mod life;
/// Accepting at given rates.
pub(crate) mod rate;
/// kill -9 under load.
pub(crate) mod recovery;
/// Minutes of steady load while retention deletes.
pub(crate) mod soak;
/// The budgets of `accept`, and what is printed.
mod verdicts;
/// Whether everything that was acknowledged is stored, once.
mod verification;
