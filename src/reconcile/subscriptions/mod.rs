//! Keeps the service-hook subscriptions that the checks need: creates missing ones, changes those
//! that drifted, heals those that Azure DevOps stopped, removes those that no check needs.
//!
//! Azure DevOps drops every event of a subscription on probation (docs/azure-devops.md §1.3), so
//! catch-up is asked for after each healing. Subscriptions that do not deliver to this gateway are
//! never changed.

mod builds;
mod desired;
mod execute;
mod old_secrets;
mod preview;
mod report;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::catch_up::CatchUp;
use super::context::OrganizationContext;
use super::driver::{Driver, Ended, Reconcile};
use super::pass::{Pass, Stop};
use crate::domain::check::Check;
use crate::domain::reconciler::{Asked, Outcome};
use crate::domain::subscription::{HookScope, Kind, Step};
use crate::health::ProblemKind;
use crate::storage::{self, HookRow, Reconciler};

use execute::{Executed, Execution};
use snapshot::{Snapshot, snapshot};

pub use preview::{Preview, StepPreview};

/// See the module. Of one organization.
#[derive(Debug)]
pub struct Subscriptions {
    pub(super) context: OrganizationContext,
    /// Those of other organizations may be among them.
    pub(super) checks: Arc<[Check]>,
    pub(super) every: Duration,
    /// False where hooks are made by hand. Then only a removal that was asked for is executed.
    pub(super) is_managed: bool,
    /// Looks for events that were lost while a subscription was stopped, and finds silent hooks.
    pub(super) catch_up: Arc<Driver<CatchUp>>,
}

impl Subscriptions {
    /// Whether hooks are managed; otherwise they are made by hand.
    pub fn is_managed(&self) -> bool {
        self.is_managed
    }

    /// What would be done now; with `is_asked_for`, what a pass would do that a person asks for,
    /// which also makes hooks that were removed. Changes nothing.
    ///
    /// # Errors
    /// The state could not be read.
    pub async fn plan(&self, is_asked_for: bool) -> Result<Preview, Stop> {
        let OrganizationContext { deps, .. } = &self.context;
        let pass = Pass::look(&self.context, Reconciler::Subscriptions);
        let mut snapshot = snapshot(&pass, &self.context, &self.checks).await?;
        let is_held = snapshot.hook_state.is_held;
        snapshot.hook_state.is_held = is_held && !is_asked_for;
        let is_managed = self.is_managed || snapshot.hook_state.is_held;
        let steps = if is_managed { snapshot.plan(deps.clock.now()) } else { Vec::new() };
        Ok(Preview { is_held, ..Preview::new(&snapshot, steps, is_managed) })
    }

    async fn outcome(&self, pass: &Pass<'_>) -> Result<Outcome, Stop> {
        let OrganizationContext { organization, deps, .. } = &self.context;
        let (store, at) = (deps.store.as_ref(), deps.clock.now());
        let snapshot = snapshot(pass, &self.context, &self.checks).await?;
        let now = deps.clock.now();
        // Stored also for the names: a check goes on when a repository is renamed.
        let since = self.context.azure_devops_time(at);
        store.watch(organization, snapshot.watched.clone(), since).await?;
        let steps = snapshot.plan(now);
        let rows = report::rows(organization, &snapshot, &steps, now);
        store.replace_subscriptions(organization, rows).await?;
        let Executed { changes, problem, .. } = self.execute(pass, &snapshot, &steps).await?;
        old_secrets::retire(&self.context, &snapshot, now).await?;
        report::set_age_gauges(&self.context, &snapshot, now);
        self.report(&snapshot, &steps, problem.clone());
        let is_waiting = steps.iter().any(|step| step.kind == Kind::Wait);
        Ok(Outcome { at, changes, has_more: changes > 0 || is_waiting, problem })
    }

