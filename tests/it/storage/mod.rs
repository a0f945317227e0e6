//! What every storage engine has to do, tested on each engine through `dyn Store`, and a model of
//! it in plain collections.
//!
//! The time is an argument of every call, so leases end without a wait. Tests of one engine alone
//! lie in a module named after it.

/// Random operations: every engine agrees with the model.
mod agreement;
/// The audit log: appended, filtered, deleted when it is old.
mod audit;
/// Processes that are killed: what they acknowledged is stored once and in order.
mod death;
/// Decisions: all or nothing, and only while the state they were based on is unchanged.
mod decisions;
/// Runs that are at their CIs: asked about at their time, and pauses of calls.
mod following;
/// Hooks: generations of their secrets, their activity, and the hold.
mod hooks;
/// Deliveries: stored once, leased, decided.
mod inbox;
/// Service users: linked, renewed by one at a time, unlinked.
mod links;
/// Pages, filters, and the backlog.
mod lists;
/// Tickets and sign-ins: used once.
mod logins;
/// Values to store.
pub(crate) mod make;
/// Migrations only expand the schema.
mod migrations;
/// The model.
mod model;
/// Problems since when, and how much happened in each minute.
mod monitoring;
/// Moving a store into another one.
mod moving;
/// Texts that PostgreSQL cannot store as they are.
mod nul;
/// Statuses: for each slot the newest one is posted, one attempt at a time.
mod outbox;
/// PostgreSQL: partitions, and replicas that delete at once.
mod partitions;
/// The policies that are recorded as ours.
mod policies;
/// Attempts at posting: doubts, counts, order.
mod posting;
/// Several processes at once on one database.
mod racing;
/// Passes of reconcilers: claimed by one process, due at their time.
mod reconcilers;
/// A store that is closed and opened again.
mod reopening;
/// Old and finished rows are deleted, unfinished ones stay.
mod retention;
/// Runners: as last seen, and the runs that they may take.
mod runners;
/// Runs: in order, leased, within their limits of concurrency.
mod runs;
/// Tokens are not readable on disk.
mod secrets;
/// SQLite: full queues, foreign locks, copies of a file that is being written.
mod sqlite;
mod statements;
/// What people look for.
mod subjects;
/// Subscriptions as last seen.
mod subscriptions;
/// Repositories: watched, read, known.
mod waking;
mod watching;

use std::sync::Arc;
use std::time::Duration;

use azdo_gateway::domain::id::{DeliveryId, RunId};
use azdo_gateway::domain::run::Run;
use azdo_gateway::domain::slot::Posting;
use azdo_gateway::domain::time::Timestamp;
use azdo_gateway::pipeline::accept::read_envelope;
use azdo_gateway::secret::Secret;
use azdo_gateway::storage::postgres::Postgres;
use azdo_gateway::storage::sqlite::Sqlite;
use azdo_gateway::storage::{
    Claim, Commit, DeliveryFilter, Error, LeasedDelivery, LeasedSlot, Migrate, Page,
    PostgresOptions, PostingCommit, RunCommit, StatusFilter, StatusRow, Store, TlsMode,
};
use make::HookCall;

use crate::harness::Database;

/// Stores a hook call.
async fn receive(store: &dyn Store, call: &HookCall) -> Result<(), Error> {
    store.receive(&call.organization, &call.hook, call.received_at, &call.body).await
}

/// The length of a lease in these tests.
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The engines under test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// Where the state of a store is.
pub(super) enum Location {
    Folder(tempfile::TempDir),
    Database(Database),
}

impl Engine {
    const ALL: [Engine; 2] = [Engine::Sqlite, Engine::Postgres];

    /// An empty location, in memory where the machine has a folder for that: these tests are not
    /// about power failures, and an fsync takes as long as all the rest.
    fn location(self) -> Arc<Location> {
        Arc::new(match self {
            Engine::Sqlite => {
                let shared_memory = std::path::Path::new("/dev/shm");
                let folder = match shared_memory.is_dir() {
                    true => tempfile::tempdir_in(shared_memory),
                    false => tempfile::tempdir(),
                };
                Location::Folder(folder.expect("there is a temporary folder"))
            }
            Engine::Postgres => Location::Database(Database::create()),
        })
    }
}

/// Opens the store in that folder.
fn open_sqlite(folder: &std::path::Path) -> Arc<dyn Store> {
    let path = folder.join("gateway.db");
    Arc::new(Sqlite::open(&path, read_envelope).expect("the database opens"))
}

/// How a test reaches its database.
fn options(url: &str, password: &str) -> PostgresOptions {
    PostgresOptions {
        url: url.to_owned(),
        tls: TlsMode::Disable,
        password: Some(Secret::new(password.to_owned())),
        ca_file: None,
        listen_url: None,
        connections: 8,
        statement_timeout: Duration::from_secs(30),
        idle_in_transaction_session_timeout: Duration::from_secs(30),
        pooler: None,
    }
}

/// The first process on a store, and another one on the same database.
const INSTANCE: &str = "a";
const REPLICA: &str = "b";

/// Opens the store in the database of that URL, as this process.
async fn open_postgres(url: &str, password: &str, instance: &str) -> Arc<dyn Store> {
    statements::check();
    let options = options(url, password);
    let opened = Postgres::open(&options, Migrate::Auto, instance, read_envelope).await;
    Arc::new(opened.expect("the database opens"))
}

impl Location {
    /// Opens the store as the first process on it.
    async fn open(&self) -> Arc<dyn Store> {
        self.open_as(INSTANCE).await
    }

