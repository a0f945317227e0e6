//! Keeps the service-hook subscriptions of every organization as its checks need them: creates
//! what lacks, changes what drifted, heals what Azure DevOps stopped, removes what nobody needs.
//!
//! Azure DevOps loses every event of a subscription on probation (docs/azure-devops.md §1.3), so
//! each healing is followed by a catch-up. Whatever goes wrong half-way, the next turn looks anew.
//! It must never touch what does not deliver to us.

mod carrying;
mod picture;
mod report;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::catch_up::CatchUp;
use super::schedule::{Schedule, Turned, Upkeep};
use super::turn::{Stop, Turn, Upkept};
use crate::domain::check::Check;
use crate::domain::subscription::{HookName, HookScope, Kind, Step};
use crate::domain::time::Timestamp;
use crate::health::{Health, ProblemKind};
use crate::secret::Keyring;
use crate::storage::{self, HookActivity, Reconciler};
use crate::worker::Progress;

use carrying::{Carrying, Done, is_older};
use picture::{Picture, Wish, picture};

/// How long an old secret is taken after it was last used, and after the new one was first:
/// longer than Azure DevOps repeats a delivery (183 s, docs/azure-devops.md §1.3).
const RETIRE_AFTER: Duration = Duration::from_secs(240);

/// One organization whose hooks are kept.
#[derive(Debug)]
pub struct Kept {
    pub upkept: Upkept,
    pub every: Duration,
    /// Otherwise they are made by hand, or there are none.
    pub is_managed: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Subscriptions {
    organizations: Vec<Kept>,
    wish: Wish,
    beside: Beside,
    schedule: Schedule,
}

/// What it works with.
#[derive(Clone, Debug)]
pub struct Beside {
    /// When deliveries came.
    pub hook_activity: Arc<HookActivity>,
    /// Where it says what is wrong.
    pub health: Arc<Health>,
    /// Looks for what was lost meanwhile, and for hooks that are silent.
    pub catch_up: Arc<CatchUp>,
}

/// A plan for people.
#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Planned>,
    /// OwnedHook that are as they should be.
    pub kept: usize,
    /// Others' web hooks, which are left alone.
    pub foreign: usize,
    /// An operator took the hooks away.
    pub is_held: bool,
    /// Otherwise they are made by hand, and nothing is planned.
    pub is_managed: bool,
}

/// A step and the name of the project that it is about.
#[derive(Debug)]
pub struct Planned {
    pub step: Step,
    pub project: String,
}

impl Subscriptions {
    /// Keeps the hooks of these organizations for these checks; hooks deliver to `public_url`.
    pub fn new(
        organizations: Vec<Kept>,
        checks: Vec<Check>,
        (keys, public_url): (Keyring, Url),
        beside: Beside,
    ) -> Self {
        let wish = Wish { checks, keys, public_url };
        Self { organizations, wish, beside, schedule: Schedule::default() }
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
        let Upkept { organization, clock, .. } = &kept.upkept;
        let turn = kept.upkept.look(Reconciler::Subscriptions);
        self.beside.hook_activity.exchange(kept.upkept.store.as_ref(), organization).await?;
        let picture = picture(&turn, &kept.upkept, &self.wish).await?;
        let is_managed = kept.is_managed || picture.hook_state.is_held;
        let steps = match is_managed {
            true => picture.plan(organization, &self.beside.hook_activity, clock.now()),
            false => Vec::new(),
        };
        let touched = picture
            .ours
            .iter()
            .filter(|one| steps.iter().any(|step| step.id.as_ref() == Some(&one.found.id)));
        let kept = picture.ours.len() - touched.count();
        let (foreign, is_held) = (picture.foreign, picture.hook_state.is_held);
        let planned = |step: Step| {
            let project = picture.project(step.hook_scope.as_ref()).cloned();
            let hidden =
                || step.hook_scope.as_ref().map(|hook_scope| hook_scope.project_id.clone());
            Planned { project: project.or_else(hidden).unwrap_or_default(), step }
        };
        let steps = steps.into_iter().map(planned).collect();
        Ok(Plan { steps, kept, foreign, is_held, is_managed })
    }

