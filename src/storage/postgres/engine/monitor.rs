//! Watches the database on a connection of its own: tells the other processes that this one lives,
//! ends the leases of those that have died, notices outages, and measures the database's clock.
//!
//! All processes go by that clock, so that their leases and due times mean the same although the
//! clocks of their machines differ.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::Type;
use tokio_util::sync::CancellationToken;

use super::connection::Connector;
use super::db::{self, Db, Param};
use super::failure::Failure;
use super::pool::Pool;
use super::rows::get;
use crate::clock::Clock;
use crate::domain::time::Timestamp;
use crate::jitter;
use crate::storage::{Availability, Error};

/// The wait between two heartbeats.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a heartbeat may take; then the database counts as away. With the interval less than
/// 1.5 s, in which whoever waits has to be answered.
const BEAT_MAX: Duration = Duration::from_millis(900);
/// So long after a heartbeat no other process takes this one for dead.
const ALIVE_FOR: Duration = Duration::from_secs(9);
const _: () = assert!(ALIVE_FOR.as_secs() < DEAD_AFTER.as_secs());
/// A timer that is late by so much shows that this process did not run.
const STOOD_STILL: Duration = Duration::from_millis(300);
/// A process that has not been seen for so long is dead. Its work is taken over within 15 s.
pub(crate) const DEAD_AFTER: Duration = Duration::from_secs(10);

/// The present time of the database, in microseconds.
pub(crate) const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// See the module.
#[derive(Debug)]
pub(crate) struct Monitor {
    instance: String,
    connector: Connector,
    pool: Arc<Pool>,
    clock: Clock,
    /// How far the clock of the database is ahead of this machine's, in microseconds.
    ahead_micros: AtomicI64,
    /// None before the first heartbeat.
    alive: Mutex<Option<Alive>>,
    stop: CancellationToken,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// A time in which no other process can have taken this one for dead.
#[derive(Debug)]
struct Alive {
    since: Instant,
    /// When the last heartbeat was sent that the database has answered.
    beat_at: Instant,
}

impl Monitor {
    /// Announces this process and begins to watch.
    ///
    /// # Errors
    /// The first heartbeat fails, and what to do about it.
    pub(crate) async fn start(
        instance: &str,
        connector: Connector,
        pool: Arc<Pool>,
    ) -> Result<Arc<Self>, Error> {
        let monitor = Arc::new(Self {
            instance: instance.to_owned(),
            connector,
            pool,
            clock: Clock::system(),
            ahead_micros: AtomicI64::new(0),
            alive: Mutex::default(),
            stop: CancellationToken::new(),
            task: Mutex::default(),
        });
        let mut client = None;
        monitor.beat(&mut client).await?;
        let watching = Arc::clone(&monitor);
        *monitor.task.lock() = Some(tokio::spawn(async move { watching.watch(client).await }));
        Ok(monitor)
    }

    /// The time by the clock of the database, when this machine's shows `local`.
    pub(crate) fn shared_time(&self, local: Timestamp) -> Timestamp {
        let ahead = self.ahead_micros.load(Ordering::Relaxed);
        Timestamp::from_micros(local.micros().saturating_add(ahead))
    }

    /// Whether no other process can have taken this one for dead since then.
    pub(crate) fn has_lived_since(&self, since: Instant) -> bool {
        let lived = |alive: &Alive| alive.since <= since && alive.beat_at.elapsed() < ALIVE_FOR;
        self.alive.lock().as_ref().is_some_and(lived)
    }

    /// Notes that the database has answered the heartbeat that was sent at this time, and whether
    /// it knew this process.
    fn note(&self, beat_at: Instant, is_known: bool) {
        let mut alive = self.alive.lock();
        let goes_on = |one: &Alive| is_known && beat_at.duration_since(one.beat_at) < ALIVE_FOR;
        let since = match &*alive {
            Some(before) if goes_on(before) => before.since,
            Some(_) => {
                tracing::warn!(
                    "this process was taken for dead: it was not seen for {} s or more",
                    ALIVE_FOR.as_secs()
                );
                beat_at
            }
            None => beat_at,
        };
        *alive = Some(Alive { since, beat_at });
    }

    async fn watch(&self, mut client: Option<Client>) {
        while !self.stop.is_cancelled() {
            let (was_connected, began) = (client.is_some(), Instant::now());
            let ended = tokio::time::timeout(BEAT_MAX, self.beat(&mut client)).await;
            let failure = match ended {
                Ok(Ok(())) => {
                    self.pool.report(None);
                    None
                }
                Ok(Err(failure)) => Some((failure, was_connected)),
                Err(_) => {
                    // Others were answered meanwhile, or this process itself stood still.
                    let is_slow = self.pool.silent_for() < BEAT_MAX
                        || began.elapsed() > BEAT_MAX + STOOD_STILL;
                    Some((Failure::Connection("no answer in time".into()), is_slow))
                }
            };
            if let Some((failure, may_be_stale)) = failure {
                client = None;
                if may_be_stale {
                    // The server may have closed this connection only.
                    continue;
                }
                self.pool.reconnect();
                self.pool.report(Some(failure.advice()));
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(self.wait()) => {}
            }
        }
        if let Some(client) = client {
            // What this process has leased and not finished is due for the others now.
            let gone = async {
                for sql in end_leases("id = $1") {
                    client.execute_typed(&sql, &[(&self.instance, Type::TEXT)]).await?;
                }
                Ok::<_, tokio_postgres::Error>(())
            };
            drop(tokio::time::timeout(BEAT_MAX, gone).await);
        }
    }

