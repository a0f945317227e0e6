//! The pool of connections, and how transactions are carried out on it.
//!
//! A write runs in a task of its own: a caller that goes away, as a client that closes its
//! connection does, cannot cancel it half-way. Nobody waits through an outage: once the monitor has
//! noticed one, everybody who waits is answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{
    ClientWrapper, Hook, HookError, Manager, ManagerConfig, Metrics, PoolError, QueueMode,
    RecyclingMethod, Runtime, TimeoutType,
};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::connection::Connector;
use super::db::{Db, Mode};
use super::failure::Failure;
use crate::storage::{Availability, Error};

/// How long a caller waits for a connection of the pool.
const POOL_WAIT: Duration = Duration::from_millis(1_000);
/// How long a connection that is opened or checked may take.
const CONNECT_MAX: Duration = Duration::from_millis(1_000);
/// A connection that was idle for longer is checked before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Connections that are opened before the first delivery: those that store deliveries, and one.
const WARM: usize = 4;
/// Attempts at one transaction: another one may come first each time, or its connection may break.
const ATTEMPTS_MAX: usize = 5;

/// See the module.
#[derive(Debug)]
pub(crate) struct Pool {
    connections: deadpool_postgres::Pool,
    has_names: bool,
    /// Statements that set the limits of a transaction where connections have none.
    settings: String,
    /// What is wrong with the database, and what to do about it; none while it works.
    outage: watch::Sender<Option<String>>,
    writes: TaskTracker,
    /// When the database last answered.
    answered_at: Mutex<Instant>,
}

impl Pool {
    /// A pool of at most `connections_max` connections, none of which is open yet.
    pub(crate) fn new(connector: &Connector, connections_max: usize) -> Result<Self, Error> {
        let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let (config, tls) = (connector.config.clone(), connector.tls.clone());
        let connections =
            deadpool_postgres::Pool::builder(Manager::from_config(config, tls, method))
                .max_size(connections_max)
                // The one that was used last has its statements prepared and needs no check.
                .queue_mode(QueueMode::Lifo)
                .wait_timeout(Some(POOL_WAIT))
                .create_timeout(Some(CONNECT_MAX))
                .recycle_timeout(Some(CONNECT_MAX))
                .pre_recycle(Hook::async_fn(check))
                .runtime(Runtime::Tokio1)
                .build();
        let failed = |error| Error::unavailable(format!("no pool of connections: {error}"));
        Ok(Self {
            connections: connections.map_err(failed)?,
            has_names: connector.has_names,
            settings: connector.settings_of_transactions(),
            outage: watch::Sender::new(None),
            writes: TaskTracker::new(),
            answered_at: Mutex::new(Instant::now()),
        })
    }

    /// Opens a few connections, so that the first deliveries do not wait for them.
    pub(crate) async fn warm_up(&self) {
        let opening = (0..WARM).map(|_| self.connections.get());
        drop(futures_util::future::join_all(opening).await);
    }

    /// Runs `work` in one transaction and returns once it is committed. `work` may run several
    /// times; what an earlier run wrote is rolled back.
    pub(crate) async fn write<A, T, Fut>(
        self: &Arc<Self>,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let written = self.write_unless_conflict(args, work).await?;
        written.ok_or_else(|| Failure::Conflict.into())
    }

    /// The same; none, and nothing is written, where `work` fails with [`Failure::Conflict`].
    pub(crate) async fn write_unless_conflict<A, T, Fut>(
        self: &Arc<Self>,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<Option<T>, Error>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        Fut: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.refuse_in_outage()?;
        if self.writes.is_closed() {
            return Err(closed());
        }
        let (pool, args) = (Arc::clone(self), Arc::new(args));
        let task = async move { timed(pool.attempt(Mode::Transaction, &args, work)).await };
        let task = self.writes.spawn(task);
        let ended = async {
            match task.await.map_err(|_| Error::unavailable("a write panicked"))? {
                Ok(value) => Ok(Some(value)),
                Err(Failure::Conflict) => Ok(None),
                Err(failure) => Err(failure.into()),
            }
        };
        self.unless_outage(ended).await
    }

    /// Runs `work`, whose statements are transactions by themselves, and may be carried out twice.
    pub(crate) async fn write_singly<A, T, Fut>(
        &self,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        timed(self.read(args, work)).await
    }

    /// How many wait for a connection.
    pub(crate) fn waiting(&self) -> usize {
        self.connections.status().waiting
    }

    /// Runs `work`, which reads, each statement by itself.
    pub(crate) async fn read<A, T, Fut>(
        &self,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        self.run(Mode::Single, args, work).await
    }

    /// Runs `work`, whose statements all see the same state.
    pub(crate) async fn read_snapshot<A, T, Fut>(
        &self,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        self.run(Mode::Snapshot, args, work).await
    }

    async fn run<A, T, Fut>(
        &self,
        mode: Mode,
        args: A,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Error>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        self.refuse_in_outage()?;
        let args = Arc::new(args);
        let attempt = async { Ok(self.attempt(mode, &args, work).await?) };
        self.unless_outage(attempt).await
    }

