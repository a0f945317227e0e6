//! The composition root: typed options become store, clients, workers and server, and stop in an
//! order in which nothing is lost. It must never hold a rule.

mod reconcilers;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ado;
use crate::ci;
use crate::clock::Clock;
use crate::config::Config;
use crate::credentials::{Identities, Source};
use crate::deps::{Deps, Instance};
use crate::pipeline::accept::Accept;
use crate::pipeline::decide::Decide;
use crate::pipeline::dispatch::Dispatch;
use crate::pipeline::observe::Observe;
use crate::pipeline::publish::Publish;
use crate::reconcile::identity::Identity;
use crate::reconcile::organization::OrganizationReconcilers;
use crate::reconcile::reaper::Reaper;
use crate::reconcile::retention::Retention;
use crate::reconcile::survey::{SurveyTarget, Surveys};
use crate::server;
use crate::server::listen::{self, Listening};
use crate::storage::sqlite::Sqlite;
use crate::storage::{self, Engine, Runs, Store};
use crate::telemetry;
use crate::worker::Notifiers;
use crate::worker::{self, Notifier, Tick};
use reconcilers::reconcilers;

/// How often a stage looks by itself; it is woken when something arrives.
const STAGE_EVERY: Duration = Duration::from_millis(250);
const REAPER_EVERY: Duration = Duration::from_millis(500);
const IDENTITY_EVERY: Duration = Duration::from_secs(1);
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How often a reconciler looks whether a pass is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a stopping gateway waits until its tokens are revoked, at most: the next start does it,
/// too.
const REVOKED_MAX: Duration = Duration::from_secs(5);
/// How long a stopping gateway still serves as unready, at most.
const UNREADY_MAX: Duration = Duration::from_secs(5);
/// How long a stopping gateway with an inherited socket still accepts, at least: whoever delivers
/// often learns from an answer that its connection ends. At most, since nobody else is there.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(1);
/// How long a stopping gateway waits for its store, at most: what a disk that hangs does not take
/// was promised to nobody.
const CLOSED_MAX: Duration = Duration::from_secs(10);
/// How long the connections that were accepted last have until their requests are read.
const FIRST_READ_MAX: Duration = Duration::from_millis(250);

/// A running gateway.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    store: Arc<dyn Store>,
    state: Arc<server::State>,
    sources: Vec<Arc<dyn Source>>,
    server: actix_web::dev::ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    workers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    drain: Duration,
    /// Whoever starts next goes on with the connections that we have not accepted.
    is_inherited: bool,
}

impl App {
    /// Takes the socket that it inherits, or binds the address; opens the store and starts
    /// everything.
    ///
    /// # Errors
    /// What could not be opened, bound or started, and what to do.
    pub async fn start(config: Config) -> anyhow::Result<App> {
        let listening = listen::listen(config.server.listen)?;
        Self::begin(config, listening).await
    }

    /// Like [`App::start`], on an address that is bound already.
    ///
    /// # Errors
    /// What could not be opened or started, and what to do.
    pub async fn start_on(config: Config, listener: TcpListener) -> anyhow::Result<App> {
        Self::begin(config, Listening::own(listener)).await
    }

    async fn begin(config: Config, listening: Listening) -> anyhow::Result<App> {
        let Listening { listener, is_inherited } = listening;
        let address = listener.local_addr()?;
        let store = open(&config.storage)?;
        let stop = CancellationToken::new();
        let deps = set_up(&config, Arc::clone(&store), stop.clone()).await?;
        let identities = identities(&config, &deps)?;
        let sources = identities.sources();
        for organization in &config.organizations {
            // Which secrets have ended has to be known before the first delivery.
            deps.hook_activity.exchange(store.as_ref(), &organization.ado.name).await?;
        }
        let reconcilers = reconcilers(&config, &identities, &deps);
        for reconcilers in reconcilers.values() {
            reconcilers.begin().await?;
        }
        let ticks = ticks(&config, &identities, &reconcilers, &deps);
        let state = Arc::new(state(&config, identities, reconcilers, &deps));
        let drain = config.server.drain;
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let mut server = server::serve(Arc::clone(&state), listener, threads)?;
        let handle = server.handle();
        // Its threads begin when it is first polled, and are to be of this thread's priority.
        if let Some(ended) = (&mut server).now_or_never() {
            ended?;
        }
        let workers = ticks
            .into_iter()
            .map(|(tick, wake, every)| {
                tokio::spawn(worker::run(tick, wake, every, stop.child_token()))
            })
            .collect();
        Ok(App {
            address,
            store,
            state,
            sources,
            server: handle,
            serving: tokio::spawn(server),
            workers,
            stop,
            drain,
            is_inherited,
        })
    }

