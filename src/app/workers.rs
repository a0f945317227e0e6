//! Starts a worker for every stage and reconciler, each with its notifier and its timer.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::components::triggers;
use crate::app::wake_ups;
use crate::config::Config;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::follow::Follow;
use crate::pipeline::publish::Publish;
use crate::reconcile::damage::Damage;
use crate::reconcile::ended_sessions::EndedByOthers;
use crate::reconcile::identity::Identity;
use crate::reconcile::minutes::StoreMinutes;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::problems::NoteProblems;
use crate::reconcile::reaper::Reaper;
use crate::reconcile::retention::Retention;
use crate::reconcile::retired_hooks::RetiredByOthers;
use crate::reconcile::same_configuration::SameConfiguration;
use crate::server::Components;
use crate::storage::Reconciliation;
use crate::telemetry;
use crate::worker::{self, Notifier, Tick};

/// How often a stage looks for work that it was not notified of.
const STAGE_EVERY: Duration = Duration::from_millis(250);
const REAPER_EVERY: Duration = Duration::from_millis(500);
const DAMAGE_EVERY: Duration = Duration::from_secs(1);
/// How often a process looks which sessions others have ended: it learns of each within a second.
const ENDED_SESSIONS_EVERY: Duration = Duration::from_millis(500);
/// How often a process looks which problems it sees.
const PROBLEMS_EVERY: Duration = Duration::from_secs(1);
/// How often a process looks whether a minute is over.
const MINUTES_EVERY: Duration = Duration::from_secs(1);
const IDENTITY_EVERY: Duration = Duration::from_secs(1);
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How often a replica looks which secrets of hooks others have retired: it learns of each within a
/// second.
const RETIRED_HOOKS_EVERY: Duration = Duration::from_millis(500);
/// How often a replica looks which configurations the others have.
const SAME_CONFIGURATION_EVERY: Duration = Duration::from_secs(5);
/// How often a reconciler looks whether a pass is due.
const RECONCILER_EVERY: Duration = Duration::from_millis(500);

/// Runs `task`, which never ends by itself.
async fn until_stopped(stop: CancellationToken, task: impl Future<Output = ()>) {
    stop.run_until_cancelled(task).await;
}

/// Starts all workers. They stop when `deps.stop` is cancelled.
pub(super) fn spawn(config: &Config, components: &Components) -> Vec<JoinHandle<()>> {
    let Components { deps, identities, reconcilers, .. } = components;
    let systems = components.observe.systems();
    let start = |tick: Arc<dyn Tick>, notifier: &Notifier, every| {
        let stop = deps.stop.child_token();
        tokio::spawn(worker::run(tick, notifier.clone(), every, stop))
    };
    let (notifiers, never) = (&deps.notifiers, &Notifier::default());
    let dispatch = Dispatch::new(systems.clone(), triggers(config, deps), deps);
    let follow = Follow::new(systems.clone(), deps);
    let summaries = config.organizations.iter().filter(|one| one.summary);
    let summaries = summaries.map(|one| one.ado.name.clone()).collect();
    let publish = Publish::new(identities.by_organization.clone(), summaries, deps);
    let identity = Identity { sources: identities.sources() };
    let retention = Retention::new(config.storage.retention, config.storage.audit_retention, deps);
    let catch_up = reconcilers.values().map(|one| Arc::clone(&one.catch_up)).collect();
    let mut workers = vec![
        start(Arc::clone(&components.decide) as Arc<dyn Tick>, &notifiers.decide, STAGE_EVERY),
        start(Arc::new(dispatch), &notifiers.dispatch, STAGE_EVERY),
        start(Arc::new(follow), &notifiers.follow, STAGE_EVERY),
        start(Arc::new(components.observe.clone()), never, STAGE_EVERY),
        start(Arc::new(components.runners.clone()), &notifiers.runners, STAGE_EVERY),
        start(Arc::new(publish), &notifiers.publish, STAGE_EVERY),
        start(Arc::new(identity), never, IDENTITY_EVERY),
        start(Arc::new(Reaper::new(deps)), never, REAPER_EVERY),
        start(Arc::new(retention), never, RETENTION_EVERY),
        start(Arc::new(Damage::new(catch_up, deps)), never, DAMAGE_EVERY),
        start(Arc::new(EndedByOthers { deps: deps.clone() }), never, ENDED_SESSIONS_EVERY),
        start(Arc::new(NoteProblems::new(deps)), never, PROBLEMS_EVERY),
        start(Arc::new(StoreMinutes::new(deps)), never, MINUTES_EVERY),
    ];
    let emptying = telemetry::empty_histograms();
    workers.push(tokio::spawn(until_stopped(deps.stop.child_token(), emptying)));
    if deps.store.is_shared() {
        let retired_by_others = RetiredByOthers {
            store: Arc::clone(&deps.store) as Arc<dyn Reconciliation>,
            retired_hooks: Arc::clone(&deps.retired_hooks),
            organizations: config.organizations.iter().map(|one| one.ado.name.clone()).collect(),
        };
        workers.push(start(Arc::new(retired_by_others), never, RETIRED_HOOKS_EVERY));
        let same_configuration = SameConfiguration {
            deps: deps.clone(),
            organizations: config.organizations.iter().map(|one| one.ado.name.clone()).collect(),
            fingerprint: config.content.fingerprint(&config.secrets),
        };
        workers.push(start(Arc::new(same_configuration), never, SAME_CONFIGURATION_EVERY));
        let (store, changes) = (&deps.store, &deps.changes);
        let announcing = wake_ups::announce(Arc::clone(store), notifiers.clone(), changes.clone());
        let listening = wake_ups::listen(Arc::clone(store), notifiers.clone(), changes.clone());
        let stop = &deps.stop;
        workers.push(tokio::spawn(until_stopped(stop.child_token(), announcing)));
        workers.push(tokio::spawn(until_stopped(stop.child_token(), listening)));
    }
    let reconcilers = reconcilers.values().flat_map(OrganizationReconcilers::ticks);
    workers.extend(reconcilers.map(|(tick, notifier)| start(tick, &notifier, RECONCILER_EVERY)));
    workers
}
