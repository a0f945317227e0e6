//! Stores hook calls in batches. A call waits in a queue; a task takes all calls that wait, and
//! stores them with one statement. Meanwhile the next batch gathers.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::inbox::{self, NewRow};
use super::subscriptions::Subscriptions;
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::pool::Pool;
use crate::storage::{EnvelopeReader, Error};

/// Deliveries in the queue; further ones are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes in the queue; more are refused.
pub(in crate::storage::postgres) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Deliveries in one batch.
const BATCH_MAX: usize = 256;
/// Bytes in one batch; one delivery may be longer.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches that are stored at the same time.
const BATCHES_MAX: usize = 3;
/// How long a caller waits: it is answered within a second. The delivery may be stored afterwards,
/// and a repeat is recognized.
const ANSWER_MAX: Duration = Duration::from_millis(950);

type Answer = oneshot::Sender<Result<(), Arc<str>>>;

/// See the module.
#[derive(Debug)]
pub(in crate::storage::postgres) struct Accept {
    batches: Arc<Batches>,
    tasks: TaskTracker,
    _stops: DropGuard,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(NewRow, Answer)>,
    bytes: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Batches {
    pool: Arc<Pool>,
    read_envelope: EnvelopeReader,
    activity: Arc<Activity>,
    subscriptions: Arc<Subscriptions>,
    queue: Mutex<Queue>,
    filled: Notify,
    stop: CancellationToken,
}

impl Accept {
    /// Begins to store batches.
    pub(in crate::storage::postgres) fn start(
        pool: Arc<Pool>,
        read_envelope: EnvelopeReader,
        activity: Arc<Activity>,
    ) -> Self {
        let batches = Arc::new(Batches {
            pool,
            read_envelope,
            activity,
            subscriptions: Arc::default(),
            queue: Mutex::default(),
            filled: Notify::new(),
            stop: CancellationToken::new(),
        });
        let tasks = TaskTracker::new();
        for _ in 0..BATCHES_MAX {
            let batches = Arc::clone(&batches);
            tasks.spawn(async move { batches.store_all().await });
        }
        tasks.close();
        Self { _stops: batches.stop.clone().drop_guard(), batches, tasks }
    }

    /// Returns once the delivery is stored, or was stored before. Once it is in the queue, it is
    /// stored even if the caller stops waiting.
    ///
    /// # Errors
    /// `Busy` when too many wait, `Unavailable` when the database does not answer in time.
    pub(super) async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        self.batches.pool.refuse_in_outage()?;
        self.batches.queue.lock().refuse_more(body.len())?;
        let envelope = (self.batches.read_envelope)(body);
        let row = NewRow::of_hook(organization, hook, received_at, envelope, body);
        let answered = self.batches.enqueue(row)?;
        let stored = async {
            match tokio::time::timeout(ANSWER_MAX, answered).await {
                Ok(Ok(answer)) => answer.map_err(|advice| Error::unavailable(&*advice)),
                Ok(Err(_)) => Err(Error::unavailable("storing a delivery panicked")),
                Err(_) => Err(Error::unavailable(
                    "the database takes longer than a second for a delivery: check its load, its \
                     disk, and whether its synchronous standbys answer",
                )),
            }
        };
        self.batches.pool.unless_outage(stored).await
    }

    /// Deliveries that wait for a batch.
    pub(in crate::storage::postgres) fn waiting(&self) -> usize {
        self.batches.queue.lock().waiting.len()
    }

    /// Refuses further deliveries and stores those that wait.
    pub(in crate::storage::postgres) async fn close(&self) {
        self.batches.queue.lock().is_closed = true;
        self.batches.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Queue {
    fn refuse_more(&self, bytes: usize) -> Result<(), Error> {
        let waiting = self.waiting.len();
        if self.is_closed {
            return Err(closed());
        }
        if waiting >= WAITING_MAX || self.bytes.saturating_add(bytes) > WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting });
        }
        Ok(())
    }
}

