//! Keeps the identities working: renews access tokens before they expire, revokes personal access
//! tokens that no process holds, and warns before something ends.

use std::sync::Arc;

use async_trait::async_trait;

use crate::credentials::Source;
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct Identity {
    /// One for each organization.
    pub sources: Vec<Arc<dyn Source>>,
}

#[async_trait]
impl Tick for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        // At the same time, so that one organization that does not answer delays no other.
        futures_util::future::join_all(self.sources.iter().map(|source| source.maintain())).await;
        Ok(Progress::Idle)
    }
}