    /// After an outage not all processes come back in the same moment.
    fn wait(&self) -> Duration {
        match self.pool.availability() {
            Availability::Writable => INTERVAL,
            Availability::Unwritable(_) => INTERVAL.mul_f64(0.5 + jitter::fraction() / 2.0),
        }
    }

    /// Says that this process lives.
    async fn beat(&self, client: &mut Option<Client>) -> Result<(), Failure> {
        let client = match client {
            Some(client) => client,
            None => client.insert(self.connector.connect().await?),
        };
        if let Availability::Unwritable(_) = self.pool.availability() {
            probe(client).await?;
        }
        let sql = format!(
            "INSERT INTO instance (id, version, started_at, seen_at)
             SELECT $1, $2, now, now FROM (SELECT {NOW} AS now) AS clock
             ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
             RETURNING seen_at, started_at = seen_at"
        );
        let began = (self.clock.now(), Instant::now());
        let version = env!("CARGO_PKG_VERSION");
        let params: [Param<'_>; 2] = [(&self.instance, Type::TEXT), (&version, Type::TEXT)];
        db::trace(&sql, &params);
        let row = client.query_typed_one(&sql, &params).await?;
        let seen_at: i64 = get(&row, 0)?;
        self.measure(began.0, began.1.elapsed(), seen_at);
        let is_new: bool = get(&row, 1)?;
        self.note(began.1, !is_new);
        self.end_leases_of_dead(client, seen_at).await
    }

    /// Takes over the time of the database, unless the difference is within what the measurement
    /// may be wrong by.
    fn measure(&self, before: Timestamp, took: Duration, there_micros: i64) {
        let half = took / 2;
        let ahead = there_micros.saturating_sub(before.plus(half).micros());
        let known = self.ahead_micros.load(Ordering::Relaxed);
        let error = i64::try_from(half.as_micros()).unwrap_or(i64::MAX);
        if (ahead - known).abs() > error {
            self.ahead_micros.store(ahead, Ordering::Relaxed);
        }
    }

    /// Deletes processes that have died, and makes due what they had leased.
    async fn end_leases_of_dead(&self, client: &Client, now: i64) -> Result<(), Failure> {
        let before = now.saturating_sub(dead_after_micros());
        let sql = "SELECT id FROM instance WHERE seen_at < $1";
        let params: [Param<'_>; 1] = [(&before, Type::INT8)];
        db::trace(sql, &params);
        if client.query_typed(sql, &params).await?.is_empty() {
            return Ok(());
        }
        for sql in end_leases("seen_at < $1") {
            // Only the last one returns something: the processes that are deleted.
            for row in &client.query_typed(&sql, &params).await? {
                let id: &str = get(row, 0)?;
                tracing::warn!(instance = id, "a replica has died: others take over its work");
            }
        }
        Ok(())
    }

    /// Ends the heartbeats and takes this process from the list of those that live.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().take();
        if let Some(task) = task {
            drop(task.await);
        }
    }
}

fn dead_after_micros() -> i64 {
    i64::try_from(DEAD_AFTER.as_micros()).unwrap_or(i64::MAX)
}

/// A process that was seen last before this time, by the clock of the database, is dead.
pub(crate) async fn dead_before(db: &Db) -> Result<i64, Failure> {
    let now = db.row(&format!("SELECT {NOW}"), &[]).await?;
    let now = now.ok_or_else(|| Failure::Value("the server has no time".into()))?;
    Ok(get::<i64>(&now, 0)?.saturating_sub(dead_after_micros()))
}

/// Makes due what the processes that meet the condition have leased, and deletes these processes.
///
/// Each statement is to be committed before the next one: it locks rows of one table only, in the
/// order in which all lock them, so that it and those who change runs and their statuses do not
/// wait for each other in a circle. 1 is a lease of a run that ended without an outcome; a process
/// stays the holder of runs whose leases it ended itself. The row of a process is deleted last: if
/// this one stops before that, another process repeats all statements.
pub(crate) fn end_leases(condition: &str) -> [String; 6] {
    let held = format!("holder IN (SELECT id FROM instance WHERE {condition})");
    [
        format!(
            "WITH held AS (SELECT delivery FROM inbox WHERE {held} ORDER BY delivery FOR UPDATE)
            UPDATE inbox SET due_at = 0, holder = NULL FROM held
            WHERE inbox.delivery = held.delivery"
        ),
        format!(
            "WITH held AS (SELECT number FROM run
                WHERE leased_until > 1 AND (due_at IS NOT NULL OR follow_at IS NOT NULL) AND {held}
                ORDER BY number FOR UPDATE)
            UPDATE run SET leased_until = 1, holder = NULL FROM held
            WHERE run.number = held.number"
        ),
        format!(
            "WITH held AS (SELECT id FROM slot WHERE due_at IS NOT NULL AND {held}
                ORDER BY key FOR UPDATE)
            UPDATE slot SET leased_until = 0, holder = NULL FROM held WHERE slot.id = held.id"
        ),
        format!("UPDATE link_fence SET leased_until = 0, holder = NULL WHERE {held}"),
        format!("UPDATE reconciler SET leased_until = 0 WHERE leased_until > 0 AND {held}"),
        format!("DELETE FROM instance WHERE {condition} RETURNING id"),
    ]
}

/// Writes as much as a delivery may need and takes it back: whether the disk has space.
async fn probe(client: &Client) -> Result<(), Failure> {
    let sql = "BEGIN;
        INSERT INTO probe (bytes) VALUES (convert_to(repeat('x', 65536), 'UTF8'));
        ROLLBACK";
    let probed = client.batch_execute(sql).await;
    if probed.is_err() {
        client.batch_execute("ROLLBACK").await?;
    }
    Ok(probed?)
}
