//! Sets up the parts of a gateway that its workers, its server and the command line use.

use std::sync::Arc;

use anyhow::Context;

use super::azure_devops::AsIdentity;
use super::reconcilers::reconcilers;
use crate::ado;
use crate::ci::azure_pipelines::AzureDevOps;
use crate::ci::{self, Systems};
use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::{Identities, Identity, SignIn};
use crate::deps::{Deps, Instance};
use crate::pipeline::decide::Decide;
use crate::pipeline::examine::Examine;
use crate::pipeline::look_up::LookUp;
use crate::pipeline::observe::Observe;
use crate::pipeline::runners::Runners;
use crate::pipeline::triggers::Triggers;
use crate::reconcile::survey::{SurveyTarget, Surveys};
use crate::server::{Components, Draining, OneTimeSignIn, Organizations, Reload};
use crate::storage::Store;

/// The parts of a gateway on this store, for the process of that id.
///
/// # Errors
/// What could not be set up, and what to do about it.
pub async fn components(
    config: &Config,
    store: Arc<dyn Store>,
    instance_id: String,
) -> anyhow::Result<Components> {
    components_with(config, deps(config, store, instance_id).await?).await
}

/// The same with these dependencies.
pub(super) async fn components_with(config: &Config, deps: Deps) -> anyhow::Result<Components> {
    let organizations = config.organizations.iter().map(|one| (&one.ado, &one.credential));
    let identities = Identities::new(organizations, &deps).map_err(anyhow::Error::msg)?;
    let systems = systems(config, &deps.clock, Some(&identities))?;
    // A restart asks no account sooner than it has to.
    let pauses = deps.store.ci_pauses(deps.clock.now()).await?;
    let pauses = pauses.into_iter().map(|it| (it.account, (it.until, it.reason)));
    systems.apply_pauses(pauses.collect());
    let by_organization = &identities.by_organization;
    let look_up = Arc::new(LookUp::new(by_organization.clone(), &deps));
    let decide = Decide::new(&config.checks, Arc::clone(&look_up), &deps);
    let examine = Examine::new(&config.checks, by_organization.clone(), look_up, &deps);
    let names = config.organizations.iter().map(|one| one.ado.name.clone());
    Ok(Components {
        options: config.server.clone(),
        tokens: Arc::new(config.api_tokens.clone()),
        one_time: OneTimeSignIn::default(),
        sign_in: config.sign_in.clone().map(|options| Arc::new(SignIn::new(options, &deps))),
        organizations: Arc::new(Organizations::new(names)),
        surveys: Arc::new(surveys(config, &identities, &deps)),
        reconcilers: Arc::new(reconcilers(config, &identities, &deps)),
        identities: Arc::new(identities),
        examine: Arc::new(examine),
        decide: Arc::new(decide),
        draining: Draining::default(),
        reload: Reload::default(),
        runners: Runners::new(systems.clone(), triggers(config, &deps), &deps),
        observe: Observe::new(systems, &deps),
        deps,
    })
}

/// The CI systems of a configuration. Without identities no call is made to Azure Pipelines.
///
/// # Errors
/// A certificate cannot be read.
pub(crate) fn systems(
    config: &Config,
    clock: &Clock,
    identities: Option<&Identities>,
) -> anyhow::Result<Systems> {
    let by_organization = identities.iter().flat_map(|identities| &identities.by_organization);
    let as_identity = |(name, identity): (&String, &Identity)| {
        (name.clone(), Arc::new(AsIdentity(identity.clone())) as Arc<dyn AzureDevOps>)
    };
    let organizations: ci::Organizations = Arc::new(by_organization.map(as_identity).collect());
    let http = |tls: ci::Tls| {
        let client = ado::http_client_with(tls.authority, tls.identity);
        client.map_err(|error| error.to_string())
    };
    Ok(Systems::new(&http, clock, &organizations, config.ci.clone())?)
}

/// What CIs and runners are told.
pub(super) fn triggers(config: &Config, deps: &Deps) -> Triggers {
    let addresses = config.organizations.iter().map(|one| (one.ado.name.clone(), one.ado.clone()));
    Triggers::new(addresses.collect(), deps)
}

async fn deps(config: &Config, store: Arc<dyn Store>, instance_id: String) -> anyhow::Result<Deps> {
    let instance = Instance { installation_id: store.gateway().await?, id: instance_id };
    let http = ado::http_client().context("cannot set up outgoing connections")?;
    let (keys, public_url) = (config.secrets.clone(), config.server.public_url.clone());
    Ok(Deps::new(http, store, keys, public_url, instance))
}

fn surveys(config: &Config, identities: &Identities, deps: &Deps) -> Surveys {
    let targets = identities.by_organization.iter().map(|(name, identity)| {
        let (client, source) = (identity.client.clone(), Arc::clone(&identity.source));
        (name.clone(), SurveyTarget::new(client, source, identity.kind))
    });
    Surveys {
        organizations: targets.collect(),
        checks: config.checks.clone(),
        throttle: Arc::clone(&deps.throttle),
        clock: deps.clock.clone(),
    }
}