impl Batches {
    fn enqueue(&self, row: NewRow) -> Result<oneshot::Receiver<Result<(), Arc<str>>>, Error> {
        let (answer, answered) = oneshot::channel();
        let mut queue = self.queue.lock();
        queue.refuse_more(row.bytes())?;
        queue.bytes += row.bytes();
        queue.waiting.push_back((row, answer));
        drop(queue);
        self.filled.notify_one();
        Ok(answered)
    }

    /// Stores batches until the store is closed and nothing waits.
    async fn store_all(&self) {
        // Storing nothing prepares the statement: the first delivery need not wait for that.
        drop(self.store(&Arc::default(), 0..0).await);
        loop {
            let is_last = self.stop.is_cancelled();
            let (rows, answers) = self.next_batch();
            if !rows.is_empty() {
                self.store_batch(Arc::new(rows), answers).await;
            } else if is_last {
                return;
            } else {
                tokio::select! {
                    () = self.filled.notified() => {}
                    () = self.stop.cancelled() => {}
                }
            }
        }
    }

    fn next_batch(&self) -> (Vec<NewRow>, Vec<Answer>) {
        let mut queue = self.queue.lock();
        let (mut rows, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
        while rows.len() < BATCH_MAX && bytes < BATCH_BYTES_MAX {
            let Some((row, answer)) = queue.waiting.pop_front() else { break };
            bytes += row.bytes();
            rows.push(row);
            answers.push(answer);
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        if !queue.waiting.is_empty() {
            self.filled.notify_one();
        }
        (rows, answers)
    }

    async fn store_batch(&self, rows: Arc<Vec<NewRow>>, answers: Vec<Answer>) {
        let stored = self.store(&rows, 0..rows.len()).await;
        // One delivery that the database refuses must not take the others with it.
        let is_of_one = stored.is_err() && rows.len() > 1 && self.pool.refuse_in_outage().is_ok();
        let together = stored.map_err(|error| Arc::from(advice(error)));
        for (at, answer) in answers.into_iter().enumerate() {
            let result = match is_of_one {
                true => self.store(&rows, at..at + 1).await.map_err(|error| {
                    let advice = advice(error);
                    tracing::error!("a delivery cannot be stored: {advice}");
                    Arc::from(advice)
                }),
                false => together.clone(),
            };
            // The caller may be gone: the delivery counts all the same.
            drop(answer.send(result));
        }
    }

    /// Stores some of the rows, all or nothing.
    async fn store(&self, rows: &Arc<Vec<NewRow>>, which: Range<usize>) -> Result<(), Error> {
        let args = (Arc::clone(rows), which.clone(), Arc::clone(&self.subscriptions));
        let inserted = self.pool.write_singly(args, |db, args| async move {
            let (rows, which, subscriptions) = &*args;
            let rows = rows.get(which.clone()).unwrap_or_default();
            let of: Vec<_> = rows.iter().map(|row| row.subscription.as_ref()).collect();
            let numbers = subscriptions.numbers(&db, &of).await?;
            let inserted = inbox::insert(&db, rows, &numbers).await?;
            let duplicates = inbox::duplicates(rows, &inserted);
            // Where this fails, they are decided, and start nothing.
            if let Err(failure) = inbox::end(&db, &duplicates).await {
                tracing::warn!("deliveries of one event are decided apart: {failure}");
            }
            Ok(inserted.len())
        });
        let new = match inserted.await {
            Ok(new) => new,
            Err(error) => {
                self.subscriptions.forget();
                return Err(error);
            }
        };
        let rows = rows.get(which).unwrap_or_default();
        for row in rows {
            self.activity.note(&row.organization, &row.hook, row.received_at);
        }
        count("stored", new);
        count("already_there", rows.len().saturating_sub(new));
        Ok(())
    }
}

fn count(result: &'static str, deliveries: usize) {
    if deliveries > 0 {
        let deliveries = u64::try_from(deliveries).unwrap_or(u64::MAX);
        metrics::counter!("azdo_gateway_deliveries_total", "result" => result)
            .increment(deliveries);
    }
}

fn advice(error: Error) -> String {
    match error {
        Error::Unavailable { advice, .. } => advice,
        error => error.to_string(),
    }
}

fn closed() -> Error {
    Error::unavailable("the store is closed")
}
