//! Stores how much happened in each minute, once it is over.

use std::time::Duration;

use async_trait::async_trait;

use crate::deps::Deps;
use crate::domain::time::Timestamp;
use crate::series::{Value, minute};
use crate::storage::{self, MinuteRow};
use crate::worker::{self, Progress, Tick};

/// For so long the minutes are kept: a week, and the day that it is compared with.
const KEPT_FOR: Duration = Duration::from_secs(8 * 86_400);

/// See the module.
#[derive(Debug)]
pub struct StoreMinutes {
    deps: Deps,
}

impl StoreMinutes {
    /// Stores the series of `deps`.
    pub fn new(deps: &Deps) -> Self {
        Self { deps: deps.clone() }
    }

    async fn store(&self, before: Timestamp) -> Result<(), storage::Error> {
        let Deps { store, series, clock, instance, .. } = &self.deps;
        let row = |Value { at, series, value }| MinuteRow { at, series, value };
        let rows: Vec<_> = series.values(before).into_iter().map(row).collect();
        if rows.is_empty() {
            return Ok(());
        }
        store.add_minutes(instance.id.clone(), rows, clock.now().minus(KEPT_FOR)).await?;
        series.forget(before);
        Ok(())
    }
}

#[async_trait]
impl Tick for StoreMinutes {
    fn name(&self) -> &'static str {
        "minutes"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        self.store(minute(self.deps.clock.now())).await?;
        Ok(Progress::Idle)
    }

    /// The minute in which the process ends is stored as far as it goes.
    async fn drain(&self) {
        if let Err(error) = self.store(Timestamp::NEVER).await {
            tracing::warn!("the numbers of the last minute are not stored: {error}");
        }
    }
}
