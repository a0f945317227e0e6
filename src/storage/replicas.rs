//! The processes that share one store: one with SQLite, any number with PostgreSQL.

use std::fmt::Debug;
use std::time::Instant;

use async_trait::async_trait;

use super::error::Error;
use crate::domain::time::Timestamp;

/// See the module.
#[async_trait]
pub trait Replicas: Debug + Send + Sync {
    /// The id of this installation: eight hexadecimal digits. It never changes.
    async fn gateway(&self) -> Result<String, Error>;

    /// Whether other processes may use the store at the same time.
    fn is_shared(&self) -> bool;

    /// Whether this process may go on with what it leased at `since` or later. False once it has
    /// stood still for so long that the others may have taken over: a neighbour cannot be fenced.
    fn has_lived_since(&self, since: Instant) -> bool;

    /// The ids of the other processes that live. A process is in the list before it writes
    /// anything, and until it has ended or has been dead for a few seconds.
    async fn other_instances(&self) -> Result<Vec<String>, Error>;

    /// Tells the others the fingerprint of this process' configuration. Returns those of the others
    /// that live and have told theirs, each with the id of its process.
    async fn compare_configuration(
        &self,
        fingerprint: &str,
    ) -> Result<Vec<(String, String)>, Error>;

    /// Sends a message to the other processes. It may be lost.
    async fn send(&self, message: &str) -> Result<(), Error>;

    /// Waits for the next message of another process; none where some may be lost.
    async fn received(&self) -> Option<String>;

    /// The time by the clock that all processes share, when this machine's clock shows `local`.
    fn shared_time(&self, local: Timestamp) -> Timestamp;
}
