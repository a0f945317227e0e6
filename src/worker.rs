//! The one loop that drives every stage and reconciler: wake, tick, back off, drain.
//!
//! A tick is the unit of progress: the loop calls it when something arrived and on a timer, which
//! also makes the timer the retry; a test calls it by hand. It must never know what a tick does.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a worker pauses after a tick that failed.
const PAUSE: Duration = Duration::from_millis(500);
/// How long it rests between two turns of work that nobody waits for.
const REST: Duration = Duration::from_millis(50);

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Something was done, and there may be more.
    Worked,
    /// Something was done; what is left can wait a moment, so that others get their turn.
    Slowly,
    /// Nothing is due.
    Idle,
}

/// Why a tick did nothing: whatever error the stage or reconciler met. The worker only logs it.
///
/// It is no [`std::error::Error`] itself, so that `?` converts every error into it.
#[derive(Debug)]
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, out)
    }
}

/// One turn of a stage or reconciler.
#[async_trait]
pub trait Tick: Send + Sync + Debug {
    /// For logs and metrics.
    fn name(&self) -> &'static str;

    /// Does what is due now. Takes no input, so that a signal and a timer do the same.
    async fn tick(&self) -> Result<Progress, Error>;

    /// Waits until what earlier ticks began has ended.
    async fn drain(&self) {}
}

/// The notifiers of the stages: each is notified when something is left for its stage.
#[derive(Clone, Debug, Default)]
pub struct Notifiers {
    pub decide: Notifier,
    pub dispatch: Notifier,
    pub publish: Notifier,
}

/// Tells a worker that something arrived. A hint: the timer finds it too.
#[derive(Clone, Debug, Default)]
pub struct Notifier(Arc<Notify>);

impl Notifier {
    /// Something arrived.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

/// Runs ticks until told to stop, then drains.
pub async fn run(
    tick: Arc<dyn Tick>,
    notifier: Notifier,
    every: Duration,
    stop: CancellationToken,
) {
    // An outage lasts many turns; its cause is told once.
    let mut told = String::new();
    while !stop.is_cancelled() {
        let wait = match AssertUnwindSafe(tick.tick()).catch_unwind().await {
            Ok(Ok(progress)) => {
                told.clear();
                match progress {
                    Progress::Worked => continue,
                    Progress::Slowly => REST,
                    Progress::Idle => every,
                }
            }
            Ok(Err(error)) => {
                let cause = error.to_string();
                if cause != told {
                    tracing::warn!(worker = tick.name(), "nothing is done for now: {cause}");
                    told = cause;
                }
                PAUSE
            }
            Err(_) => {
                metrics::counter!("azdo_gateway_panics_total", "where" => tick.name()).increment(1);
                tracing::error!(worker = tick.name(), "a turn panicked; its work is tried again");
                PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = notifier.0.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    tick.drain().await;
}

/// Network work in flight, at most so much of it: one slow neighbour must not hold up the others.
#[derive(Debug)]
pub struct InFlight {
    free: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl InFlight {
    /// At most `in_flight_max` at a time.
    pub fn new(in_flight_max: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(in_flight_max)), tracker: TaskTracker::new() }
    }

    /// Waits for room, and says for how many there is.
    pub async fn room(&self) -> usize {
        // The semaphore is never closed.
        drop(self.free.acquire().await);
        self.free.available_permits().max(1)
    }

    /// Begins one.
    pub async fn begin(&self, flight: impl Future<Output = ()> + Send + 'static) {
        let permit: Option<OwnedSemaphorePermit> =
            Arc::clone(&self.free).acquire_owned().await.ok();
        self.tracker.spawn(async move {
            let landed = AssertUnwindSafe(flight).catch_unwind().await;
            if landed.is_err() {
                metrics::counter!("azdo_gateway_panics_total", "where" => "flight").increment(1);
                tracing::error!("an attempt panicked; it is made again when its lease ends");
            }
            drop(permit);
        });
    }

    /// Waits until none is under way.
    pub async fn land(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }
}
