//! One file or folder for each profile: what it does to the gateway, and which budgets it judges.

/// Durable accepts per second, beside a handler that stores nothing.
pub(crate) mod accept;
/// The whole flow, from the delivery to both statuses.
pub(crate) mod flow;
/// What many stored deliveries cost.
pub(crate) mod growth;
/// Accepting at given rates.
pub(crate) mod rate;
/// kill -9 under load.
pub(crate) mod recovery;
/// Minutes of steady load while retention deletes.
pub(crate) mod soak;
