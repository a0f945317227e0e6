//! Sets up the reconcilers of every organization.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::Config;
use crate::credentials::Identities;
use crate::deps::Deps;
use crate::domain::check::Check;
use crate::reconcile::context::OrganizationContext;
use crate::reconcile::organization::{OrganizationReconcilers, Settings};

/// By the name of the organization as configured.
pub(super) fn reconcilers(
    config: &Config,
    identities: &Identities,
    deps: &Deps,
) -> HashMap<String, OrganizationReconcilers> {
    let checks: Arc<[Check]> = config.checks.clone().into();
    let reconcilers = config.organizations.iter().filter_map(|organization| {
        let name = organization.ado.name.clone();
        let identity = identities.by_organization.get(&name)?;
        let context = OrganizationContext {
            organization: name.clone(),
            client: identity.client.clone(),
            source: Arc::clone(&identity.source),
            deps: deps.clone(),
        };
        let settings = Settings {
            checks: Arc::clone(&checks),
            every: organization.reconcile,
            catch_up_every: organization.catch_up,
            manages_hooks: organization.hooks,
        };
        Some((name, OrganizationReconcilers::new(context, settings)))
    });
    reconcilers.collect()
}
