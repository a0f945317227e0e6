//! The composition root: builds the store, the clients, the workers and the server from typed
//! options, and stops them in an order in which nothing is lost.

/// Calls of the CI kind `azure_pipelines`.
mod azure_devops;

/// The parts of the gateway that are set up once.
mod components;

/// The reconcilers of every organization.
mod reconcilers;

/// The messages by which replicas wake each other, and tell what has changed.
mod wake_ups;

/// Every stage and reconciler with its timer.
mod workers;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::config::{Config, Content, needs_restart};
use crate::pipeline::accept::read_envelope;
use crate::server::listen::{self, Listening};
use crate::server::{self, Components, Difference, Reload};
use crate::storage::postgres::Postgres;
use crate::storage::sqlite::Sqlite;
use crate::storage::{self, Engine, Store};
use crate::worker::Tick;
use crate::{priority, process, telemetry};

pub(crate) use components::systems;

pub use components::components;

/// How long a stopping gateway still serves while it is unready, at most: load balancers need a
/// moment to notice.
const UNREADY_MAX: Duration = Duration::from_secs(5);
/// How long a stopping gateway with an inherited socket still accepts connections, at most, so that
/// clients that keep a connection open learn from an answer that it closes. Short, since nothing
/// else accepts meanwhile.
const LAST_ANSWERS_MAX: Duration = Duration::from_secs(1);
/// How long the last accepted connections have to send their requests.
const FIRST_READ_MAX: Duration = Duration::from_millis(250);
/// How long a stopping gateway waits for its tokens to be revoked. The next start revokes the rest.
const REVOKE_MAX: Duration = Duration::from_secs(5);
/// How long a stopping gateway waits for its store to close. What a hanging disk has not stored by
/// then was not answered with 202.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// A running gateway.
#[derive(Debug)]
pub struct App {
    /// The address that it listens on.
    pub address: SocketAddr,
    sockets: Sockets,
    running: Running,
    /// What its configuration says.
    content: Content,
    reload: Reload,
    /// The server of the configuration before, which finishes its requests.
    leaving: Option<JoinHandle<()>>,
}

/// What the servers of all configurations share.
#[derive(Debug)]
struct Sockets {
    listener: TcpListener,
    /// At `server.admin_listen`.
    probes: Option<TcpListener>,
    /// The next process accepts the connections that this one has not accepted.
    is_inherited: bool,
    /// Connections that each thread of a server accepts.
    connections_max: usize,
    threads: usize,
}

/// The gateway of one configuration.
#[derive(Debug)]
struct Running {
    components: Components,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    /// The server at `server.admin_listen`.
    probes: Option<ServerHandle>,
    workers: Vec<JoinHandle<()>>,
}

/// The same before it runs: what can fail has been done.
struct Prepared {
    config: Config,
    components: Components,
    server: Server,
    probes: Option<Server>,
}

impl App {
    /// Takes the inherited socket or binds the address, opens the store, and starts everything.
    /// `reload` is asked for another configuration.
    ///
    /// # Errors
    /// What could not be opened, bound or started, and what to do about it.
    pub async fn start(config: Config, reload: Reload) -> anyhow::Result<App> {
        let listening = listen::listen(config.server.listen)?;
        Self::start_at(config, listening, reload).await
    }

    /// Like [`App::start`], on an address that is bound already, with this configuration for ever.
    ///
    /// # Errors
    /// What could not be opened or started, and what to do about it.
    pub async fn start_on(config: Config, listener: TcpListener) -> anyhow::Result<App> {
        Self::start_at(config, Listening::own(listener), Reload::default()).await
    }

    async fn start_at(config: Config, listening: Listening, reload: Reload) -> anyhow::Result<App> {
        // What is counted before is not seen.
        telemetry::metrics();
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let sockets = Sockets {
            listener: listening.listener,
            probes: config.server.admin_listen.map(listen::listen_for_probes).transpose()?,
            is_inherited: listening.is_inherited,
            connections_max: listen::connections_max(process::open_files_max(), threads),
            threads,
        };
        let address = sockets.listener.local_addr()?;
        let instance_id = instance_id()?;
        let store = open(&config.storage, &instance_id).await?;
        let components = components(&config, store, instance_id).await?;
        priority::warn_where_refused();
        let content = config.content.clone();
        let components = Components { reload: reload.clone(), ..components };
        let running = Prepared::new(config, components, &sockets).await?.run()?;
        Ok(App { address, sockets, running, content, reload, leaving: None })
    }

