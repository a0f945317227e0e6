//! Keeps our identities alive and clean: access tokens renewed in good time, tokens that nobody
//! holds revoked, warnings before something ends. It must never know of what kind an identity is.

use std::sync::Arc;

use async_trait::async_trait;

use crate::credentials::Source;
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct Identity {
    pub sources: Vec<Arc<dyn Source>>,
}

#[async_trait]
impl Tick for Identity {
    fn name(&self) -> &'static str {
        "identity"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        // Side by side: one organization that does not answer must not hold up the others.
        futures_util::future::join_all(self.sources.iter().map(|source| source.maintain())).await;
        Ok(Progress::Idle)
    }
}