    async fn execute(
        &self,
        pass: &Pass<'_>,
        snapshot: &Snapshot,
        steps: &[Step],
    ) -> Result<Executed, Stop> {
        let mut executed = Executed { problem: report::blindness(snapshot), ..Executed::default() };
        if executed.problem.is_some() {
            return Ok(executed);
        }
        let execution = Execution { pass, context: &self.context, snapshot };
        let ended = execution.execute(steps, &mut executed).await;
        if executed.lost_events {
            self.catch_up.after_lost_events().await?;
        }
        ended.map(|()| executed)
    }

    fn report(&self, snapshot: &Snapshot, steps: &[Step], problem: Option<String>) {
        let last_scan = self.catch_up.reconciler.last_report();
        let silence = last_scan.and_then(|last| report::silence(snapshot, &last));
        let stopped = report::stopped(&self.context.organization, snapshot, steps);
        let unseen = report::unseen(snapshot);
        let problems = [silence, problem, stopped, unseen].into_iter().flatten();
        let problems: Vec<String> = problems.collect();
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        self.context.report(Self::PROBLEM, problem.as_deref());
    }
}

#[async_trait]
impl Reconcile for Subscriptions {
    const KIND: Reconciler = Reconciler::Subscriptions;
    const PROBLEM: ProblemKind = ProblemKind::Hooks;
    const FAILED: &'static str = "subscriptions could not be reconciled";

    fn context(&self) -> &OrganizationContext {
        &self.context
    }

    fn every(&self) -> Option<Duration> {
        Some(self.every)
    }

    async fn is_active(&self) -> Result<bool, storage::Error> {
        let OrganizationContext { organization, deps, .. } = &self.context;
        Ok(self.is_managed || deps.store.hooks(organization).await?.is_held)
    }

    async fn reconcile(&self, pass: &Pass<'_>) -> Result<Ended, Stop> {
        let outcome = self.outcome(pass).await?;
        if !self.is_managed && outcome.changes == 0 && outcome.problem.is_none() {
            // All of ours are removed. From now on hooks are made by hand and are not removed.
            let OrganizationContext { organization, deps, .. } = &self.context;
            deps.store.hold_hooks(organization, false, deps.clock.now()).await?;
        }
        Ok(Ended::Finished { outcome, due_at: None, asked: Asked::Nothing })
    }
}

impl Driver<Subscriptions> {
    /// Gives every hook of the organization, or of one project of it, a new secret. Old secrets are
    /// accepted until some time after the new ones have delivered, or end `at_once`. Returns how
    /// many hooks there are.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn rotate(
        &self,
        project: Option<&str>,
        at_once: bool,
    ) -> Result<usize, storage::Error> {
        let OrganizationContext { organization, deps, .. } = &self.reconciler.context;
        let is_meant = |hook_scope: &HookScope| {
            project.is_none_or(|id| id.eq_ignore_ascii_case(&hook_scope.project_id))
        };
        let rows = deps.store.hooks(organization).await?.hook_scopes.into_iter();
        let hook_scopes: Vec<HookScope> = rows.map(|row| row.hook_scope).filter(is_meant).collect();
        let store = deps.store.as_ref();
        store.renew_hooks(organization, hook_scopes.clone(), false, deps.clock.now()).await?;
        if at_once {
            for HookRow { hook_scope, secret } in store.hooks(organization).await?.hook_scopes {
                if hook_scopes.contains(&hook_scope) {
                    store.retire_hooks(organization, hook_scope, secret.generation).await?;
                }
            }
            deps.retired_hooks.refresh(store, organization).await?;
        }
        self.ask(Asked::Pass).await?;
        Ok(hook_scopes.len())
    }

    /// Has the hooks of the organization removed and ends their secrets, or has hooks with new
    /// secrets created.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn hold(&self, is_held: bool) -> Result<(), storage::Error> {
        let OrganizationContext { organization, deps, .. } = &self.reconciler.context;
        deps.store.hold_hooks(organization, is_held, deps.clock.now()).await?;
        deps.retired_hooks.refresh(deps.store.as_ref(), organization).await?;
        self.ask(Asked::Pass).await
    }
}