    /// The store, for whoever looks into a running gateway.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Readiness falls first; then nothing more is accepted, what is in flight ends, and what was
    /// accepted is on disk.
    ///
    /// Where the socket is inherited, nobody accepts between us and whoever starts next. There what
    /// takes long ends while connections are still taken, and they wait for as little as possible.
    pub async fn stop(self) {
        self.state.is_draining.store(true, Ordering::Relaxed);
        let in_flight =
            Draining { workers: self.workers, sources: self.sources, drain: self.drain };
        if self.is_inherited {
            self.stop.cancel();
            let last_answers = tokio::time::sleep((self.drain / 4).min(LAST_ANSWERS_MAX));
            tokio::join!(in_flight.end(), last_answers);
            self.server.pause().await;
            // The server drops what it has accepted and not read yet when it is told to stop.
            tokio::time::sleep((self.drain / 4).min(FIRST_READ_MAX)).await;
            self.server.stop(true).await;
        } else {
            // Load balancers need a moment to see it; whatever they still send is served.
            tokio::time::sleep((self.drain / 4).min(UNREADY_MAX)).await;
            self.server.stop(true).await;
            self.stop.cancel();
            in_flight.end().await;
        }
        for organization in self.state.organizations.values() {
            if let Err(error) = self.state.hook_activity.exchange(&*self.store, organization).await
            {
                tracing::warn!(organization, "when it last delivered is forgotten: {error}");
            }
        }
        self.store.close(CLOSED_MAX).await;
        drop(self.serving.await);
    }
}

/// What goes on beside the server.
struct Draining {
    workers: Vec<JoinHandle<()>>,
    sources: Vec<Arc<dyn Source>>,
    drain: Duration,
}

impl Draining {
    /// Waits for what was begun; workers were told to stop.
    async fn end(self) {
        let all = futures_util::future::join_all(self.workers);
        if tokio::time::timeout(self.drain, all).await.is_err() {
            tracing::warn!("some attempts did not end in time; they are made again after a start");
        }
        let all = futures_util::future::join_all(self.sources.iter().map(|source| source.pause()));
        if tokio::time::timeout(REVOKED_MAX, all).await.is_err() {
            tracing::warn!("some tokens are not revoked yet; that is done after a start");
        }
    }
}

/// Opens the store that the options name.
///
/// # Errors
/// It cannot be opened, and what to do about it.
pub fn open(options: &storage::Options) -> anyhow::Result<Arc<dyn Store>> {
    let Engine::Sqlite { path } = options.engine.clone();
    // Here and not on a thread that gives way: what it starts for accepting would do so, too.
    Ok(Arc::new(Sqlite::open(&path)?))
}

/// Sets up what every part needs.
async fn set_up(
    config: &Config,
    store: Arc<dyn Store>,
    stop: CancellationToken,
) -> anyhow::Result<Deps> {
    let mut process = [0; 4];
    getrandom::fill(&mut process).context("there is no randomness")?;
    let process = format!("{:08x}", u32::from_be_bytes(process));
    let instance = Instance { gateway: store.gateway().await?, process };
    Ok(Deps {
        http: ado::http_client().context("cannot set up outgoing connections")?,
        store,
        keys: config.secrets.clone(),
        public_url: config.server.public_url.clone(),
        throttle: Arc::default(),
        health: Arc::default(),
        hook_activity: Arc::default(),
        notifiers: Notifiers::default(),
        clock: Clock::system(),
        instance,
        stop,
    })
}

/// Who we are to each organization.
fn identities(config: &Config, deps: &Deps) -> anyhow::Result<Identities> {
    let organizations = config.organizations.iter().map(|one| (&one.ado, &one.credential));
    Identities::new(organizations, deps).map_err(anyhow::Error::msg)
}

