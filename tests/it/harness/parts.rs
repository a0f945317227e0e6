//! Parts of a gateway on their own, set up as the gateway sets them up: for what several processes
//! on one store do. It must never be used where a whole gateway would do.

use std::sync::Arc;

use azdo_gateway::clock::Clock;
use azdo_gateway::config::Config;
use azdo_gateway::credentials::Identities;
use azdo_gateway::deps::{Deps, Instance};
use azdo_gateway::reconcile::catch_up::CatchUp;
use azdo_gateway::reconcile::subscriptions::{Beside, Kept, Subscriptions};
use azdo_gateway::reconcile::turn::Upkept;
use azdo_gateway::storage::Store;
use azdo_gateway::worker::{Notifier, Notifiers};
use tokio_util::sync::CancellationToken;

/// What another process of this configuration works with.
fn deps(config: &Config, store: &Arc<dyn Store>, process: &str) -> Deps {
    Deps {
        http: azdo_gateway::ado::http_client().expect("it is set up"),
        store: Arc::clone(store),
        keys: config.secrets.clone(),
        public_url: config.server.public_url.clone(),
        throttle: Arc::default(),
        health: Arc::default(),
        hook_activity: Arc::default(),
        notifiers: Notifiers::default(),
        clock: Clock::system(),
        instance: Instance { gateway: "another0".into(), process: process.to_owned() },
        stop: CancellationToken::new(),
    }
}

/// Who another process of this configuration is.
pub(crate) fn identities(config: &Config, store: &Arc<dyn Store>, process: &str) -> Identities {
    let organizations = config.organizations.iter().map(|one| (&one.ado, &one.credential));
    Identities::new(organizations, &deps(config, store, process)).expect("it is set up")
}

/// What another process of this configuration looks after subscriptions with.
pub(crate) fn subscriptions(
    config: &Config,
    store: &Arc<dyn Store>,
    process: &str,
) -> Subscriptions {
    let identities = identities(config, store, process);
    let kept = config.organizations.iter().map(|organization| {
        let identity = &identities.by_organization[&organization.ado.name];
        let upkept = Upkept {
            organization: organization.ado.name.clone(),
            client: identity.client.clone(),
            source: Arc::clone(&identity.source),
            throttle: Arc::default(),
            store: Arc::clone(store),
            clock: Clock::system(),
            holder: process.to_owned(),
            stop: CancellationToken::new(),
        };
        Kept { upkept, every: organization.reconcile, is_managed: true }
    });
    let hook_scope = (config.secrets.clone(), config.server.public_url.clone());
    let catch_up = CatchUp::new(Vec::new(), Notifier::default(), Arc::default());
    let beside = Beside {
        hook_activity: Arc::default(),
        health: Arc::default(),
        catch_up: Arc::new(catch_up),
    };
    Subscriptions::new(kept.collect(), config.checks.clone(), hook_scope, beside)
}
