//! CI kind `runner`: runners ask the gateway for runs, and report on them. Nothing is called.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::client::{Call, Client};
use super::error::{Error, unfit};
use super::options::{Kind, LeaseTerms};
use super::system::{Finding, System};
use super::trigger::Trigger;
use crate::domain::follow::Abilities;
use crate::domain::run::Started;
use crate::domain::runner::waiting_words;

/// The keys of this kind.
#[derive(Clone, Debug)]
pub struct Options {
    /// A runner needs all of them to take a run.
    pub labels: Vec<String>,
    /// How long a runner has a run without a heartbeat.
    pub lease: Duration,
}

impl Kind for Options {
    fn abilities(&self) -> Abilities {
        Abilities { leases: true, ..Abilities::default() }
    }

    fn account(&self, name: &str) -> String {
        format!("runner {name}")
    }

    fn lease_terms(&self) -> Option<LeaseTerms> {
        Some(LeaseTerms { labels: self.labels.clone(), lease: self.lease })
    }

    fn system(&self, _client: Client) -> Arc<dyn System> {
        Arc::new(Runners { labels: self.labels.clone() })
    }
}

/// See the module.
#[derive(Debug)]
struct Runners {
    labels: Vec<String>,
}

#[async_trait]
impl System for Runners {
    fn start_call(&self, _trigger: &Trigger<'_>) -> Result<Call, Error> {
        Err(unfit("nothing is called: runners ask for runs"))
    }

    async fn start(&self, trigger: &Trigger<'_>) -> Result<Started, Error> {
        // A run whose inputs do not render is refused now, and not to the runner that takes it.
        trigger.to_json()?;
        Ok(Started::Offered(waiting_words(&self.labels)))
    }

    async fn check(&self) -> Vec<Finding> {
        vec![Finding::note("runners ask for runs: `GET /v1/runners` lists those that are there")]
    }
}