    /// Prepares another configuration, which [`App::apply`] puts into force. Returns what differs.
    ///
    /// # Errors
    /// It cannot be put into force, and what to do about it. Nothing has changed.
    pub async fn prepare(&self, config: Config) -> anyhow::Result<(Next, Vec<Difference>)> {
        let differences = self.content.differences(&config.content);
        let kept: Vec<_> = differences.iter().filter(|one| needs_restart(one)).collect();
        if !kept.is_empty() {
            let keys: Vec<_> = kept.iter().map(|one| one.key.as_str()).collect();
            anyhow::bail!(
                "nothing is applied: {} needs a restart of the gateway; restart it, or take that \
                 change back and reload again",
                keys.join(", ")
            );
        }
        let deps = &self.running.components.deps;
        let deps = deps.with(config.secrets.clone(), config.server.public_url.clone());
        let components = components::components_with(&config, deps).await?;
        let components = Components { reload: self.reload.clone(), ..components };
        let prepared = Prepared::new(config, components, &self.sockets).await?;
        Ok((Next(prepared), differences))
    }

    /// Puts another configuration into force. Deliveries are accepted all the while. What the
    /// stages do under the old one is finished first, and its tokens are revoked: no two of them
    /// work at the same time in one process.
    ///
    /// # Errors
    /// The threads of its server cannot be started. The gateway does nothing more: restart it.
    pub async fn apply(&mut self, Next(prepared): Next) -> anyhow::Result<()> {
        if let Some(leaving) = self.leaving.take() {
            // However often somebody reloads, there are two servers at most.
            drop(leaving.await);
        }
        let old = &mut self.running;
        old.components.deps.stop.cancel();
        finish(std::mem::take(&mut old.workers), &old.components).await;
        self.content = prepared.config.content.clone();
        let old = std::mem::replace(&mut self.running, prepared.run()?);
        self.leaving = Some(tokio::spawn(old.leave()));
        Ok(())
    }

    /// The store, for tests and the demo.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.running.components.deps.store
    }

    /// An address at which this process signs an operator in once, for the demo.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn one_time_sign_in(&self) -> anyhow::Result<String> {
        let Components { one_time, deps, .. } = &self.running.components;
        let secret = one_time.issue().context("no random numbers are available")?;
        let url = deps.public_url.as_str().trim_end_matches('/');
        Ok(format!("{url}/login/once?ticket={}", secret.expose()))
    }

    /// Stops the gateway: it becomes unready, accepts nothing more, finishes the work in progress,
    /// and closes the store.
    ///
    /// With an inherited socket, connections wait from the moment this process stops accepting
    /// until the next one starts. So the work in progress is finished first there, while
    /// connections are still accepted.
    pub async fn stop(self) {
        let Running { components, server, serving, probes, workers } = self.running;
        let Components { deps, draining, options, .. } = &components;
        draining.begin();
        if self.sockets.is_inherited {
            deps.stop.cancel();
            let last_answers = tokio::time::sleep((options.drain / 4).min(LAST_ANSWERS_MAX));
            tokio::join!(finish(workers, &components), last_answers);
            server.pause().await;
            // Stopping drops connections that are accepted but not read yet.
            tokio::time::sleep((options.drain / 4).min(FIRST_READ_MAX)).await;
            server.stop(true).await;
        } else {
            tokio::time::sleep((options.drain / 4).min(UNREADY_MAX)).await;
            // Otherwise connections would wait in the kernel for nobody.
            drop(self.sockets);
            server.stop(true).await;
            deps.stop.cancel();
            finish(workers, &components).await;
        }
        // Reports that came too fast while the last answers were given.
        components.observe.drain().await;
        if let Some(leaving) = self.leaving {
            drop(leaving.await);
        }
        // Probes are answered until the end.
        if let Some(probes) = probes {
            probes.stop(false).await;
        }
        deps.store.close(CLOSE_MAX).await;
        drop(serving.await);
    }
}

