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

use actix_web::dev::ServerHandle;
use anyhow::Context;
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::pipeline::accept::read_envelope;
use crate::server::listen::{self, Listening};
use crate::server::{self, Components};
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
    components: Components,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    /// The server at `server.admin_listen`.
    probes: Option<ServerHandle>,
    workers: Vec<JoinHandle<()>>,
    /// The next process accepts the connections that this one has not accepted.
    is_inherited: bool,
}

impl App {
    /// Takes the inherited socket or binds the address, opens the store, and starts everything.
    ///
    /// # Errors
    /// What could not be opened, bound or started, and what to do about it.
    pub async fn start(config: Config) -> anyhow::Result<App> {
        let listening = listen::listen(config.server.listen)?;
        Self::start_at(config, listening).await
    }

    /// Like [`App::start`], on an address that is bound already.
    ///
    /// # Errors
    /// What could not be opened or started, and what to do about it.
    pub async fn start_on(config: Config, listener: TcpListener) -> anyhow::Result<App> {
        Self::start_at(config, Listening::own(listener)).await
    }

    async fn start_at(config: Config, listening: Listening) -> anyhow::Result<App> {
        // What is counted before is not seen.
        telemetry::metrics();
        let Listening { listener, is_inherited } = listening;
        let address = listener.local_addr()?;
        let probes = config.server.admin_listen.map(listen::listen_for_probes).transpose()?;
        let instance_id = instance_id()?;
        let store = open(&config.storage, &instance_id).await?;
        let components = components(&config, store, instance_id).await?;
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
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        priority::warn_where_refused();
        let connections = listen::connections_max(process::open_files_max(), threads);
        let mut server = server::serve(&components, listener, threads, connections)?;
        let handle = server.handle();
        // Polling it once starts its threads from this thread, whose priority they inherit.
        if let Some(ended) = (&mut server).now_or_never() {
            ended?;
        }
        // On a thread with a lower priority: probes do not compete with accepting.
        let probes = probes.map(|listener| server::serve_probes(&components, listener));
        let probes = probes.transpose()?.map(|server| {
            let handle = server.handle();
            tokio::spawn(server);
            handle
        });
        Ok(App {
            address,
            probes,
            workers: workers::spawn(&config, &components),
            components,
            server: handle,
            serving: tokio::spawn(server),
            is_inherited,
        })
    }

    /// The store, for tests and the demo.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.components.deps.store
    }

    /// An address at which this process signs an operator in once, for the demo.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn one_time_sign_in(&self) -> anyhow::Result<String> {
        let secret = self.components.one_time.issue().context("no random numbers are available")?;
        let url = self.components.deps.public_url.as_str().trim_end_matches('/');
        Ok(format!("{url}/login/once?ticket={}", secret.expose()))
    }

    /// Stops the gateway: it becomes unready, accepts nothing more, finishes the work in progress,
    /// and closes the store.
    ///
    /// With an inherited socket, connections wait from the moment this process stops accepting
    /// until the next one starts. So the work in progress is finished first there, while
    /// connections are still accepted.
    pub async fn stop(self) {
        let Components { deps, draining, options, .. } = &self.components;
        draining.begin();
        if self.is_inherited {
            deps.stop.cancel();
            let last_answers = tokio::time::sleep((options.drain / 4).min(LAST_ANSWERS_MAX));
            tokio::join!(finish(self.workers, &self.components), last_answers);
            self.server.pause().await;
            // Stopping drops connections that are accepted but not read yet.
            tokio::time::sleep((options.drain / 4).min(FIRST_READ_MAX)).await;
            self.server.stop(true).await;
        } else {
            tokio::time::sleep((options.drain / 4).min(UNREADY_MAX)).await;
            self.server.stop(true).await;
            deps.stop.cancel();
            finish(self.workers, &self.components).await;
        }
        // Reports that came too fast while the last answers were given.
        self.components.observe.drain().await;
        // Probes are answered until the end.
        if let Some(probes) = self.probes {
            probes.stop(false).await;
        }
        deps.store.close(CLOSE_MAX).await;
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
