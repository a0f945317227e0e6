//! Executes a plan for subscriptions, one step after the other. A step that failed, or whose answer
//! was lost, is not repeated: the next pass sees what became of it.

use std::collections::BTreeSet;

use super::desired::{row, with_generation};
use super::snapshot::Snapshot;
use crate::ado::{Scope, scope_of_hooks};
use crate::domain::subscription::{Action, Change, Desired, Found, HookScope, Kind, Step, Topic};
use crate::reconcile::context::OrganizationContext;
use crate::reconcile::pass::{Pass, Stop, ends_the_pass};
use crate::secret::Secret;

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// How many things were changed at Azure DevOps.
    pub(super) changes: u32,
    /// A scope had no subscription that delivers everything: earlier events were lost.
    pub(super) lost_events: bool,
    /// The first failure, for people.
    pub(super) problem: Option<String>,
}

/// A plan that is being executed.
pub(super) struct Execution<'a> {
    pub(super) pass: &'a Pass<'a>,
    pub(super) context: &'a OrganizationContext,
    pub(super) snapshot: &'a Snapshot,
}

impl Execution<'_> {
    /// Executes every step that is due, and adds to `executed` what was done.
    ///
    /// # Errors
    /// The pass has to end here.
    pub(super) async fn execute(
        &self,
        steps: &[Step],
        executed: &mut Executed,
    ) -> Result<(), Stop> {
        // After a failure in a scope its other steps are left for the next pass.
        let mut failed: BTreeSet<Option<HookScope>> = BTreeSet::new();
        for step in steps {
            if failed.contains(&step.hook_scope) {
                continue;
            }
            // Also without an answer: Azure DevOps may have done it.
            executed.lost_events |=
                is_missed(step) && (follows_lost_events(&step.action) || self.refused_events(step));
            match self.step(step).await {
                Ok(is_done) => {
                    self.log(step, is_done);
                    executed.changes += u32::from(is_done && step.kind != Kind::Wait);
                }
                Err(Stop::Call(error)) if !ends_the_pass(&error) => {
                    failed.insert(step.hook_scope.clone());
                    let project = self.snapshot.project(step.hook_scope.as_ref());
                    let problem = format!(
                        "hook {} of project {}: {error}",
                        step.kind.as_str(),
                        project.map_or("?", String::as_str)
                    );
                    executed.problem.get_or_insert(problem);
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// Makes the call of a step, if it has one. Returns whether it has.
    async fn step(&self, step: &Step) -> Result<bool, Stop> {
        let client = &self.context.client;
        let desired = self.snapshot.desired_at(step.hook_scope.as_ref());
        match (&step.action, desired) {
            (Action::Remove { id }, _) => {
                let delete = |credential| client.delete_subscription(credential, id);
                self.pass.call(scope(step.hook_scope.as_ref()), "hooks", delete).await?;
            }
            (Action::Create, Some(desired)) => {
                if row(&self.snapshot.hook_state, &desired.hook_scope).is_none() {
                    self.renew(&desired.hook_scope, false).await?;
                }
                let created = self.create(desired).await?;
                if step.kind == Kind::Healing {
                    self.test(&created.id, desired).await?;
                }
            }
            (Action::Renew, Some(desired)) => {
                self.renew(&desired.hook_scope, true).await?;
                let renewed = self.renewed(desired);
                let created = self.create(&renewed).await?;
                self.test(&created.id, &renewed).await?;
            }
            (Action::Change { id, changes }, Some(desired)) => {
                let password = self.password(desired);
                let replace =
                    |credential| client.replace_subscription(credential, id, desired, &password);
                self.pass.call(scope(Some(&desired.hook_scope)), "hooks", replace).await?;
                if changes.iter().any(has_new_secret) {
                    self.test(id, desired).await?;
                }
            }
            (Action::Test { id }, Some(desired)) => self.test(id, desired).await?,
            (Action::Nothing, _) | (_, None) => return Ok(false),
        }
        Ok(true)
    }

    /// Whether deliveries were refused until this step: it brings a new secret after the old ones
    /// had ended.
    fn refused_events(&self, step: &Step) -> bool {
        let Action::Change { changes, .. } = &step.action else { return false };
        let hook_scope = step.hook_scope.as_ref();
        let row = hook_scope.and_then(|of| row(&self.snapshot.hook_state, of));
        let has_ended = row.is_some_and(|row| row.secret.live_from >= row.secret.generation);
        has_ended && changes.iter().any(has_new_secret)
    }

    /// Increments the secret generation of a scope in the store.
    async fn renew(&self, hook_scope: &HookScope, heals: bool) -> Result<(), Stop> {
        let OrganizationContext { organization, deps, .. } = self.context;
        let (hook_scopes, now) = (vec![hook_scope.clone()], deps.clock.now());
        Ok(deps.store.renew_hooks(organization, hook_scopes, heals, now).await?)
    }

    async fn create(&self, desired: &Desired) -> Result<Found, Stop> {
        let password = self.password(desired);
        let client = &self.context.client;
        let create = |credential| client.create_subscription(credential, desired, &password);
        self.pass.call(scope(Some(&desired.hook_scope)), "hooks", create).await
    }

    /// Has a test notification delivered, which proves that a hook delivers.
    async fn test(&self, id: &str, desired: &Desired) -> Result<(), Stop> {
        let password = self.password(desired);
        let client = &self.context.client;
        let test = |credential| client.test_subscription(credential, id, desired, &password);
        self.pass.call(scope(Some(&desired.hook_scope)), "hooks", test).await
    }

    /// The same subscription with the next secret.
    fn renewed(&self, desired: &Desired) -> Desired {
        let row = row(&self.snapshot.hook_state, &desired.hook_scope);
        let generation = row.map_or(1, |row| row.secret.generation.saturating_add(1));
        with_generation(self.context, desired.clone(), generation)
    }

    fn password(&self, desired: &Desired) -> Secret {
        self.context.deps.keys.hook_password(&self.context.organization, &desired.hook)
    }

    fn log(&self, step: &Step, is_done: bool) {
        let organization = &self.context.organization;
        let project = self.snapshot.project(step.hook_scope.as_ref()).map_or("", String::as_str);
        let topic = step.hook_scope.as_ref().map_or("", |hook_scope| hook_scope.topic.as_str());
        let (subscription, reason) = (step.id.as_deref().unwrap_or(""), &step.reason);
        let kind = step.kind.as_str();
        if is_done && step.kind != Kind::Wait {
            metrics::counter!("azdo_gateway_subscription_changes_total", "kind" => kind)
                .increment(1);
            tracing::info!(organization, project, topic, subscription, "hook {kind}: {reason}");
        } else {
            tracing::debug!(organization, project, topic, subscription, "hook {kind}: {reason}");
        }
    }
}

/// The scope of tokens for calls about a subscription of this hook scope; none is that of the whole
/// organization.
fn scope(hook_scope: Option<&HookScope>) -> Scope {
    hook_scope.map_or(Scope::Code, |hook_scope| scope_of_hooks(hook_scope.topic))
}

/// Whether events that are lost in its scope are missed: CIs are asked about builds anyway.
fn is_missed(step: &Step) -> bool {
    step.hook_scope.as_ref().is_none_or(|of| of.topic != Topic::BuildsCompleted)
}

/// Whether events were lost until this was done. A new secret beside live ones loses none.
fn follows_lost_events(action: &Action) -> bool {
    match action {
        Action::Create | Action::Renew => true,
        Action::Change { changes, .. } => changes.iter().any(|change| !has_new_secret(change)),
        Action::Test { .. } | Action::Remove { .. } | Action::Nothing => false,
    }
}

/// The secret of a hook follows from its name in the URL.
fn has_new_secret(change: &Change) -> bool {
    change.field == "url"
}
