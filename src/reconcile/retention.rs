//! Deletes finished rows that are older than the operator wants to keep, a few in each transaction,
//! so that other writes never wait for long.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::storage::Store;
use crate::worker::{self, Progress, Tick};

/// The most rows of each kind that one transaction deletes.
const BATCH_MAX: usize = 200;

/// See the module.
#[derive(Debug)]
pub struct Retention {
    pub store: Arc<dyn Store>,
    pub keep: Duration,
    /// How long entries of the audit log are kept.
    pub keep_audit: Duration,
    pub clock: Clock,
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
