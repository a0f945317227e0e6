//! Starts a worker for every stage and reconciler, each with its notifier and its timer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::ci;
use crate::config::Config;
use crate::pipeline::decide::Decide;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::publish::Publish;
use crate::reconcile::identity::Identity;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::reaper::Reaper;
use crate::reconcile::retention::Retention;
use crate::server::Components;
use crate::worker::{self, Notifier, Tick};

/// How often a stage looks for work that nobody notified it of.
const STAGE_EVERY: Duration = Duration::from_millis(250);
const REAPER_EVERY: Duration = Duration::from_millis(500);
const IDENTITY_EVERY: Duration = Duration::from_secs(1);
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How often a reconciler looks whether a pass is due.
const RECONCILER_EVERY: Duration = Duration::from_millis(500);

/// Starts all workers. They stop when `deps.stop` is cancelled.
pub(super) fn spawn(config: &Config, components: &Components) -> Vec<JoinHandle<()>> {
    let start = |tick: Arc<dyn Tick>, notifier: &Notifier, every| {
        let stop = components.deps.stop.child_token();
        tokio::spawn(worker::run(tick, notifier.clone(), every, stop))
    };
    let (notifiers, never) = (&components.deps.notifiers, &Notifier::default());
    let mut workers = vec![
        start(decide(config, components), &notifiers.decide, STAGE_EVERY),
        start(dispatch(config, components), &notifiers.dispatch, STAGE_EVERY),
        start(publish(components), &notifiers.publish, STAGE_EVERY),
        start(identity(components), never, IDENTITY_EVERY),
        start(reaper(components), never, REAPER_EVERY),
        start(retention(config, components), never, RETENTION_EVERY),
    ];
    let reconcilers = components.reconcilers.values().flat_map(OrganizationReconcilers::ticks);
    workers.extend(reconcilers.map(|(tick, notifier)| start(tick, &notifier, RECONCILER_EVERY)));
    workers
}

fn decide(config: &Config, components: &Components) -> Arc<dyn Tick> {
    let deps = &components.deps;
    Arc::new(Decide {
        store: deps.store.clone(),
        checks: config.checks.clone().into(),
        notifiers: deps.notifiers.clone(),
        clock: deps.clock.clone(),
    })
}

fn dispatch(config: &Config, components: &Components) -> Arc<dyn Tick> {
    let deps = &components.deps;
    let systems = ci::Systems::new(deps.http.clone(), config.ci.clone());
    let organizations = config.organizations.iter().map(|one| &one.ado);
    let organizations = organizations.map(|ado| (ado.name.clone(), ado.clone())).collect();
    Arc::new(Dispatch::new(systems, organizations, deps))
}

fn publish(components: &Components) -> Arc<dyn Tick> {
    Arc::new(Publish::new(components.identities.by_organization.clone(), &components.deps))
}

fn identity(components: &Components) -> Arc<dyn Tick> {
    Arc::new(Identity { sources: components.identities.sources() })
}

fn reaper(components: &Components) -> Arc<dyn Tick> {
    let deps = &components.deps;
    Arc::new(Reaper {
        store: Arc::clone(&deps.store),
        publish: deps.notifiers.publish.clone(),
        clock: deps.clock.clone(),
    })
}

fn retention(config: &Config, components: &Components) -> Arc<dyn Tick> {
    let deps = &components.deps;
    Arc::new(Retention {
        store: Arc::clone(&deps.store),
        keep: config.storage.retention,
        keep_audit: config.storage.audit_retention,
        clock: deps.clock.clone(),
    })
}