    /// Opens the store, as this process where there may be several.
    async fn open_as(&self, instance: &str) -> Arc<dyn Store> {
        match self {
            Location::Folder(folder) => open_sqlite(folder.path()),
            Location::Database(database) => {
                open_postgres(&database.url(), database.password(), instance).await
            }
        }
    }

    /// The folder of a store that has one.
    pub(super) fn folder(&self) -> &std::path::Path {
        match self {
            Location::Folder(folder) => folder.path(),
            Location::Database(_) => panic!("a database has no folder"),
        }
    }

    /// The database of a store that has one.
    fn database(&self) -> &Database {
        match self {
            Location::Database(database) => database,
            Location::Folder(_) => panic!("there is a file and no database"),
        }
    }
}

/// A store under test, in a location of its own.
pub(super) struct Bench {
    pub(super) store: Arc<dyn Store>,
    engine: Engine,
    location: Arc<Location>,
    instance: &'static str,
}

impl Bench {
    /// An empty store of every engine.
    pub(super) async fn all() -> Vec<Bench> {
        let mut benches = Vec::new();
        for engine in Engine::ALL {
            benches.push(Bench::of(engine).await);
        }
        benches
    }

    /// An empty store.
    pub(super) async fn of(engine: Engine) -> Bench {
        Bench::open(engine, engine.location(), INSTANCE).await
    }

    /// What is at that location.
    async fn open(engine: Engine, location: Arc<Location>, instance: &'static str) -> Bench {
        Bench { store: location.open_as(instance).await, engine, location, instance }
    }

    /// The same store as another process on its database has it.
    pub(super) async fn replica(&self) -> Bench {
        Bench::open(self.engine, Arc::clone(&self.location), REPLICA).await
    }

    /// Closes the store and opens it again, as a restart does.
    pub(super) async fn reopened(self) -> Bench {
        self.close().await;
        self.opened().await
    }

    /// Closes the store, so that another process may open it.
    async fn close(&self) {
        self.store.close(Duration::from_secs(5)).await;
    }

    /// Opens the store again.
    async fn opened(self) -> Bench {
        let Bench { store, engine, location, instance } = self;
        drop(store);
        Bench::open(engine, location, instance).await
    }

    /// Stores a hook call. The id of the new delivery; none where it was there before.
    async fn accept(&self, call: HookCall) -> Option<DeliveryId> {
        let before = self.newest().await;
        receive(&*self.store, &call).await.expect("it is stored");
        self.store.claim_deliveries(claim(0, 0)).await.expect("it is writable");
        let after = self.newest().await;
        after.filter(|_| after != before)
    }

    /// The id of the newest delivery.
    async fn newest(&self) -> Option<DeliveryId> {
        let page = Page { limit: 1, before: None };
        let found = self.store.deliveries(DeliveryFilter::default(), page).await.expect("a list");
        found.items.first().map(|newest| newest.id)
    }

    /// Stores the delivery of that number, and claims it.
    pub(super) async fn delivered(&self, number: i64) -> LeasedDelivery {
        self.accept(make::delivery(number)).await.expect("it is new");
        let mut claimed = self.store.claim_deliveries(claim(0, 1)).await.expect("it is there");
        claimed.pop().expect("a new delivery is due")
    }

    /// Stores a delivery that is decided to plan these runs; the runs as they are stored.
    pub(super) async fn plan(&self, number: i64, runs: &[Run]) -> Vec<Run> {
        let leased = self.delivered(number).await;
        let commit = make::decision(&leased, runs, &[]);
        assert_eq!(self.store.commit_decision(commit).await.expect("it is"), Commit::Committed);
        let mut planned = Vec::new();
        for run in runs {
            planned.push(self.run(run.id).await);
        }
        planned
    }

    /// A run that is there.
    pub(super) async fn run(&self, id: RunId) -> Run {
        self.store.run(id).await.expect("it is read").expect("there is that run")
    }

    /// Commits a later revision of a run without a lease.
    pub(super) async fn change(&self, run: Run) -> Commit {
        let commit = RunCommit { run, lease: None, due_at: None };
        self.store.commit_run(commit).await.expect("it is written")
    }

    /// Every slot that is due at that second.
    pub(super) async fn slots(&self, second: i64) -> Vec<LeasedSlot> {
        self.store.claim_slots(claim(second, 100)).await.expect("they are claimed")
    }

    /// Commits the outcome of an attempt to post, at that second.
    pub(super) async fn posted(&self, slot: &LeasedSlot, second: i64, posting: Posting) -> Commit {
        let (lease, status_id) = (slot.lease, slot.status_id);
        let commit = PostingCommit { lease, status_id, posting, now: at(second) };
        self.store.commit_posting(commit).await.expect("it is written")
    }

    /// Every status with its outcome, oldest first.
    pub(super) async fn statuses(&self) -> Vec<StatusRow> {
        let page = Page { limit: 1_000, before: None };
        let found = self.store.statuses(StatusFilter::default(), page).await.expect("a list");
        found.items.into_iter().rev().collect()
    }

    /// The outcomes of all statuses, oldest first.
    pub(super) async fn outcomes(&self) -> Vec<&'static str> {
        self.statuses().await.into_iter().map(|row| row.outcome.as_str()).collect()
    }
}

/// A moment, in seconds since the tests' beginning.
pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + second * 1_000)
}

/// A claim at that second.
pub(super) fn claim(second: i64, limit: usize) -> Claim {
    Claim { now: at(second), limit, lease: LEASE }
}
