//! The actions of people, which the API and the pages share. An action runs to its end also where
//! the client closes its connection, and the audit log gets an entry with the name of the person.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::organization::Organization;
use super::problem::Problem;
use crate::credentials::{AuditLog, Identities};
use crate::deps::Deps;
use crate::domain::about::replay_key;
use crate::domain::audit::{Action, Actor, Entry, Outcome};
use crate::domain::id::{DeliveryId, RunId};
use crate::domain::policy;
use crate::domain::reconciler::Asked;
use crate::domain::run::Run;
use crate::domain::time::Timestamp;
use crate::pipeline::observe::Observe;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::pass::Stop;
use crate::reconcile::subscriptions::Preview;
use crate::storage::{Changed, Error};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Actions {
    pub(super) deps: Deps,
    pub(super) observe: Observe,
    pub(super) identities: Arc<Identities>,
    /// By the name of the organization as configured.
    pub(super) reconcilers: Arc<HashMap<String, OrganizationReconcilers>>,
}

/// What the audit log says of a pass that somebody asked for.
pub(super) const RECONCILED: &str = "hooks and policies";
/// What the audit log says of removed hooks.
pub(super) const REMOVED: &str = "all hooks";

/// What the audit log says of new secrets.
pub(super) fn rotation(project: Option<&str>, at_once: bool) -> String {
    let of =
        project.map_or("all hooks".to_owned(), |project| format!("hooks of project {project}"));
    let when = if at_once { ": the old secrets have ended" } else { "" };
    format!("{of}{when}")
}

/// Runs `work` to its end, also where the caller goes away: nothing is left half done.
pub(super) async fn finish<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    match actix_web::rt::spawn(work).await {
        Ok(result) => result,
        Err(_) => Err(Problem::from(Error::unavailable("it ended early"))),
    }
}

/// Records in the audit log what somebody did: for a run, if there is one, and with what `detail`
/// says.
pub(super) async fn record(
    deps: &Deps,
    actor: &Actor,
    organization: &str,
    action: Action,
    (run, detail): (Option<RunId>, String),
) {
    let audit_log = AuditLog::new(organization, deps);
    let entry = audit_log.entry(action, Outcome::Done).by(actor.clone());
    audit_log.record(vec![Entry { run, detail, ..entry }]).await;
}

impl Actions {
    /// Cancels a run: 409 where it has ended.
    pub(super) async fn cancel(&self, actor: &Actor, id: RunId) -> Result<Run, Problem> {
        let (all, actor) = (self.clone(), actor.clone());
        finish(async move {
            match all.observe.cancel(id, &actor.name).await? {
                Changed::To(run) => {
                    let what = (Some(run.id), run.check.clone());
                    record(&all.deps, &actor, &run.organization, Action::Cancel, what).await;
                    Ok(*run)
                }
                Changed::Not(_, reason) => Err(Problem::conflict(reason)),
                Changed::Unknown => Err(Problem::not_found("run", &id.to_string())),
            }
        })
        .await
    }

    /// Plans a run like this one under the id `new`. Done a second time it gives the same run.
    pub(super) async fn rerun(&self, actor: &Actor, id: RunId, new: RunId) -> Result<Run, Problem> {
        let (all, actor) = (self.clone(), actor.clone());
        finish(async move {
            let rerun = all.observe.rerun(id, new, &actor.name).await?;
            let rerun = rerun.ok_or_else(|| Problem::not_found("run", &id.to_string()))?;
            let run = rerun.run;
            if rerun.is_new {
                let what = (Some(id), format!("{} as run {}", run.check, run.id));
                record(&all.deps, &actor, &run.organization, Action::Rerun, what).await;
            }
            Ok(run)
        })
        .await
    }

    /// Has a stored delivery decided again. The same `request` made a second time gives the same
    /// copy.
    pub(super) async fn replay(
        &self,
        actor: &Actor,
        id: DeliveryId,
        request: Uuid,
    ) -> Result<DeliveryId, Problem> {
        let (deps, actor) = (self.deps.clone(), actor.clone());
        finish(async move {
            let missing = || Problem::not_found("delivery", &id.to_string());
            let organization = deps.store.delivery(id).await?.ok_or_else(missing)?.organization;
            let request = replay_key(&organization, id, request);
            let replayed = deps.store.replay(id, request, deps.clock.now()).await?;
            let replayed = replayed.ok_or_else(missing)?;
            if replayed.is_new {
                let copy = replayed.id;
                let what = (None, format!("delivery {id} as delivery {copy}"));
                record(&deps, &actor, &organization, Action::Replay, what).await;
                tracing::info!(delivery = id.0, "replayed as delivery {copy} by {}", actor.name);
            }
            deps.notifiers.decide.notify();
            Ok(replayed.id)
        })
        .await
    }