    /// Gives every hook of an organization a new secret, or those of one project; how many. The old
    /// ones are taken until the new ones have proved themselves.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn rotate(
        &self,
        kept: &Kept,
        project: Option<&str>,
    ) -> Result<usize, storage::Error> {
        let Upkept { organization, store, clock, .. } = &kept.upkept;
        let hook_state = store.hooks(organization).await?;
        let hook_scopes: Vec<HookScope> = hook_state
            .hook_scopes
            .into_iter()
            .map(|row| row.hook_scope)
            .filter(|hook_scope| {
                project.is_none_or(|id| id.eq_ignore_ascii_case(&hook_scope.project_id))
            })
            .collect();
        let count = hook_scopes.len();
        store.renew_hooks(organization, hook_scopes, false, clock.now()).await?;
        self.ask(organization);
        Ok(count)
    }

    /// Takes the hooks of an organization away, or lets them be made again.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn hold(&self, kept: &Kept, is_held: bool) -> Result<(), storage::Error> {
        kept.upkept.store.hold_hooks(&kept.upkept.organization, is_held).await?;
        self.ask(&kept.upkept.organization);
        Ok(())
    }

    /// One turn at one organization.
    async fn keep(&self, kept: &Kept) -> Result<Turned, Stop> {
        let turn = kept.upkept.turn(Reconciler::Subscriptions).await?.ok_or(Stop::Overtaken)?;
        let turned = self.turn(&turn, kept).await;
        turn.end().await;
        turned
    }

    async fn turn(&self, turn: &Turn<'_>, kept: &Kept) -> Result<Turned, Stop> {
        let at = &kept.upkept;
        let (organization, store) = (&at.organization, at.store.as_ref());
        let began_at = at.clock.now();
        self.beside.hook_activity.exchange(store, organization).await?;
        let picture = picture(turn, at, &self.wish).await?;
        let now = at.clock.now();
        // Since when they are watched, and what they are called: a rename must not end a check.
        let since = at.throttle.their_now(organization, began_at);
        store.watch(organization, picture.watched.clone(), since).await?;
        let steps = picture.plan(organization, &self.beside.hook_activity, now);
        let rows = report::rows(organization, &picture, &steps, now);
        store.keep_subscriptions(organization, rows).await?;
        let mut done = Done { problem: blindness(&picture), ..Done::default() };
        let carried = match done.problem {
            Some(_) => Ok(()),
            None => {
                let carrying = Carrying { turn, at, wish: &self.wish, picture: &picture };
                carrying.carry_out(&steps, &mut done).await
            }
        };
        if done.heard_late {
            self.beside.catch_up.after_healing(organization);
        }
        carried?;
        self.retire(at, &picture, now).await?;
        report::ages(organization, &picture, &self.beside.hook_activity, now);
        let silent = report::silence(&self.beside, organization, &picture);
        let told = [silent, done.problem.clone()].into_iter().flatten().collect();
        report::alarm(&self.beside.health, organization, &picture, &steps, told);
        let waits = steps.iter().any(|step| step.kind == Kind::Wait);
        let goes_on = done.changes > 0 || waits;
        Ok(Turned { at: began_at, changes: done.changes, goes_on, problem: done.problem })
    }

    /// Ends the secrets that were replaced by one that delivers, once nothing can come with them
    /// any more: a delivery may have been on its way when the new secret came, or be repeated.
    async fn retire(
        &self,
        at: &Upkept,
        picture: &Picture,
        now: Timestamp,
    ) -> Result<(), storage::Error> {
        let (organization, hook_activity) = (&at.organization, &self.beside.hook_activity);
        for row in
            picture.hook_state.hook_scopes.iter().filter(|row| row.live_from < row.generation)
        {
            let (hook_scope, generation) = (&row.hook_scope, row.generation);
            let newest = self.wish.hook(organization, hook_scope, generation);
            let older = |hook: &str| is_older(hook, hook_scope, generation);
            let is_used = picture.ours.iter().any(|one| older(&one.hook));
            let Some(proved_at) =
                hook_activity.first_at(organization, &newest).filter(|_| !is_used)
            else {
                continue;
            };
            let last_at = hook_activity.last_of(organization, &older).unwrap_or_default();
            if now.since(proved_at.max(last_at)) < RETIRE_AFTER {
                continue;
            }
            at.store.retire_hooks(organization, hook_scope.clone(), generation).await?;
            hook_activity.exchange(at.store.as_ref(), organization).await?;
            let hook = HookName::untagged(hook_scope, generation);
            tracing::info!(organization, hook, "secrets before this one are not taken any more");
        }
        Ok(())
    }

    async fn take_turn(&self, kept: &Kept) -> Result<(), storage::Error> {
        let Upkept { organization, store, clock, .. } = &kept.upkept;
        self.schedule.begin(organization);
        if !kept.is_managed && !store.hooks(organization).await?.is_held {
            self.schedule.turned(organization, None, kept.every, clock.now());
            return Ok(());
        }
        let turned = match self.keep(kept).await {
            Ok(turned) => {
                if !kept.is_managed && turned.changes == 0 && turned.problem.is_none() {
                    // OwnedHook are gone; what comes is made by hand, and not ours to take away.
                    store.hold_hooks(organization, false).await?;
                }
                Some(turned)
            }
            Err(Stop::Store(error)) => return Err(error),
            Err(Stop::Overtaken | Stop::Stopping) => None,
            Err(stop) => {
                let told = format!("subscriptions could not be looked after: {stop}");
                if self.beside.health.raise(organization, ProblemKind::Hooks, &told) {
                    tracing::warn!(organization, "{told}");
                }
                let (at, problem) = (clock.now(), Some(told));
                Some(Turned { at, changes: 0, goes_on: true, problem })
            }
        };
        self.schedule.turned(organization, turned, kept.every, clock.now());
        Ok(())
    }
}

/// Who sees nothing at all must not take it for nothing being there.
fn blindness(picture: &Picture) -> Option<String> {
    let is_blind = picture.projects.is_empty() && !picture.ours.is_empty();
    (is_blind && !picture.hook_state.is_held).then(|| {
        "the identity sees no repository any more: nothing is removed until it does; let it read \
         them"
            .to_owned()
    })
}

#[async_trait]
impl Upkeep for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
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
