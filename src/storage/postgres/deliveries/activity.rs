//! When each hook delivered first and last, written once a second.

use std::sync::Arc;

use crate::storage::postgres::engine::pool::Pool;

/// See the module.
#[derive(Debug)]
pub(in crate::storage::postgres) struct Activity {}

impl Activity {
    pub(in crate::storage::postgres) fn start(_pool: Arc<Pool>) -> Self {
        Self {}
    }
}
