//! The numbers of rows that wait for each stage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::storage::{Backlog, Error, Store};

/// How long the counts serve further requests: counting takes the readers of the database from
/// everybody else.
const AGE_MAX: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Counts {
    store: Arc<dyn Store>,
    counted: Mutex<Option<(Instant, Backlog)>>,
}

impl Counts {
    /// Of the rows in `store`.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, counted: Mutex::default() }
    }

    /// Requests at the same time wait for one count.
    pub(super) async fn get(&self) -> Result<Backlog, Error> {
        let mut counted = self.counted.lock().await;
        if let Some((at, backlog)) = &*counted
            && !is_due(*at, Instant::now())
        {
            return Ok(backlog.clone());
        }
        let backlog = self.store.backlog().await?;
        *counted = Some((Instant::now(), backlog.clone()));
        Ok(backlog)
    }
}

/// Whether rows that were counted then are counted again.
fn is_due(counted_at: Instant, now: Instant) -> bool {
    now.duration_since(counted_at) >= AGE_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_once_a_second() {
        let now = Instant::now();
        assert!(!is_due(now, now));
        assert!(!is_due(now, now + Duration::from_millis(999)));
        assert!(is_due(now, now + Duration::from_secs(1)));
    }
}
