//! Carries a plan out, one step after the other. A step that fails is found again by the next
//! look; one whose answer never came is not repeated before it.

use std::collections::BTreeSet;

use super::picture::{Picture, Wish};
use crate::ado::{self, Scope, hook_url, settings};
use crate::credentials::CallError;
use crate::domain::subscription::{Act, HookName, HookScope, Kind, Step, Wanted};
use crate::reconcile::turn::{Stop, Turn, Upkept};
use crate::secret::Secret;

/// What became of a plan.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Something was changed at Azure DevOps.
    pub(super) changes: usize,
    /// A hook_scope had no subscription that tells everything: what happened before was lost.
    pub(super) heard_late: bool,
    /// The first thing that did not work, in words for people.
    pub(super) problem: Option<String>,
}

/// One plan being carried out.
pub(super) struct Carrying<'a> {
    pub(super) turn: &'a Turn<'a>,
    pub(super) at: &'a Upkept,
    pub(super) wish: &'a Wish,
    pub(super) picture: &'a Picture,
}

impl Carrying<'_> {
    /// Every step that is due.
    ///
    /// # Errors
    /// The turn has to end here. Whatever is `done` already stays done.
    pub(super) async fn carry_out(&self, steps: &[Step], done: &mut Done) -> Result<(), Stop> {
        // A hook_scope where something failed is left for the next look.
        let mut failed: BTreeSet<Option<HookScope>> = BTreeSet::new();
        for step in steps {
            if failed.contains(&step.hook_scope) {
                continue;
            }
            // Also where the answer never comes: it may have been done.
            done.heard_late |= hears_late(&step.act);
            match self.step(step).await {
                Ok(did) => {
                    self.tell(step, did);
                    done.changes += usize::from(did && step.kind != Kind::Wait);
                }
                Err(Stop::Call(error)) if !ends_the_turn(&error) => {
                    failed.insert(step.hook_scope.clone());
                    let project = self.picture.project(step.hook_scope.as_ref());
                    let told = format!(
                        "hook {} of project {}: {error}",
                        step.kind.as_str(),
                        project.map_or("?", String::as_str)
                    );
                    done.problem.get_or_insert(told);
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(())
    }

    /// Whether anything was asked for at Azure DevOps.
    async fn step(&self, step: &Step) -> Result<bool, Stop> {
        let wanted = self.picture.wanted_at(step.hook_scope.as_ref());
        match (&step.act, wanted) {
            (Act::Remove { id }, _) => {
                let delete = |credential| self.at.client.delete_subscription(credential, id);
                self.turn.call(Scope::Code, "hooks", delete).await?;
            }
            (Act::Create, Some(wanted)) => {
                if super::picture::row(&self.picture.hook_state, &wanted.hook_scope).is_none() {
                    self.renew(&wanted.hook_scope, false).await?;
                }
                self.create(wanted).await?;
            }
            (Act::Renew, Some(wanted)) => {
                self.renew(&wanted.hook_scope, true).await?;
                self.create(&self.renewed(wanted)).await?;
            }
            (Act::Change { id, .. }, Some(wanted)) => {
                let password = self.password(wanted);
                let replace = |credential| {
                    self.at.client.replace_subscription(credential, id, wanted, &password)
                };
                self.turn.call(Scope::Code, "hooks", replace).await?;
            }
            (Act::Test { id }, Some(wanted)) => {
                let password = self.password(wanted);
                let test = |credential| {
                    self.at.client.test_subscription(credential, id, wanted, &password)
                };
                self.turn.call(Scope::Code, "hooks", test).await?;
            }
            (Act::Nothing, _) | (_, None) => return Ok(false),
        }
        Ok(true)
    }

    async fn renew(&self, hook_scope: &HookScope, heals: bool) -> Result<(), Stop> {
        let Upkept { organization, store, clock, .. } = self.at;
        let hook_scopes = vec![hook_scope.clone()];
        Ok(store.renew_hooks(organization, hook_scopes, heals, clock.now()).await?)
    }

    async fn create(&self, wanted: &Wanted) -> Result<(), Stop> {
        let password = self.password(wanted);
        let create = |credential| self.at.client.create_subscription(credential, wanted, &password);
        self.turn.call(Scope::Code, "hooks", create).await.map(drop)
    }

    /// The same with the next secret.
    fn renewed(&self, wanted: &Wanted) -> Wanted {
        let hook_scope = &wanted.hook_scope;
        let row = super::picture::row(&self.picture.hook_state, hook_scope);
        let generation = row.map_or(1, |row| row.generation.saturating_add(1));
        let organization = &self.at.organization;
        let hook = self.wish.hook(organization, hook_scope, generation);
        let url = hook_url(&self.wish.public_url, organization, &hook);
        Wanted { hook, settings: settings(hook_scope, &url), ..wanted.clone() }
    }

    fn password(&self, wanted: &Wanted) -> Secret {
        self.wish.keys.hook_password(&self.at.organization, &wanted.hook)
    }

    fn tell(&self, step: &Step, did: bool) {
        let organization = &self.at.organization;
        let project = self.picture.project(step.hook_scope.as_ref()).map_or("", String::as_str);
        let topic = step.hook_scope.as_ref().map_or("", |hook_scope| hook_scope.topic.as_str());
        let (subscription, why) = (step.id.as_deref().unwrap_or(""), &step.why);
        let kind = step.kind.as_str();
        if did && step.kind != Kind::Wait {
            metrics::counter!("azdo_gateway_subscription_changes_total", "kind" => kind)
                .increment(1);
            tracing::info!(organization, project, topic, subscription, "hook {kind}: {why}");
        } else {
            tracing::debug!(organization, project, topic, subscription, "hook {kind}: {why}");
        }
    }
}

/// Whether events were lost until this was done. A new secret alone loses none.
fn hears_late(act: &Act) -> bool {
    match act {
        Act::Create | Act::Renew => true,
        Act::Change { changes, .. } => changes.iter().any(|change| change.field != "url"),
        Act::Test { .. } | Act::Remove { .. } | Act::Nothing => false,
    }
}

/// What every further call would meet, too.
fn ends_the_turn(error: &CallError) -> bool {
    match error {
        CallError::Credential(_) => true,
        CallError::Ado(error) => matches!(
            error,
            ado::Error::Unauthorized { .. }
                | ado::Error::RateLimited { .. }
                | ado::Error::Unavailable { .. }
        ),
    }
}

/// Whether a hook has the secret of an older number than `generation`.
pub(super) fn is_older(hook: &str, hook_scope: &HookScope, generation: u32) -> bool {
    HookName::parse(hook)
        .is_some_and(|name| name.hook_scope == *hook_scope && name.generation < generation)
}
