//! What all replicas of one installation have in common.

use std::time::Instant;

use async_trait::async_trait;

use super::Sqlite;
use super::engine::schema;
use crate::domain::time::Timestamp;
use crate::storage::{Error, Replicas};

#[async_trait]
impl Replicas for Sqlite {
    async fn gateway(&self) -> Result<String, Error> {
        self.readers.read(schema::gateway).await
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn has_lived_since(&self, _since: Instant) -> bool {
        true
    }

    async fn other_instances(&self) -> Result<Vec<String>, Error> {
        Ok(Vec::new())
    }

    async fn compare_configuration(
        &self,
        _fingerprint: &str,
    ) -> Result<Vec<(String, String)>, Error> {
        Ok(Vec::new())
    }

    async fn send(&self, _message: &str) -> Result<(), Error> {
        Ok(())
    }

    async fn received(&self) -> Option<String> {
        std::future::pending().await
    }

    fn shared_time(&self, local: Timestamp) -> Timestamp {
        local
    }
}