/// A configuration that can be put into force.
pub struct Next(Prepared);

impl std::fmt::Debug for Next {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Next").finish_non_exhaustive()
    }
}

impl Prepared {
    async fn new(
        config: Config,
        components: Components,
        sockets: &Sockets,
    ) -> anyhow::Result<Self> {
        // Retired secrets have to be known before the first delivery arrives, and ended sessions
        // before the first page is asked for.
        let Components { deps, organizations, reconcilers, .. } = &components;
        for organization in organizations.names() {
            deps.retired_hooks.refresh(deps.store.as_ref(), organization).await?;
        }
        deps.ended_sessions.refresh(deps.store.as_ref(), deps.clock.now()).await?;
        for reconcilers in reconcilers.values() {
            reconcilers.begin().await?;
        }
        let Sockets { listener, probes, connections_max, threads, .. } = sockets;
        let server = server::serve(&components, listener.try_clone()?, *threads, *connections_max)?;
        let probes = probes.as_ref().map(TcpListener::try_clone).transpose()?;
        let probes = probes.map(|listener| server::serve_probes(&components, listener));
        Ok(Self { config, server, probes: probes.transpose()?, components })
    }

    fn run(self) -> anyhow::Result<Running> {
        let Self { config, components, mut server, probes } = self;
        let handle = server.handle();
        // Polling it once starts its threads from this thread, whose priority they inherit.
        if let Some(ended) = (&mut server).now_or_never() {
            ended?;
        }
        // On a thread with a lower priority: probes do not compete with accepting.
        let probes = probes.map(|server| {
            let handle = server.handle();
            tokio::spawn(server);
            handle
        });
        Ok(Running {
            probes,
            workers: workers::spawn(&config, &components),
            components,
            server: handle,
            serving: tokio::spawn(server),
        })
    }
}

impl Running {
    /// Finishes the requests of a server when another one accepts connections. Clients that keep a
    /// connection open learn from an answer that it closes.
    async fn leave(self) {
        let Components { draining, options, .. } = &self.components;
        self.server.pause().await;
        draining.hand_over();
        tokio::time::sleep((options.drain / 4).min(UNREADY_MAX)).await;
        self.server.stop(true).await;
        // Reports that came too fast while the last answers were given.
        self.components.observe.drain().await;
        if let Some(probes) = self.probes {
            probes.stop(false).await;
        }
        drop(self.serving.await);
    }
}

/// Waits until the workers have ended and then until all tokens are revoked.
async fn finish(workers: Vec<JoinHandle<()>>, components: &Components) {
    if tokio::time::timeout(components.options.drain, join_all(workers)).await.is_err() {
        tracing::warn!("some attempts did not end in time; they are repeated after a start");
    }
    let sources = components.identities.sources();
    let revoked = join_all(sources.iter().map(|source| source.pause()));
    if tokio::time::timeout(REVOKE_MAX, revoked).await.is_err() {
        tracing::warn!("some tokens are not revoked yet; they are revoked after a start");
    }
}

/// A new id for this process.
///
/// # Errors
/// There are no random numbers.
pub fn instance_id() -> anyhow::Result<String> {
    let process = getrandom::u32().context("no random numbers are available")?;
    Ok(format!("{process:08x}"))
}

/// Opens the store that the options name, for the process of that id.
///
/// # Errors
/// It cannot be opened, and what to do about it.
pub async fn open(options: &storage::Options, instance_id: &str) -> anyhow::Result<Arc<dyn Store>> {
    match &options.engine {
        // On this thread, because the thread that it starts for accepting inherits the priority.
        Engine::Sqlite { path } => {
            Ok(Arc::new(Sqlite::open_with(path, options.migrate, read_envelope)?))
        }
        Engine::Postgres(postgres) => {
            let opened = Postgres::open(postgres, options.migrate, instance_id, read_envelope);
            Ok(Arc::new(opened.await?))
        }
    }
}
