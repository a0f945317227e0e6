//! Stores hook calls in batches: whatever waits is stored with one statement, while the next batch
//! gathers. Several batches are under way at once, so no call waits for a timer, and under load one
//! commit serves many calls.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::inbox::{self, NewRow, Stored};
use crate::domain::time::Timestamp;
use crate::storage::postgres::engine::db::{Db, params, text};
use crate::storage::postgres::engine::failure::Failure;
use crate::storage::postgres::engine::pool::Pool;
use crate::storage::postgres::engine::rows::get;
use crate::storage::{EnvelopeReader, Error};

/// Calls in the queue; further ones are refused.
const WAITING_MAX: usize = 8_192;
/// Bytes in the queue; more are refused, but for one call.
pub(in crate::storage::postgres) const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Calls in one batch, and their bytes, one call more at most.
const BATCH_MAX: usize = 256;
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches that are stored at the same time.
const WRITERS: usize = 3;
/// How long a call waits. It may be stored all the same: then its repeat is recognized.
const ANSWER_MAX: Duration = Duration::from_millis(1_200);
/// Subscriptions whose numbers are remembered.
const KNOWN_MAX: usize = 20_000;

/// Organization, scope and GUID of a subscription.
type Subscription = (String, String, String);

/// See the module.
#[derive(Debug)]
pub(in crate::storage::postgres) struct Accept {
    batches: Arc<Batches>,
    read_envelope: EnvelopeReader,
    activity: Arc<Activity>,
    writers: TaskTracker,
}

#[derive(Debug)]
struct Batches {
    pool: Arc<Pool>,
    queue: Mutex<Queue>,
    filled: Notify,
    /// The numbers of subscriptions, which never change.
    numbers: Mutex<HashMap<Subscription, i64>>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    is_closed: bool,
}

#[derive(Debug)]
struct Waiting {
    row: NewRow,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Accept {
    pub(in crate::storage::postgres) fn start(
        pool: Arc<Pool>,
        read_envelope: EnvelopeReader,
        activity: Arc<Activity>,
    ) -> Self {
        let (queue, filled, numbers) = (Mutex::default(), Notify::new(), Mutex::default());
        let batches = Arc::new(Batches { pool, queue, filled, numbers });
        let writers = TaskTracker::new();
        for _ in 0..WRITERS {
            let batches = Arc::clone(&batches);
            writers.spawn(async move { batches.store_all().await });
        }
        Self { batches, read_envelope, activity, writers }
    }

    /// Stores a call; it is durable when this returns.
    pub(super) async fn receive(
        &self,
        organization: &str,
        hook: &str,
        received_at: Timestamp,
        body: &[u8],
    ) -> Result<(), Error> {
        let pool = &self.batches.pool;
        pool.refuse_in_outage()?;
        let envelope = (self.read_envelope)(body);
        let row = NewRow::of_hook(organization, hook, received_at, envelope, body);
        let (answer, answered) = oneshot::channel();
        self.batches.push(Waiting { row, answer })?;
        self.batches.filled.notify_one();
        let stored = async {
            match tokio::time::timeout(ANSWER_MAX, answered).await {
                Ok(Ok(stored)) => stored,
                Ok(Err(_)) => Err(Error::unavailable("storing a delivery panicked")),
                Err(_) => Err(Error::unavailable(
                    "the database takes longer than a second for a delivery: check its load, its \
                     disk, and whether its synchronous standbys answer",
                )),
            }
        };
        pool.unless_outage(stored).await?;
        self.activity.note(organization, hook, received_at);
        Ok(())
    }

    /// Refuses further calls, and waits until those that were taken are stored.
    pub(in crate::storage::postgres) async fn close(&self) {
        self.batches.queue.lock().is_closed = true;
        self.batches.filled.notify_waiters();
        self.writers.close();
        self.writers.wait().await;
    }
}

impl Batches {
    fn push(&self, waiting: Waiting) -> Result<(), Error> {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Err(Error::unavailable("the store is closed"));
        }
        if queue.waiting.len() >= WAITING_MAX || queue.bytes >= WAITING_BYTES_MAX {
            return Err(Error::Busy { waiting: queue.waiting.len() });
        }
        queue.bytes += waiting.row.bytes();
        queue.waiting.push_back(waiting);
        Ok(())
    }

    /// What waits, up to the size of a batch. None once the queue is closed and empty.
    fn take(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_MAX
            && bytes < BATCH_BYTES_MAX
            && let Some(waiting) = queue.waiting.pop_front()
        {
            bytes += waiting.row.bytes();
            batch.push(waiting);
        }
        queue.bytes = queue.bytes.saturating_sub(bytes);
        (!batch.is_empty() || !queue.is_closed).then_some(batch)
    }

    async fn store_all(&self) {
        loop {
            // Before the look into the queue: what comes after it is not missed.
            let filled = self.filled.notified();
            match self.take() {
                None => return,
                Some(batch) if batch.is_empty() => filled.await,
                Some(batch) => {
                    // There may be more, for another writer.
                    self.filled.notify_one();
                    self.store(batch).await;
                }
            }
        }
    }

