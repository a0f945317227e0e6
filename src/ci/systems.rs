//! All configured CI systems: passes a trigger on to the adapter of its CI.

use std::collections::BTreeMap;

use super::error::Error;
use super::options::Options;
use super::trigger::Trigger;
use super::webhook;
use crate::domain::run::Started;

/// Every configured CI, by name.
#[derive(Clone, Debug)]
pub struct Systems {
    http: reqwest::Client,
    by_name: BTreeMap<String, Options>,
}

impl Systems {
    /// `http` must follow no redirect.
    pub fn new(http: reqwest::Client, by_name: BTreeMap<String, Options>) -> Self {
        Self { http, by_name }
    }

    /// Asks the CI of this name to start a run.
    ///
    /// # Errors
    /// See [`Error`]. A refusal is no error.
    pub async fn start(&self, name: &str, trigger: &Trigger<'_>) -> Result<Started, Error> {
        match self.by_name.get(name) {
            Some(Options::Webhook { url, secrets }) => {
                webhook::start(&self.http, url, secrets, trigger).await
            }
            None => Err(Error::Unknown { name: name.to_owned() }),
        }
    }
}
