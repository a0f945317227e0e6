//! One organization as a reconciler sees it: its name, how to call it, and what all parts share.

use std::sync::Arc;

use crate::ado::Client;
use crate::credentials::Source;
use crate::deps::Deps;
use crate::domain::time::Timestamp;
use crate::health::ProblemKind;

/// See the module.
#[derive(Clone, Debug)]
pub struct OrganizationContext {
    /// Its name as configured.
    pub organization: String,
    pub client: Client,
    /// Issues a credential for each call.
    pub source: Arc<dyn Source>,
    pub deps: Deps,
}

impl OrganizationContext {
    /// The time of this process.
    pub(super) fn now(&self) -> Timestamp {
        self.deps.clock.now()
    }

    /// The time that corresponds to `now` at Azure DevOps, whose dates are compared with it.
    pub(super) fn azure_devops_time(&self, now: Timestamp) -> Timestamp {
        self.deps.throttle.their_now(&self.organization, now)
    }

    /// Shows or clears a problem of this organization, and logs it when it is new.
    pub(super) fn report(&self, kind: ProblemKind, problem: Option<&str>) {
        let (health, organization) = (&self.deps.health, &self.organization);
        let Some(problem) = problem else { return health.clear(organization, kind) };
        if health.raise(organization, kind, problem) {
            tracing::warn!(organization, "{problem}");
        }
    }
}
