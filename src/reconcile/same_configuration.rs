//! Shows replicas that have different configurations as a problem: what a check does would depend
//! on which of them takes the work. Each tells the others a fingerprint, not its configuration.

use std::sync::Arc;

use async_trait::async_trait;

use crate::deps::Deps;
use crate::health::ProblemKind;
use crate::storage::Replicas;
use crate::worker::{self, Progress, Tick};

/// See the module.
#[derive(Debug)]
pub struct SameConfiguration {
    pub deps: Deps,
    /// The names of all organizations.
    pub organizations: Vec<String>,
    /// Of the configuration of this process.
    pub fingerprint: String,
}

#[async_trait]
impl Tick for SameConfiguration {
    fn name(&self) -> &'static str {
        "same_configuration"
    }

    async fn tick(&self) -> Result<Progress, worker::Error> {
        let store = Arc::clone(&self.deps.store) as Arc<dyn Replicas>;
        let others = store.compare_configuration(&self.fingerprint).await?;
        let differs = others.iter().find(|(_, fingerprint)| *fingerprint != self.fingerprint);
        let problem = differs.map(|(instance, fingerprint)| {
            format!(
                "replica {instance} has another configuration ({fingerprint}) than replica {} \
                 ({}): give both the same file and the same secrets, and reload both",
                self.deps.instance.id, self.fingerprint
            )
        });
        for organization in &self.organizations {
            let health = &self.deps.health;
            match &problem {
                None => health.clear(organization, ProblemKind::Configuration),
                Some(problem) => {
                    if health.raise(organization, ProblemKind::Configuration, problem) {
                        tracing::warn!(organization, "{problem}");
                    }
                }
            }
        }
        Ok(Progress::Idle)
    }
}
