//! Sets up what looks after things at Azure DevOps: subscriptions, policies, catch-up.

use std::sync::Arc;

use crate::config::Config;
use crate::credentials::Identities;
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::reconcile::catch_up::{CatchUp, Followed};
use crate::reconcile::policies::{self, Policies};
use crate::reconcile::subscriptions::{Beside, Kept, Subscriptions};
use crate::reconcile::turn::Upkept;

/// What looks after things at Azure DevOps.
pub(super) struct Upkeep {
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) policies: Arc<Policies>,
    pub(super) catch_up: Arc<CatchUp>,
}

pub(super) fn upkeep(config: &Config, identities: &Identities, deps: &Deps) -> Upkeep {
    let catch_up = catch_up(config, identities, deps);
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, deps)?;
        let (every, is_managed) = (organization.reconcile, organization.hooks);
        Some(Kept { upkept, every, is_managed })
    });
    let hook_scope = (config.secrets.clone(), config.server.public_url.clone());
    let checks = config.checks.clone();
    let beside = Beside {
        hook_activity: Arc::clone(&deps.hook_activity),
        health: Arc::clone(&deps.health),
        catch_up: Arc::clone(&catch_up),
    };
    let subscriptions = Subscriptions::new(kept.collect(), checks, hook_scope, beside);
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, deps)?;
        Some(policies::Kept { upkept, every: organization.reconcile })
    });
    let health = Arc::clone(&deps.health);
    let policies =
        Policies::new(kept.collect(), config.checks.clone(), health, Arc::clone(&catch_up));
    Upkeep { subscriptions: Arc::new(subscriptions), policies: Arc::new(policies), catch_up }
}

fn catch_up(config: &Config, identities: &Identities, deps: &Deps) -> Arc<CatchUp> {
    let checks: Arc<[Check]> = config.checks.clone().into();
    let followed = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, deps)?;
        let (checks, every) = (Arc::clone(&checks), organization.catch_up);
        Some(Followed { upkept, checks, every, has_hooks: organization.hooks })
    });
    let (decide, health) = (deps.notifiers.decide.clone(), Arc::clone(&deps.health));
    Arc::new(CatchUp::new(followed.collect(), decide, health))
}

fn upkept(organization: &str, identities: &Identities, deps: &Deps) -> Option<Upkept> {
    let identity = identities.by_organization.get(organization)?;
    Some(Upkept {
        organization: organization.to_owned(),
        client: identity.client.clone(),
        source: Arc::clone(&identity.source),
        throttle: Arc::clone(&deps.throttle),
        store: Arc::clone(&deps.store),
        clock: deps.clock.clone(),
        holder: deps.instance.process.clone(),
        stop: deps.stop.clone(),
    })
}
