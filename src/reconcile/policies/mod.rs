//! Keeps the branch policies that make merging wait for required checks: adds missing ones, repairs
//! those that drifted, removes those that no check requires any more.
//!
//! Azure DevOps is asked only where a check is required or a policy is ours. Policies that somebody
//! else made are never changed.

mod execute;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::catch_up::CatchUp;
use super::context::OrganizationContext;
use super::driver::{Driver, Ended, Reconcile};
use super::pass::{Pass, Stop};
use crate::domain::check::Check;
use crate::domain::policy::Plan;
use crate::domain::reconciler::{Asked, Outcome};
use crate::health::ProblemKind;
use crate::storage::Reconciler;

use execute::{Executed, execute};
use snapshot::snapshot;

/// See the module. Of one organization.
#[derive(Debug)]
pub struct Policies {
    pub(super) context: OrganizationContext,
    /// Those of other organizations may be among them.
    pub(super) checks: Arc<[Check]>,
    pub(super) every: Duration,
    /// Decides about open pull requests again when a policy is new.
    pub(super) catch_up: Arc<Driver<CatchUp>>,
}

impl Policies {
    /// What would be done now; changes nothing.
    ///
    /// # Errors
    /// The state could not be read.
    pub async fn plan(&self) -> Result<Plan, Stop> {
        let pass = Pass::look(&self.context, Reconciler::Policies);
        let snapshot = snapshot(&pass, &self.context, &self.checks).await?;
        let plan = snapshot.map(|it| it.plan(&self.context.organization, &self.checks));
        Ok(plan.unwrap_or_default())
    }

    async fn outcome(&self, pass: &Pass<'_>) -> Result<Outcome, Stop> {
        let nothing = Outcome::nothing(self.context.now());
        let Some(snapshot) = snapshot(pass, &self.context, &self.checks).await? else {
            return Ok(nothing);
        };
        let plan = snapshot.plan(&self.context.organization, &self.checks);
        let Executed { changes, problem } = execute(pass, &self.context, &plan).await?;
        Ok(Outcome { changes, problem, ..nothing })
    }
}

#[async_trait]
impl Reconcile for Policies {
    const KIND: Reconciler = Reconciler::Policies;
    const PROBLEM: ProblemKind = ProblemKind::Policies;
    const FAILED: &'static str = "the policies of required checks could not be reconciled";

    fn context(&self) -> &OrganizationContext {
        &self.context
    }

    fn every(&self) -> Option<Duration> {
        Some(self.every)
    }

    async fn reconcile(&self, pass: &Pass<'_>) -> Result<Ended, Stop> {
        let outcome = self.outcome(pass).await?;
        self.context.report(Self::PROBLEM, outcome.problem.as_deref());
        if outcome.changes > 0 {
            self.catch_up.recheck_required().await?;
        }
        Ok(Ended::Finished { outcome, due_at: None, asked: Asked::Nothing })
    }
}