    async fn store(&self, batch: Vec<Waiting>) {
        let (rows, answers): (Vec<NewRow>, Vec<_>) =
            batch.into_iter().map(|waiting| (waiting.row, waiting.answer)).unzip();
        let rows: Vec<Arc<NewRow>> = rows.into_iter().map(Arc::new).collect();
        match self.store_together(rows.clone()).await {
            Ok(()) => answers.into_iter().for_each(|answer| drop(answer.send(Ok(())))),
            // One that cannot be stored must not keep the others from it.
            Err(_) if rows.len() > 1 && self.pool.refuse_in_outage().is_ok() => {
                for (row, answer) in rows.into_iter().zip(answers) {
                    drop(answer.send(self.store_together(vec![row]).await));
                }
            }
            Err(error) => {
                let advice = error.to_string();
                for answer in answers {
                    drop(answer.send(Err(Error::unavailable(advice.clone()))));
                }
            }
        }
    }

    async fn store_together(&self, rows: Vec<Arc<NewRow>>) -> Result<(), Error> {
        let subscriptions = self.numbers_of(&rows).await?;
        let stored = self.pool.write_singly((rows.clone(), subscriptions), |db, of| async move {
            let (rows, subscriptions) = &*of;
            let rows: Vec<&NewRow> = rows.iter().map(AsRef::as_ref).collect();
            inbox::insert(&db, &rows, subscriptions).await
        });
        let stored = stored.await?;
        count(&stored);
        let mut events = HashSet::new();
        for Stored { index, id, is_new, has_earlier } in stored {
            let Some(row) = rows.get(index) else { continue };
            // Those of one batch do not see each other.
            let is_second = row.event().is_some_and(|event| !events.insert(event));
            if is_new && (has_earlier || is_second) {
                let ended = self.pool.write((Arc::clone(row), id), |db, of| async move {
                    inbox::end_duplicate(&db, &of.0, of.1).await
                });
                ended.await?;
            }
        }
        Ok(())
    }

    /// The numbers of the subscriptions of these rows, in their order; none for rows without a key.
    async fn numbers_of(&self, rows: &[Arc<NewRow>]) -> Result<Vec<Option<i64>>, Error> {
        let subscription = |row: &Arc<NewRow>| {
            let (scope, guid) = row.subscription()?;
            Some((row.organization.clone(), scope, guid.to_owned()))
        };
        let subscriptions: Vec<Option<Subscription>> = rows.iter().map(subscription).collect();
        let mut missing: Vec<Subscription> = {
            let numbers = self.numbers.lock();
            let is_missing = |one: &&Subscription| !numbers.contains_key(*one);
            subscriptions.iter().flatten().filter(is_missing).cloned().collect()
        };
        if !missing.is_empty() {
            missing.sort();
            missing.dedup();
            let found = self
                .pool
                .write_singly(missing, |db, missing| async move { intern(&db, &missing).await });
            let found = found.await?;
            let mut numbers = self.numbers.lock();
            if numbers.len() + found.len() > KNOWN_MAX {
                numbers.clear();
            }
            numbers.extend(found);
        }
        let numbers = self.numbers.lock();
        let number = |one: &Option<Subscription>| match one {
            Some(one) => numbers.get(one).map(|number| Some(*number)),
            None => Some(None),
        };
        let found: Option<Vec<Option<i64>>> = subscriptions.iter().map(number).collect();
        found.ok_or_else(|| Error::unavailable("the number of a subscription is missing"))
    }
}

/// Gives numbers to subscriptions that have none, in their order. Those that another process has
/// just given one are seen by the second statement only.
async fn intern(
    db: &Db,
    subscriptions: &[Subscription],
) -> Result<Vec<(Subscription, i64)>, Failure> {
    let organizations: Vec<_> = subscriptions.iter().map(|(one, ..)| text(one)).collect();
    let scopes: Vec<_> = subscriptions.iter().map(|(_, one, _)| text(one)).collect();
    let guids: Vec<_> = subscriptions.iter().map(|(.., one)| text(one)).collect();
    let of = params![organizations, scopes, guids];
    let sql = "INSERT INTO subscription (organization, scope, guid)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING";
    db.execute(sql, of).await?;
    let sql = "SELECT position, subscription.id
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY
            AS wanted (organization, scope, guid, position)
         JOIN subscription USING (organization, scope, guid) ORDER BY position";
    let rows = db.rows(sql, of).await?;
    let ids = rows.iter().map(|row| get(row, 1)).collect::<Result<Vec<i64>, _>>()?;
    Ok(subscriptions.iter().cloned().zip(ids).collect())
}

fn count(stored: &[Stored]) {
    for one in stored {
        let result = if one.is_new { "stored" } else { "already_there" };
        metrics::counter!("azdo_gateway_deliveries_total", "result" => result).increment(1);
    }
}
