//! The installation that all replicas on one store belong to.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::Error;

/// See the module.
#[async_trait]
pub trait Replicas: Debug + Send + Sync {
    /// The id of this installation: eight hexadecimal digits. It never changes.
    async fn gateway(&self) -> Result<String, Error>;
}
