//! Shows deliveries that were damaged on disk as a problem of every organization, since what is
//! damaged does not say whose it was, and has catch-up look for what they were about.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::catch_up::CatchUp;
use super::driver::{Driver, Reconcile};
use crate::deps::Deps;
use crate::health::{Health, ProblemKind};
use crate::storage::Admin;
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct Damage {
    store: Arc<dyn Admin>,
    health: Arc<Health>,
    /// One for each organization.
    catch_up: Vec<Arc<Driver<CatchUp>>>,
    /// Organizations of which catch-up was asked.
    asked: Mutex<BTreeSet<String>>,
}

impl Damage {
    /// Shows the problem in the organizations of these drivers.
    pub fn new(catch_up: Vec<Arc<Driver<CatchUp>>>, deps: &Deps) -> Self {
        let store = Arc::clone(&deps.store) as Arc<dyn Admin>;
        Self { store, health: Arc::clone(&deps.health), catch_up, asked: Mutex::default() }
    }
}

#[async_trait]
impl Tick for Damage {
    fn name(&self) -> &'static str {
        "damage"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let damage = self.store.damage();
        for driver in &self.catch_up {
            let organization = &driver.reconciler.context().organization;
            match &damage {
                None => {
                    self.health.clear(organization, ProblemKind::Damage);
                    self.asked.lock().remove(organization);
                }
                Some(problem) => {
                    if self.health.raise(organization, ProblemKind::Damage, problem) {
                        tracing::error!(organization, "{problem}");
                        // Another file, or more of one: there may be more to find.
                        self.asked.lock().remove(organization);
                    }
                    if !self.asked.lock().contains(organization) {
                        driver.after_lost_events().await?;
                        self.asked.lock().insert(organization.clone());
                    }
                }
            }
        }
        Ok(Progress::Idle)
    }
}
