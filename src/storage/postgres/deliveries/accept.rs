//! Stores deliveries in batches: several hook calls with one statement.

use std::sync::Arc;

use super::activity::Activity;
use crate::storage::EnvelopeReader;
use crate::storage::postgres::engine::pool::Pool;

/// See the module.
#[derive(Debug)]
pub(in crate::storage::postgres) struct Accept {}

impl Accept {
    pub(in crate::storage::postgres) fn start(
        _pool: Arc<Pool>,
        _read_envelope: EnvelopeReader,
        _activity: Arc<Activity>,
    ) -> Self {
        Self {}
    }
}
