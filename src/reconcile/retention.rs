//! Deletes finished rows that are older than the operator wants to keep, a few in each transaction,
//! so that other writes never wait for long.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::deps::Deps;
use crate::storage::Admin;
use crate::worker::{self, Progress, Tick};

/// The most rows of each kind that one transaction deletes.
const BATCH_MAX: usize = 200;

/// See the module.
#[derive(Debug)]
pub struct Retention {
    store: Arc<dyn Admin>,
    keep: Duration,
    keep_audit: Duration,
    clock: Clock,
}

impl Retention {
    /// Keeps rows for `keep`, and entries of the audit log for `keep_audit`.
    pub fn new(keep: Duration, keep_audit: Duration, deps: &Deps) -> Self {
        let store = Arc::clone(&deps.store) as Arc<dyn Admin>;
        Self { store, keep, keep_audit, clock: deps.clock.clone() }
    }
}

#[async_trait]
impl Tick for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let now = self.clock.now();
        let (before, audit_before) = (now.minus(self.keep), now.minus(self.keep_audit));
        let deleted = self.store.delete_older(before, audit_before, BATCH_MAX).await?;
        if deleted == 0 {
            return Ok(Progress::Idle);
        }
        metrics::counter!("azdo_gateway_rows_deleted_total")
            .increment(u64::try_from(deleted).unwrap_or(u64::MAX));
        Ok(Progress::Yield)
    }
}