    /// Asks for a pass over hooks and policies, which also makes hooks that were removed. Returns
    /// when it was asked for: a pass that begins later does it.
    pub(super) async fn reconcile(
        &self,
        actor: &Actor,
        organization: &Organization,
    ) -> Result<Timestamp, Problem> {
        let reconcilers = self.of(organization)?.clone();
        let asking = async move {
            reconcilers.policies.ask(Asked::Pass).await?;
            Ok(reconcilers.subscriptions.hold(false).await?)
        };
        self.ask(actor, organization, (Action::Reconcile, RECONCILED.into()), asking).await
    }

    /// Asks for a look for events that no hook delivered.
    pub(super) async fn catch_up(
        &self,
        actor: &Actor,
        organization: &Organization,
    ) -> Result<Timestamp, Problem> {
        let reconcilers = self.of(organization)?.clone();
        let asking = async move { Ok(reconcilers.catch_up.ask(Asked::Pass).await?) };
        self.ask(actor, organization, (Action::CatchUp, String::new()), asking).await
    }

    /// Gives all hooks new secrets, or those of a project. The old ones end `at_once`, or after
    /// the new ones have delivered for a while.
    pub(super) async fn rotate(
        &self,
        actor: &Actor,
        organization: &Organization,
        project: Option<String>,
        at_once: bool,
    ) -> Result<Timestamp, Problem> {
        let reconcilers = self.of(organization)?.clone();
        let (deps, name) = (self.deps.clone(), organization.0.clone());
        let detail = rotation(project.as_deref(), at_once);
        let asking = async move {
            if !reconcilers.subscriptions.reconciler.is_managed() {
                return Err(Problem::conflict(
                    "the hooks of this organization are made by hand (hooks = false): set hooks = \
                     true, or change them by hand",
                ));
            }
            if deps.store.hooks(&name).await?.is_held {
                let reason = "the hooks were removed: create them with `azdo-gateway hooks apply`";
                return Err(Problem::conflict(reason));
            }
            if reconcilers.subscriptions.rotate(project.as_deref(), at_once).await? == 0 {
                let reason =
                    "there is no hook to rotate: create them with `azdo-gateway hooks apply`";
                return Err(Problem::conflict(reason));
            }
            Ok(())
        };
        self.ask(actor, organization, (Action::Rotate, detail), asking).await
    }

    /// Removes the hooks. None is made until a pass is asked for.
    pub(super) async fn remove_hooks(
        &self,
        actor: &Actor,
        organization: &Organization,
    ) -> Result<Timestamp, Problem> {
        let reconcilers = self.of(organization)?.clone();
        let asking = async move { Ok(reconcilers.subscriptions.hold(true).await?) };
        self.ask(actor, organization, (Action::Remove, REMOVED.into()), asking).await
    }

    /// Unlinks the service user.
    pub(super) async fn unlink(&self, actor: &Actor, organization: &str) -> Result<(), Problem> {
        let (identities, actor) = (Arc::clone(&self.identities), actor.clone());
        let organization = organization.to_owned();
        finish(async move {
            identities.linking.unlink(&organization, actor).await?;
            Ok(())
        })
        .await
    }

    /// What the next pass over hooks and policies would do; with `is_asked_for`, what one that a
    /// person asks for would do, which also makes hooks that were removed. Asks Azure DevOps.
    pub(super) async fn plan(
        &self,
        organization: &Organization,
        is_asked_for: bool,
    ) -> Result<(Preview, Vec<policy::Step>), Problem> {
        let reconcilers = self.of(organization)?;
        let hooks = reconcilers.subscriptions.reconciler.plan(is_asked_for).await;
        let hooks = hooks.map_err(no_plan)?;
        let policies = reconcilers.policies.reconciler.plan().await.map_err(no_plan)?;
        Ok((hooks, policies.steps))
    }

    pub(super) fn of(
        &self,
        organization: &Organization,
    ) -> Result<&OrganizationReconcilers, Problem> {
        let found = self.reconcilers.get(&organization.0);
        found.ok_or_else(|| Organization::unknown(&organization.0))
    }

    /// Does what asks reconcilers for something, and records it.
    async fn ask(
        &self,
        actor: &Actor,
        organization: &Organization,
        (action, detail): (Action, String),
        asking: impl Future<Output = Result<(), Problem>> + 'static,
    ) -> Result<Timestamp, Problem> {
        let (deps, actor, name) = (self.deps.clone(), actor.clone(), organization.0.clone());
        finish(async move {
            let asked_at = deps.clock.now();
            asking.await?;
            record(&deps, &actor, &name, action, (None, detail)).await;
            Ok(asked_at)
        })
        .await
    }
}

fn no_plan(stop: Stop) -> Problem {
    match stop {
        Stop::Store(error) => Problem::from(error),
        stop => Problem::bad_gateway(format!("no plan can be made now: {stop}")),
    }
}
