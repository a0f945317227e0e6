//! Why a run could not be started at a CI.

use std::time::Duration;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A transient error: try again, not before `retry_after`.
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// The configuration has no CI of this name.
    #[error("there is no [ci.{name}] in the configuration")]
    Unknown { name: String },
}
