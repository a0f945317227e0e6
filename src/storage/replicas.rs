//! What all replicas of one installation have in common.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;

/// The installation that the replicas on one store belong to.
#[async_trait]
pub trait Replicas: Debug + Send + Sync {
    /// What this installation is called: eight hexadecimal digits, the same for every process that
    /// uses this store, for ever.
    async fn gateway(&self) -> Result<String, Error>;
}
