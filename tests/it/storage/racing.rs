//! Several processes at once on one database: each run and each slot is worked on by one of them at
//! a time, within the limits of concurrency, none is left, and nobody waits in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Instant;

use azdo_gateway::domain::concurrency::{Group, limits};
use azdo_gateway::domain::id::{RunId, StatusId};
use azdo_gateway::domain::run::{Run, State, Targets};
use azdo_gateway::domain::slot::{Posting, StatusOutcome};
use azdo_gateway::domain::status::Shown;
use azdo_gateway::storage::{
    Commit, LeasedRun, LeasedSlot, PostingCommit, Postponed, RunCommit, Store,
};
use parking_lot::Mutex;
use tokio::task::{JoinSet, yield_now};

use super::{Bench, Engine, at, claim, make};
use crate::harness::WAIT_MAX;

/// Planned by each of the processes.
const RUNS: u64 = 60;
const PROCESSES: u64 = 2;
/// Runs of one check that may be at the CI.
const CONCURRENCY: u32 = 2;
/// Runs that may be at the narrow CI.
const CI_CONCURRENCY: u32 = 3;
/// Contexts that runs do not have.
const CONTEXTS: [&str; 2] = ["scan", "audit"];

/// What all processes see of each other here.
#[derive(Default)]
struct World {
    /// Milliseconds. No lease ends during the test.
    clock_ms: AtomicI64,
    /// Runs that are at the CI, by the checks and CIs that have a limit.
    at_ci: Mutex<BTreeMap<Group, u32>>,
    /// Runs that were claimed, and so must not be claimed again.
    claimed: Mutex<HashSet<RunId>>,
    ended: AtomicU64,
    /// Runs whose CIs are asked about them.
    asking: Mutex<HashSet<RunId>>,
    /// Slots that a process works on, and the last status that each showed.
    posting: Mutex<HashSet<i64>>,
    shown: Mutex<HashMap<i64, StatusId>>,
}

impl World {
    /// The present second: it passes with what is done.
    fn second(&self) -> i64 {
        self.clock_ms.fetch_add(1, Ordering::SeqCst) / 1_000
    }

    fn begin_to_post(&self, slots: &[LeasedSlot]) {
        for LeasedSlot { lease, status_id, .. } in slots {
            assert!(self.posting.lock().insert(lease.id), "slot {} is worked on twice", lease.id);
            let before = self.shown.lock().insert(lease.id, *status_id);
            assert!(before <= Some(*status_id), "{before:?} was newer than {status_id:?}");
        }
    }

    fn begin_to_start(&self, run: &Run) {
        assert!(self.claimed.lock().insert(run.id), "{} was claimed twice", run.id);
        for (group, limit) in limits(run) {
            let mut at_ci = self.at_ci.lock();
            let others = at_ci.entry(group.clone()).or_default();
            assert!(*others < limit, "{others} others of {group:?} are at the CI");
            *others += 1;
        }
    }

    fn end(&self, run: &Run) {
        for (group, _) in limits(run) {
            *self.at_ci.lock().get_mut(&group).expect("it was counted") -= 1;
        }
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) == RUNS * PROCESSES
    }
}

/// Plans runs of three checks at three commits and two CIs.
async fn plan(store: Arc<dyn Store>, world: Arc<World>, process: u64) {
    for number in 1..=RUNS {
        let check = ["lint", "slow", "both"][usize::try_from(number % 3).unwrap()];
        let commit = ['a', 'b', 'c'][usize::try_from(number % 5).unwrap().min(2)];
        let now = at(world.second());
        let is_narrow = number % 2 == 0;
        let run = Run {
            ci: if is_narrow { "narrow" } else { "builder" }.to_owned(),
            ci_concurrency: is_narrow.then_some(CI_CONCURRENCY),
            concurrency: (check == "slow").then_some(CONCURRENCY),
            targets: Targets { pull_request: true, commit: check != "lint" },
            created_at: now,
            updated_at: now,
            overdue_at: at(1_000_000),
            ..make::run((process * 1_000 + number).into(), check, commit)
        };
        assert_eq!(store.commit_rerun(None, run).await.unwrap(), Commit::Committed);
    }
}

/// Starts runs and ends them, until all have ended.
async fn run_all(store: Arc<dyn Store>, world: Arc<World>) {
    while !world.has_ended() {
        let leased = store.claim_runs(claim(world.second(), 3)).await.unwrap();
        leased.iter().for_each(|leased| world.begin_to_start(&leased.run));
        for leased in leased {
            run_one(&*store, &world, leased).await;
        }
    }
}

async fn run_one(store: &dyn Store, world: &World, LeasedRun { lease, run, .. }: LeasedRun) {
    let mut of_lease = Some(lease);
    for state in [State::Dispatched, State::Running, State::Succeeded] {
        let run = store.run(run.id).await.unwrap().expect("it is there");
        if state.is_final() {
            world.end(&run);
        }
        let run = Run { state, ..run };
        let due_at = (state == State::Dispatched).then(|| at(world.second()));
        let commit = RunCommit { run, lease: of_lease.take(), due_at };
        assert_eq!(store.commit_run(commit.clone()).await.unwrap(), Commit::Committed);
        let again = store.commit_run(commit).await.unwrap();
        assert_ne!(again, Commit::Committed, "it has changed");
    }
    world.ended.fetch_add(1, Ordering::SeqCst);
}

