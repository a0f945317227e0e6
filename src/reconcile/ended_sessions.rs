//! Learns which sessions of people were ended at other replicas, so that a copy of the cookie is
//! good for a second at most.

use async_trait::async_trait;

use crate::deps::Deps;
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct EndedByOthers {
    pub deps: Deps,
}

#[async_trait]
impl Tick for EndedByOthers {
    fn name(&self) -> &'static str {
        "ended_sessions"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let Deps { store, ended_sessions, clock, .. } = &self.deps;
        ended_sessions.refresh(store.as_ref(), clock.now()).await?;
        Ok(Progress::Idle)
    }
}
