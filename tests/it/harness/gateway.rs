//! The gateway of a story that holds on every storage engine: on SQLite one gateway in the process
//! of the test, on PostgreSQL two replicas behind a load balancer.
//!
//! A story does not name an engine. It runs on SQLite, and in `stories/on_postgres.rs` once more.

use std::cell::Cell;

use super::settings::Settings;
use super::{Api, Env, InProcess, Replicas};

const REPLICAS: usize = 2;

/// Where a story keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

thread_local! {
    /// Of the story that runs on this thread.
    static ENGINE: Cell<Engine> = const { Cell::new(Engine::Sqlite) };
}

/// Runs a story on PostgreSQL.
pub(crate) fn on_postgres(story: fn()) {
    ENGINE.set(Engine::Postgres);
    story();
    // Threads of tests are not used again, except by tests that call several stories.
    ENGINE.set(Engine::Sqlite);
}

/// A running gateway.
pub(crate) struct Gateway {
    /// Its public address.
    pub(crate) url: String,
    /// Calls it as an operator.
    pub(crate) api: Api,
    running: Running,
}

enum Running {
    InProcess(Box<InProcess>),
    Replicas(Box<Replicas>),
}

impl Gateway {
    /// A gateway with the usual settings and hooks.
    pub(crate) async fn start(env: &Env) -> Self {
        Self::start_with(env, |_| {}).await
    }

    /// A gateway with other settings, and the usual hooks.
    pub(crate) async fn start_with(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        let gateway = Self::without_hooks(env, change).await;
        env.subscribe(&gateway.url).await;
        gateway
    }

    /// A gateway that Azure DevOps has no hooks for.
    pub(crate) async fn without_hooks(env: &Env, change: impl FnOnce(&mut Settings)) -> Self {
        match ENGINE.get() {
            Engine::Sqlite => {
                let gateway = InProcess::without_hooks(env, change).await;
                let (url, api) = (gateway.url.clone(), gateway.api.clone());
                Self { url, api, running: Running::InProcess(Box::new(gateway)) }
            }
            Engine::Postgres => {
                let database = env.database();
                let replicas = Replicas::without_hooks(env, REPLICAS, |settings| {
                    settings.on_postgres(&database.url(), database.password());
                    change(settings);
                })
                .await;
                replicas.until_ready().await;
                let (url, api) = (replicas.url.clone(), replicas.api.clone());
                Self { url, api, running: Running::Replicas(Box::new(replicas)) }
            }
        }
    }

    /// Each process of the gateway, called as an operator around the load balancer.
    pub(crate) fn each(&self) -> Vec<&Api> {
        match &self.running {
            Running::InProcess(gateway) => vec![&gateway.api],
            Running::Replicas(replicas) => replicas.all.iter().map(|one| &one.api).collect(),
        }
    }

    /// Stops the gateway as SIGTERM would.
    pub(crate) async fn stop(self) {
        match self.running {
            Running::InProcess(gateway) => gateway.stop().await,
            Running::Replicas(replicas) => replicas.stop(),
        }
    }
}
