//! The loop that drives every stage and reconciler: run a tick, wait for a notification or the
//! timer, back off after an error, drain at the end.
//!
//! A tick is the unit of progress. The loop calls it when its notifier is notified and on a timer,
//! so the timer is also the retry; a test calls it by hand.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use metrics::Counter;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a worker waits after a tick that failed or panicked.
const ERROR_DELAY: Duration = Duration::from_millis(500);
/// How long a worker waits after [`Progress::Yield`].
const YIELD_DELAY: Duration = Duration::from_millis(50);

/// The result of a tick, which says when the next one is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done and there may be more: the next tick follows at once.
    Worked,
    /// Something was done and there may be more, but other work goes first: the next tick follows
    /// after a short delay.
    Yield,
    /// Nothing was due: the next tick follows a notification or the timer.
    Idle,
}

/// Why a tick failed: the error of the stage or reconciler. The worker only logs it.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// One stage or reconciler.
#[async_trait]
pub trait Tick: Send + Sync + Debug {
    /// The name in logs and metrics.
    fn name(&self) -> &'static str;

    /// Does what is due now. It takes no input, so that a notification and the timer do the same.
    async fn tick(&self) -> Result<Progress, Error>;

    /// Waits until everything that earlier ticks started has ended.
    async fn drain(&self) {}
}

/// The notifiers of the stages: each is notified when there is work for its stage.
#[derive(Clone, Debug, Default)]
pub struct Notifiers {
    pub decide: Notifier,
    pub dispatch: Notifier,
    pub follow: Notifier,
    pub publish: Notifier,
    pub runners: Notifier,
}

impl Notifiers {
    /// Each with its name in messages to other replicas.
    pub fn named(&self) -> [(&'static str, &Notifier); 5] {
        [
            ("decide", &self.decide),
            ("dispatch", &self.dispatch),
            ("follow", &self.follow),
            ("publish", &self.publish),
            ("runners", &self.runners),
        ]
    }
}

/// Wakes a worker before its timer does. Losing a notification only delays the work until then.
#[derive(Clone, Debug, Default)]
pub struct Notifier {
    here: Arc<Notify>,
    elsewhere: Arc<Notify>,
}

impl Notifier {
    /// Wakes the worker, or makes its next wait end at once; those of other replicas, too.
    pub fn notify(&self) {
        self.notify_here();
        self.elsewhere.notify_one();
    }

    /// Wakes the worker of this replica only.
    pub fn notify_here(&self) {
        self.here.notify_one();
    }

    /// Waits until the workers of other replicas are to be woken.
    pub async fn to_announce(&self) {
        self.elsewhere.notified().await;
    }
}

/// Runs ticks until `stop` is cancelled, then drains. A tick is due when `notifier` is notified,
/// and `every` so often.
pub async fn run(
    tick: Arc<dyn Tick>,
    notifier: Notifier,
    every: Duration,
    stop: CancellationToken,
) {
    panics(tick.name()).increment(0);
    // An outage lasts many ticks; each cause is logged once.
    let mut logged = String::new();
    while !stop.is_cancelled() {
        let wait = match AssertUnwindSafe(tick.tick()).catch_unwind().await {
            Ok(Ok(progress)) => {
                logged.clear();
                match progress {
                    Progress::Worked => continue,
                    Progress::Yield => YIELD_DELAY,
                    Progress::Idle => every,
                }
            }
            Ok(Err(error)) => {
                let cause = error.to_string();
                if cause != logged {
                    tracing::warn!(worker = tick.name(), "the tick failed and is retried: {cause}");
                    logged = cause;
                }
                ERROR_DELAY
            }
            Err(_) => {
                panics(tick.name()).increment(1);
                tracing::error!(worker = tick.name(), "the tick panicked and is retried");
                ERROR_DELAY
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = notifier.here.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    tick.drain().await;
}

/// Where a panic of a task in a set is said to have been.
const IN_FLIGHT: &str = "in_flight";

/// The counter of panics that were caught there.
fn panics(place: &'static str) -> Counter {
    metrics::counter!("azdo_gateway_panics_total", "where" => place)
}

/// A bounded set of tasks that make network calls, so that one slow neighbour delays no other work.
#[derive(Debug)]
pub struct InFlight {
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl InFlight {
    /// A set of at most `tasks_max` running tasks.
    pub fn new(tasks_max: usize) -> Self {
        panics(IN_FLIGHT).increment(0);
        Self { permits: Arc::new(Semaphore::new(tasks_max)), tasks: TaskTracker::new() }
    }

    /// Waits until another task may start. Returns how many may start.
    pub async fn capacity(&self) -> usize {
        // The semaphore is never closed.
        drop(self.permits.acquire().await);
        self.permits.available_permits().max(1)
    }

    /// Starts a task, as soon as there is capacity for it.
    pub async fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let permit: Option<OwnedSemaphorePermit> =
            Arc::clone(&self.permits).acquire_owned().await.ok();
        self.tasks.spawn(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                panics(IN_FLIGHT).increment(1);
                tracing::error!("an attempt panicked; it is retried when its lease ends");
            }
            drop(permit);
        });
    }

    /// Waits until no task is running.
    pub async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}
