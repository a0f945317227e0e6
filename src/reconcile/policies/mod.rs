//! Keeps the branch policies that make merging wait for required checks: adds what lacks, repairs
//! what drifted, removes what nobody requires any more.
//!
//! Azure DevOps is only asked where a check is required or a policy of ours is left. Whatever goes
//! wrong half-way, the next turn looks anew. It must never change what somebody else made.

mod carrying;
mod picture;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::catch_up::CatchUp;
use super::schedule::{Schedule, Turned, Upkeep};
use super::turn::{Stop, Turn, Upkept};
use crate::domain::check::Check;
use crate::domain::policy::Plan;
use crate::health::{Health, ProblemKind};
use crate::storage::{self, Reconciler};
use crate::worker::Progress;

use carrying::{Done, carry_out};
use picture::{Picture, picture};

/// One organization whose policies are kept.
#[derive(Debug)]
pub struct Kept {
    pub upkept: Upkept,
    pub every: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct Policies {
    organizations: Vec<Kept>,
    checks: Vec<Check>,
    health: Arc<Health>,
    catch_up: Arc<CatchUp>,
    schedule: Schedule,
}

impl Policies {
    /// Keeps the policies of these organizations for these checks; `catch_up` looks at the pull
    /// requests that a new policy guards.
    pub fn new(
        organizations: Vec<Kept>,
        checks: Vec<Check>,
        health: Arc<Health>,
        catch_up: Arc<CatchUp>,
    ) -> Self {
        Self { organizations, checks, health, catch_up, schedule: Schedule::default() }
    }

    /// The organization of that name.
    pub fn of(&self, organization: &str) -> Option<&Kept> {
        let is_it = |kept: &&Kept| kept.upkept.organization == organization;
        self.organizations.iter().find(is_it)
    }

    /// Has a turn at once.
    pub fn ask(&self, organization: &str) {
        self.schedule.ask(organization);
    }

    /// What became of the last turn; none before the first.
    pub fn last(&self, organization: &str) -> Option<Turned> {
        self.schedule.last(organization)
    }

    /// What would be done now; changes nothing.
    ///
    /// # Errors
    /// Something could not be looked at.
    pub async fn plan(&self, kept: &Kept) -> Result<Plan, Stop> {
        let turn = kept.upkept.look(Reconciler::Policies);
        let picture = picture(&turn, &kept.upkept, &self.checks).await?;
        Ok(picture.map(|picture| picture.plan(kept, &self.checks)).unwrap_or_default())
    }

    /// One turn at one organization.
    async fn keep(&self, kept: &Kept) -> Result<Turned, Stop> {
        let turn = kept.upkept.turn(Reconciler::Policies).await?.ok_or(Stop::Overtaken)?;
        let turned = self.turn(&turn, kept).await;
        turn.end().await;
        turned
    }

    async fn turn(&self, turn: &Turn<'_>, kept: &Kept) -> Result<Turned, Stop> {
        let at = kept.upkept.clock.now();
        let Some(picture) = picture(turn, &kept.upkept, &self.checks).await? else {
            return Ok(Turned { at, changes: 0, goes_on: false, problem: None });
        };
        let plan = picture.plan(kept, &self.checks);
        let Done { changes, problem } = carry_out(turn, &kept.upkept, &plan).await?;
        Ok(Turned { at, changes, goes_on: false, problem })
    }

    async fn take_turn(&self, kept: &Kept) -> Result<(), storage::Error> {
        let Upkept { organization, clock, .. } = &kept.upkept;
        self.schedule.begin(organization);
        let turned = match self.keep(kept).await {
            Ok(turned) => Some(turned),
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Overtaken | Stop::Stopping) => None,
            Err(stop) => {
                let told = format!("the policies of required checks could not be kept: {stop}");
                let (at, problem) = (clock.now(), Some(told));
                Some(Turned { at, changes: 0, goes_on: true, problem })
            }
        };
        if let Some(Turned { changes, problem, .. }) = &turned {
            self.judge(organization, problem.as_deref());
            if *changes > 0 {
                self.catch_up.after_guarding(organization);
            }
        }
        self.schedule.turned(organization, turned, kept.every, clock.now());
        Ok(())
    }

    fn judge(&self, organization: &str, problem: Option<&str>) {
        let Some(problem) = problem else {
            return self.health.clear(organization, ProblemKind::Policies);
        };
        if self.health.raise(organization, ProblemKind::Policies, problem) {
            tracing::warn!(organization, "{problem}");
        }
    }
}

impl Picture {
    fn plan(&self, kept: &Kept, checks: &[Check]) -> Plan {
        crate::domain::policy::plan(&self.view(&kept.upkept.organization, checks))
    }
}

#[async_trait]
impl Upkeep for Policies {
    fn name(&self) -> &'static str {
        "policies"
    }

    fn organizations(&self) -> Vec<String> {
        self.organizations.iter().map(|kept| kept.upkept.organization.clone()).collect()
    }

    async fn due(&self, organization: &str) -> Result<Progress, storage::Error> {
        if let Some(kept) = self.of(organization)
            && self.schedule.is_due(organization, kept.upkept.clock.now())
        {
            self.take_turn(kept).await?;
        }
        Ok(Progress::Idle)
    }
}
