//! Parts of a gateway without the rest of it, for tests of several processes on one store.

use std::sync::Arc;

use azdo_gateway::config::Config;
use azdo_gateway::credentials::Identities;
use azdo_gateway::deps::{Deps, Instance};
use azdo_gateway::reconcile::context::OrganizationContext;
use azdo_gateway::reconcile::organization::{OrganizationReconcilers, Settings};
use azdo_gateway::storage::Store;

/// What another process of this configuration works with.
fn deps(config: &Config, store: &Arc<dyn Store>, process: &str) -> Deps {
    let http = azdo_gateway::ado::http_client().expect("it is set up");
    let (keys, public_url) = (config.secrets.clone(), config.server.public_url.clone());
    let instance = Instance { installation_id: "another0".into(), id: process.to_owned() };
    Deps::new(http, Arc::clone(store), keys, public_url, instance)
}

/// Who another process of this configuration is.
pub(crate) fn identities(config: &Config, store: &Arc<dyn Store>, process: &str) -> Identities {
    let organizations = config.organizations.iter().map(|one| (&one.ado, &one.credential));
    Identities::new(organizations, &deps(config, store, process)).expect("it is set up")
}

/// The reconcilers of another process of this configuration, which manages the hooks.
pub(crate) fn reconcilers(
    config: &Config,
    store: &Arc<dyn Store>,
    process: &str,
) -> OrganizationReconcilers {
    let organization = &config.organizations[0];
    let deps = deps(config, store, process);
    let identity = &identities(config, store, process).by_organization[&organization.ado.name];
    let context = OrganizationContext {
        organization: organization.ado.name.clone(),
        client: identity.client.clone(),
        source: Arc::clone(&identity.source),
        deps,
    };
    let settings = Settings {
        checks: config.checks.clone().into(),
        every: organization.reconcile,
        catch_up_every: None,
        manages_hooks: true,
    };
    OrganizationReconcilers::new(context, settings)
}
