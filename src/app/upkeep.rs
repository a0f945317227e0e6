//! Sets up what looks after things at Azure DevOps: subscriptions, policies, catch-up.

use std::sync::Arc;

use super::Shared;
use crate::config::Config;
use crate::credentials::Identities;
use crate::reconcile::policies::{self, Policies};
use crate::reconcile::subscriptions::{Kept, Subscriptions};
use crate::reconcile::turn::Upkept;

/// What looks after things at Azure DevOps.
pub(super) struct Upkeep {
    pub(super) subscriptions: Arc<Subscriptions>,
    pub(super) policies: Arc<Policies>,
}

pub(super) fn upkeep(config: &Config, identities: &Identities, shared: &Shared) -> Upkeep {
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, shared)?;
        let (every, is_managed) = (organization.reconcile, organization.hooks);
        Some(Kept { upkept, every, is_managed })
    });
    let place = (config.secrets.clone(), config.server.public_url.clone());
    let (arrivals, standing) = (Arc::clone(&shared.arrivals), Arc::clone(&shared.standing));
    let checks = config.checks.clone();
    let subscriptions = Subscriptions::new(kept.collect(), checks, place, arrivals, standing);
    let kept = config.organizations.iter().filter_map(|organization| {
        let upkept = upkept(&organization.ado.name, identities, shared)?;
        Some(policies::Kept { upkept, every: organization.reconcile })
    });
    let standing = Arc::clone(&shared.standing);
    let policies = Policies::new(kept.collect(), config.checks.clone(), standing);
    Upkeep { subscriptions: Arc::new(subscriptions), policies: Arc::new(policies) }
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
