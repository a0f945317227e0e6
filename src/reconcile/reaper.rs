//! Ends runs whose time is over, since a CI system that reports nothing would leave their statuses
//! pending for ever.

use std::sync::Arc;

use async_trait::async_trait;

use crate::changes::Changes;
use crate::clock::Clock;
use crate::deps::Deps;
use crate::domain::run::time_out;
use crate::storage::{Changed, Runs, change_run};
use crate::worker::{self, Notifier, Progress, Tick};

const BATCH_MAX: usize = 100;

/// See the module.
#[derive(Debug)]
pub struct Reaper {
    runs: Arc<dyn Runs>,
    publish: Notifier,
    changes: Changes,
    clock: Clock,
}

impl Reaper {
    /// Ends runs and notifies the stage that publishes their statuses.
    pub fn new(deps: &Deps) -> Self {
        let runs = Arc::clone(&deps.store) as Arc<dyn Runs>;
        let (publish, changes) = (deps.notifiers.publish.clone(), deps.changes.clone());
        Self { runs, publish, changes, clock: deps.clock.clone() }
    }
}

#[async_trait]
impl Tick for Reaper {
    fn name(&self) -> &'static str {
        "reaper"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let now = self.clock.now();
        let overdue = self.runs.overdue_runs(now, BATCH_MAX).await?;
        let mut progress = Progress::Idle;
        for run in overdue {
            // A report may have arrived since, which prolongs the run.
            let changed = change_run(self.runs.as_ref(), run.id, |run| time_out(run, now));
            if let Changed::To(run) = changed.await? {
                tracing::warn!(run = %run.id, check = run.check, "timed out: {}", run.reason);
                self.changes.run(&run);
                self.publish.notify();
                progress = Progress::Worked;
            }
        }
        Ok(progress)
    }
}
