//! Learns which secrets of hooks other replicas have retired, so that no replica accepts one for
//! longer than a second.

use std::sync::Arc;

use async_trait::async_trait;

use crate::storage::{Reconciliation, RetiredHooks};
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct RetiredByOthers {
    pub store: Arc<dyn Reconciliation>,
    pub retired_hooks: Arc<RetiredHooks>,
    pub organizations: Vec<String>,
}

#[async_trait]
impl Tick for RetiredByOthers {
    fn name(&self) -> &'static str {
        "retired_hooks"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        for organization in &self.organizations {
            self.retired_hooks.refresh(self.store.as_ref(), organization).await?;
        }
        Ok(Progress::Idle)
    }
}