    async fn attempt<A, T, Fut>(
        &self,
        mode: Mode,
        args: &Arc<A>,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Failure>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failure = match self.attempt_once(mode, args, work).await {
                Ok(value) => {
                    *self.answered_at.lock() = Instant::now();
                    return Ok(value);
                }
                Err(failure) => failure,
            };
            let Failed { failure, is_undone } = failure;
            let may_repeat = is_undone && (failure.is_repeatable() || failure.is_outage());
            if may_repeat && attempts < ATTEMPTS_MAX && !failure.needs_operator() {
                continue;
            }
            if failure.is_outage() {
                self.report(Some(failure.advice()));
            }
            return Err(failure);
        }
    }

    async fn attempt_once<A, T, Fut>(
        &self,
        mode: Mode,
        args: &Arc<A>,
        work: fn(Arc<Db>, Arc<A>) -> Fut,
    ) -> Result<T, Failed>
    where
        Fut: Future<Output = Result<T, Failure>>,
    {
        let undone = |failure| Failed { failure, is_undone: true };
        let client = self.connections.get().await.map_err(|error| undone(no_connection(error)))?;
        let db = Arc::new(Db::new(client, self.has_names, mode, &self.settings));
        match work(Arc::clone(&db), Arc::clone(args)).await {
            // A commit without an answer may have been carried out, so it is not repeated.
            Ok(value) => match db.commit().await {
                Ok(()) => Ok(value),
                Err(failure) => {
                    let is_undone = failure.is_repeatable();
                    Err(Failed { failure, is_undone })
                }
            },
            Err(failure) => {
                // If this fails, the connection is closed, which also takes everything back.
                drop(db.roll_back().await);
                Err(undone(failure))
            }
        }
    }

    pub(crate) fn refuse_in_outage(&self) -> Result<(), Error> {
        match self.outage.borrow().as_ref() {
            Some(advice) => Err(Error::unavailable(advice.clone())),
            None => Ok(()),
        }
    }

    /// Waits for `work`, until an outage begins.
    pub(crate) async fn unless_outage<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut outage = self.outage.subscribe();
        tokio::select! {
            biased;
            done = work => done,
            Ok(advice) = outage.wait_for(Option::is_some) => {
                Err(Error::unavailable(advice.clone().unwrap_or_default()))
            }
        }
    }

    /// How long ago the database last answered somebody.
    pub(crate) fn silent_for(&self) -> Duration {
        self.answered_at.lock().elapsed()
    }

    /// Records that the database works, or what is wrong with it. Each cause is logged once.
    pub(crate) fn report(&self, advice: Option<String>) {
        let has_changed = self.outage.send_if_modified(|outage| {
            let has_changed = *outage != advice;
            outage.clone_from(&advice);
            has_changed
        });
        match advice {
            _ if !has_changed => {}
            None => tracing::info!("the database answers again"),
            Some(advice) => {
                tracing::error!("deliveries cannot be stored and are answered 503: {advice}");
            }
        }
    }

    /// Whether deliveries can be stored, and if not, why.
    pub(crate) fn availability(&self) -> Availability {
        match self.outage.borrow().as_ref() {
            Some(advice) => Availability::Unwritable(advice.clone()),
            None => Availability::Writable,
        }
    }

    /// Closes every idle connection: a server that only reads, or one that is gone, is not asked
    /// again.
    pub(crate) fn reconnect(&self) {
        self.connections.retain(|_, _| false);
    }

    /// Refuses further writes and waits for those that were begun.
    pub(crate) async fn end_writes(&self) {
        self.writes.close();
        self.writes.wait().await;
    }

    /// Closes all connections.
    pub(crate) fn close(&self) {
        self.writes.close();
        self.connections.close();
    }
}

/// Checks a connection before it is used again. One that was used a moment ago is trusted.
fn check<'a>(
    client: &'a mut ClientWrapper,
    metrics: &'a Metrics,
) -> BoxFuture<'a, Result<(), HookError>> {
    let is_trusted = metrics.last_used() < TRUSTED_FOR;
    let check = async move {
        match is_trusted {
            true => Ok(()),
            false => client.batch_execute("").await.map_err(HookError::Backend),
        }
    };
    Box::pin(check)
}

/// How one attempt failed.
struct Failed {
    failure: Failure,
    /// Whether nothing of it was written.
    is_undone: bool,
}

fn no_connection(error: PoolError) -> Failure {
    match error {
        PoolError::Backend(error) => error.into(),
        PoolError::Timeout(TimeoutType::Wait) => Failure::Busy,
        other => Failure::Connection(other.to_string()),
    }
}

fn closed() -> Error {
    Error::unavailable("the store is closed")
}

/// Records how long a write takes that succeeds.
async fn timed<T, E>(write: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let began_at = Instant::now();
    let written = write.await;
    if written.is_ok() {
        metrics::histogram!("azdo_gateway_commit_seconds").record(began_at.elapsed());
    }
    written
}
