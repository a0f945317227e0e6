//! Sets up what looks after things at Azure DevOps: subscriptions, policies, catch-up.

use std::sync::Arc;

use super::Shared;
use crate::config::Config;
use crate::credentials::Identities;
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

pub(super) fn upkeep(config: &Config, identities: &Identities, shared: &Shared) -> Upkeep {
    let catch_up = catch_up(config, identities, shared);
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, shared)?;
        let (every, is_managed) = (organization.reconcile, organization.hooks);
        Some(Kept { upkept, every, is_managed })
    });
    let place = (config.secrets.clone(), config.server.public_url.clone());
    let checks = config.checks.clone();
    let beside = Beside {
        arrivals: Arc::clone(&shared.arrivals),
        standing: Arc::clone(&shared.standing),
        catch_up: Arc::clone(&catch_up),
    };
    let subscriptions = Subscriptions::new(kept.collect(), checks, place, beside);
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, shared)?;
        Some(policies::Kept { upkept, every: organization.reconcile })
    });
    let standing = Arc::clone(&shared.standing);
    let policies =
        Policies::new(kept.collect(), config.checks.clone(), standing, Arc::clone(&catch_up));
    Upkeep { subscriptions: Arc::new(subscriptions), policies: Arc::new(policies), catch_up }
}

fn catch_up(config: &Config, identities: &Identities, shared: &Shared) -> Arc<CatchUp> {
    let checks: Arc<[Check]> = config.checks.clone().into();
    let followed = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, shared)?;
        let (checks, every) = (Arc::clone(&checks), organization.catch_up);
        Some(Followed { upkept, checks, every, has_hooks: organization.hooks })
    });
    let (decide, standing) = (shared.wakes.decide.clone(), Arc::clone(&shared.standing));
    Arc::new(CatchUp::new(followed.collect(), decide, standing))
}

fn upkept(organization: &str, identities: &Identities, shared: &Shared) -> Option<Upkept> {
    let identity = identities.by_organization.get(organization)?;
    Some(Upkept {
        organization: organization.to_owned(),
        client: identity.client.clone(),
        source: Arc::clone(&identity.source),
        throttle: Arc::clone(&shared.throttle),
        store: Arc::clone(&shared.store),
        clock: shared.clock.clone(),
        holder: shared.process.clone(),
        stop: shared.stop.clone(),
    })
}
