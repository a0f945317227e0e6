//! NEIGHBOUR CI systems: how each is started, and what its answers mean.
//!
//! Every adapter has the same shape: trigger, poll, cancel, each in a file of its own where the
//! system can do it. It must never know Azure DevOps' REST, the store or the flow.

mod options;
mod trigger;
/// Kind `webhook`: a signed HTTP request starts the run, reports tell the rest.
pub mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::run::Started;

pub use options::Options;
pub use trigger::Trigger;

/// Why a CI was not started, by what the caller must do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Try again later, not before this long.
    #[error("{reason}")]
    Unavailable { reason: String, retry_after: Option<Duration> },
    /// The configuration lacks it.
    #[error("there is no [ci.{name}] in the configuration")]
    Unknown { name: String },
}

/// Every configured CI, by name.
#[derive(Clone, Debug)]
pub struct Systems {
    http: reqwest::Client,
    by_name: BTreeMap<String, Options>,
}

impl Systems {
    /// All of them speak through one HTTP client, which follows no redirect.
    pub fn new(http: reqwest::Client, by_name: BTreeMap<String, Options>) -> Self {
        Self { http, by_name }
    }

    /// Asks the CI of that name to start a run.
    ///
    /// # Errors
    /// It did not answer, or not now.
    pub async fn start(&self, name: &str, trigger: &Trigger<'_>) -> Result<Started, Error> {
        match self.by_name.get(name) {
            Some(Options::Webhook { url, secrets }) => {
                webhook::start(&self.http, url, secrets, trigger).await
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        }
    }
}