/// A worker to be: what it does, what notifiers it, and how often it looks by itself.
type Work = (Arc<dyn Tick>, Notifier, Duration);

/// Every stage and reconciler.
fn ticks(
    config: &Config,
    identities: &Identities,
    reconcilers: &HashMap<String, OrganizationReconcilers>,
    deps: &Deps,
) -> Vec<Work> {
    let Deps { http, store, notifiers, clock, .. } = deps;
    let decide = Decide {
        store: Arc::clone(store),
        checks: config.checks.clone().into(),
        notifiers: notifiers.clone(),
        clock: clock.clone(),
    };
    let systems = ci::Systems::new(http.clone(), config.ci.clone());
    let dispatch = Dispatch::new(systems, addresses(config), deps);
    let publish = Publish::new(identities.by_organization.clone(), deps);
    let reaper = Reaper {
        store: Arc::clone(store),
        publish: notifiers.publish.clone(),
        clock: clock.clone(),
    };
    let retention = Retention {
        store: Arc::clone(store),
        keep: config.storage.retention,
        keep_audit: config.storage.audit_retention,
        clock: clock.clone(),
    };
    let mut work: Vec<Work> = vec![
        (Arc::new(decide), notifiers.decide.clone(), STAGE_EVERY),
        (Arc::new(dispatch), notifiers.dispatch.clone(), STAGE_EVERY),
        (Arc::new(publish), notifiers.publish.clone(), STAGE_EVERY),
        (Arc::new(Identity { sources: identities.sources() }), Notifier::default(), IDENTITY_EVERY),
        (Arc::new(reaper), Notifier::default(), REAPER_EVERY),
        (Arc::new(retention), Notifier::default(), RETENTION_EVERY),
    ];
    let reconcilers = reconcilers.values().flat_map(OrganizationReconcilers::ticks);
    work.extend(reconcilers.map(|(tick, notifier)| (tick, notifier, LOOK_EVERY)));
    work
}

fn addresses(config: &Config) -> HashMap<String, ado::Options> {
    config
        .organizations
        .iter()
        .map(|organization| (organization.ado.name.clone(), organization.ado.clone()))
        .collect()
}

/// What the API needs where no worker runs.
///
/// # Errors
/// What could not be set up.
pub async fn state_of(
    config: &Config,
    store: &Arc<dyn Store>,
) -> anyhow::Result<Arc<server::State>> {
    let deps = set_up(config, Arc::clone(store), CancellationToken::new()).await?;
    let identities = identities(config, &deps)?;
    let reconcilers = reconcilers(config, &identities, &deps);
    Ok(Arc::new(state(config, identities, reconcilers, &deps)))
}

fn state(
    config: &Config,
    identities: Identities,
    reconcilers: HashMap<String, OrganizationReconcilers>,
    deps: &Deps,
) -> server::State {
    let Deps { store, health, notifiers, clock, hook_activity, .. } = deps;
    let name = |organization: &crate::config::Organization| organization.ado.name.clone();
    let surveys = Arc::new(surveys(config, &identities, deps));
    server::State {
        options: config.server.clone(),
        tokens: config.api_tokens.clone(),
        keys: config.secrets.clone(),
        organizations: config
            .organizations
            .iter()
            .map(|organization| (name(organization).to_ascii_lowercase(), name(organization)))
            .collect(),
        store: Arc::clone(store),
        accept: Accept { store: Arc::clone(store), decide: notifiers.decide.clone() },
        observe: Observe {
            runs: Arc::clone(store) as Arc<dyn Runs>,
            notifiers: notifiers.clone(),
            clock: clock.clone(),
        },
        identities,
        health: Arc::clone(health),
        surveys,
        hook_activity: Arc::clone(hook_activity),
        verified_hooks: server::VerifiedHooks::default(),
        memory_budget: server::MemoryBudget::new(config.server.memory_bytes_max),
        reconcilers,
        notifiers: notifiers.clone(),
        clock: clock.clone(),
        is_draining: AtomicBool::new(false),
        metrics: telemetry::metrics(),
    }
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
