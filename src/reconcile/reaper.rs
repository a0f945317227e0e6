//! Ends runs whose time is over, since a CI system that reports nothing would leave their statuses
//! pending for ever.

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::domain::run::time_out;
use crate::storage::{Changed, Store, change_run};
use crate::worker::{self, Notifier, Progress, Tick};

const BATCH_MAX: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct Reaper {
    pub store: Arc<dyn Store>,
    pub publish: Notifier,
    pub clock: Clock,
}

#[async_trait]
impl Tick for Reaper {
    fn name(&self) -> &'static str {
        "reaper"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let now = self.clock.now();
        let overdue = self.store.overdue_runs(now, BATCH_MAX).await?;
        let mut progress = Progress::Idle;
        for run in overdue {
            // A report may have arrived since, which prolongs the run.
            let changed = change_run(self.store.as_ref(), run.id, |run| time_out(run, now));
            if let Changed::To(run) = changed.await? {
                tracing::warn!(run = %run.id, check = run.check, "timed out: {}", run.reason);
                self.publish.notify();
                progress = Progress::Worked;
            }
        }
        Ok(progress)
    }
}