/// Asks about runs that were started, until all have ended.
async fn follow_all(store: Arc<dyn Store>, world: Arc<World>) {
    while !world.has_ended() {
        let leased = store.claim_followed_runs(claim(world.second(), 3)).await.unwrap();
        for LeasedRun { run, .. } in &leased {
            assert!(world.asking.lock().insert(run.id), "{} is asked about twice", run.id);
        }
        for LeasedRun { lease, run, is_interrupted } in leased {
            assert!(!is_interrupted, "every lease was ended");
            // The end of the lease may be seen before this task goes on.
            world.asking.lock().remove(&run.id);
            let due_at = at(world.second());
            let postponed = Postponed { lease, revision: run.revision, due_at };
            let outcome = store.postpone_run(postponed).await.unwrap();
            assert_ne!(outcome, Commit::LeaseLost);
        }
        yield_now().await;
    }
}

/// Posts statuses, until all runs have ended. Every third attempt is repeated.
async fn post_all(store: Arc<dyn Store>, world: Arc<World>) {
    for attempt in 0.. {
        if world.has_ended() {
            return;
        }
        let slots = store.claim_slots(claim(world.second(), 3)).await.unwrap();
        world.begin_to_post(&slots);
        for slot in slots {
            let now = at(world.second());
            let (counts, doubtful, reason) = (true, false, "busy".to_owned());
            let posting = match attempt % 3 {
                0 => Posting::Later { due_at: now, counts, doubtful, reason },
                _ => Posting::Posted { iteration: Some(1) },
            };
            post(&*store, &world, slot, posting).await;
        }
        if attempt % 7 == 0 {
            store.make_slots_due(make::ORGANIZATION, at(world.second())).await.unwrap();
        }
    }
}

async fn post(store: &dyn Store, world: &World, slot: LeasedSlot, posting: Posting) {
    let LeasedSlot { lease, status_id, .. } = slot;
    // The end of the lease may be seen before this task goes on.
    world.posting.lock().remove(&lease.id);
    let commit = PostingCommit { lease, status_id, posting, now: at(world.second()) };
    assert_eq!(store.commit_posting(commit).await.unwrap(), Commit::Committed);
}

/// Queues statuses of CIs that start by themselves, until all runs have ended.
async fn queue_all(store: Arc<dyn Store>, world: Arc<World>) {
    let states = [Shown::Pending, Shown::Failed, Shown::Succeeded].into_iter().cycle();
    for (state, context) in states.zip(CONTEXTS.into_iter().cycle()) {
        if world.has_ended() {
            return;
        }
        let status = make::status(context, 'a', state);
        store.queue_status(status, at(world.second())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_race_keep_every_promise() {
    let first = Bench::of(Engine::Postgres).await;
    let benches = [first.replica().await, first];
    let world = Arc::new(World::default());
    let mut tasks = JoinSet::new();
    for (process, bench) in (0..PROCESSES).zip(&benches) {
        let of = || (Arc::clone(&bench.store), Arc::clone(&world));
        let (store, same) = of();
        tasks.spawn(plan(store, same, process));
        for _ in 0..2 {
            let (store, same) = of();
            tasks.spawn(run_all(store, same));
            let (store, same) = of();
            tasks.spawn(post_all(store, same));
        }
        let (store, same) = of();
        tasks.spawn(follow_all(store, same));
        let (store, same) = of();
        tasks.spawn(queue_all(store, same));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    // The last statuses, which either process posts.
    let [one, other] = &benches;
    loop {
        let slots = one.slots(100_000).await;
        if slots.is_empty() {
            break;
        }
        world.begin_to_post(&slots);
        for slot in slots {
            post(&*other.store, &world, slot, Posting::Posted { iteration: None }).await;
        }
    }
    let outcomes: Vec<StatusOutcome> =
        one.statuses().await.into_iter().map(|row| row.outcome).collect();
    assert!(!outcomes.contains(&StatusOutcome::Queued), "{outcomes:?}");
    let backlog = one.store.backlog().await.unwrap();
    assert_eq!((backlog.planned, backlog.at_ci, backlog.unposted), (0, 0, 0));
    let database = one.location.database();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.sql(deadlocks), "0");
    for bench in &benches {
        bench.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_ends_frees_runs_before_their_slots_as_all_lock_them() {
    let bench = Bench::of(Engine::Postgres).await;
    bench.plan(1, &[make::run(1, "lint", 'a')]).await;
    assert_eq!(bench.store.claim_runs(claim(0, 1)).await.unwrap().len(), 1);
    assert_eq!(bench.slots(0).await.len(), 1);
    let other = bench.location.database().connect().await;
    other.batch_execute("BEGIN; SELECT 1 FROM run FOR UPDATE").await.unwrap();
    let store = Arc::clone(&bench.store);
    let closing = tokio::spawn(async move { store.close(WAIT_MAX).await });
    let waiting = "SELECT 1 FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = Instant::now();
    while other.query(waiting, &[]).await.unwrap().is_empty() {
        assert!(begun.elapsed() < WAIT_MAX, "it does not wait for the run");
        yield_now().await;
    }
    other.batch_execute("SELECT 1 FROM slot FOR UPDATE NOWAIT; COMMIT").await.unwrap();
    closing.await.unwrap();
}
