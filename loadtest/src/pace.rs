//! When the next request is due: at once (closed loop), or at a rate that does not depend on the
//! answers to earlier requests (open loop).
//!
//! In an open loop latency counts from the moment at which a request was due, so that the time of
//! waiting for a free connection counts against the server that kept the others busy. A thread
//! keeps the time, because the runtime's timer has a resolution of a millisecond.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex, Semaphore};

/// A request that is sent later than this after it was due counts as late.
const LATE: Duration = Duration::from_millis(5);
/// From the start of an open loop to its first request.
const LEAD: Duration = Duration::from_millis(20);

/// How the requests of an open loop follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spacing {
    /// Independent of each other, as from many sources.
    Poisson,
    /// At equal distances.
    Even,
}

/// The requests of an open loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) per_second: f64,
    pub(crate) spacing: Spacing,
    pub(crate) time: Duration,
}

/// See the module. Every connection asks the same one.
#[derive(Debug)]
pub(crate) enum Pace {
    /// Each connection sends as soon as it has its answer, until this moment.
    Closed {
        until: Cell<Instant>,
    },
    /// A request is due whenever a permit is there, until this moment. The permit comes back when
    /// everything has ended that the request caused, and not with its answer.
    Permits {
        permits: Rc<Semaphore>,
        until: Instant,
    },
    Open(Arrivals),
}

/// A running open loop.
#[derive(Debug)]
pub(crate) struct Arrivals {
    waiting: Mutex<UnboundedReceiver<Instant>>,
    until: Instant,
    is_stopped: Arc<AtomicBool>,
    late: Cell<u32>,
    dropped: Cell<u32>,
}

impl Pace {
    pub(crate) fn closed(time: Duration) -> Self {
        Self::Closed { until: Cell::new(Instant::now() + time) }
    }

    pub(crate) fn open(schedule: Schedule) -> Self {
        let (sender, waiting) = unbounded_channel();
        let begun = Instant::now() + LEAD;
        let is_stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_stopped);
        std::thread::spawn(move || send_arrivals(schedule, begun, &sender, &stop));
        Self::Open(Arrivals {
            waiting: Mutex::new(waiting),
            until: begun + schedule.time,
            is_stopped,
            late: Cell::new(0),
            dropped: Cell::new(0),
        })
    }

    /// When the next request is due, not before that moment; none when the loop is over.
    pub(crate) async fn next(&self) -> Option<Instant> {
        match self {
            Self::Closed { until } => Some(Instant::now()).filter(|now| *now < until.get()),
            Self::Permits { permits, until } => {
                let permit = tokio::time::timeout_at((*until).into(), permits.acquire()).await;
                permit.ok()?.ok()?.forget();
                // A permit that is there already is returned even after the time is over.
                Some(Instant::now()).filter(|now| now < until)
            }
            Self::Open(arrivals) => arrivals.next().await,
        }
    }

    /// Ends the loop; requests that are due already are still sent.
    pub(crate) fn stop(&self) {
        match self {
            Self::Closed { until } => until.set(Instant::now()),
            Self::Permits { permits, .. } => permits.close(),
            Self::Open(arrivals) => arrivals.is_stopped.store(true, Ordering::Relaxed),
        }
    }

    /// Of an open loop: the requests that were sent late and those that were never sent, because
    /// every connection was busy.
    pub(crate) fn missed(&self) -> Option<[(&'static str, f64); 2]> {
        let Self::Open(arrivals) = self else { return None };
        let count = |count: &Cell<u32>| f64::from(count.get());
        Some([("late", count(&arrivals.late)), ("never_sent", count(&arrivals.dropped))])
    }
}

impl Arrivals {
    /// Arrivals that no connection has taken up when the time is over are dropped.
    async fn next(&self) -> Option<Instant> {
        let mut waiting = self.waiting.lock().await;
        loop {
            let due = waiting.recv().await?;
            let now = Instant::now();
            if now > self.until + LATE {
                self.dropped.set(self.dropped.get() + 1);
                continue;
            }
            if now > due + LATE {
                self.late.set(self.late.get() + 1);
            }
            return Some(due);
        }
    }
}

/// Runs until the time is over, the loop was stopped, or no connection listens any more.
fn send_arrivals(
    schedule: Schedule,
    begun: Instant,
    to: &UnboundedSender<Instant>,
    is_stopped: &AtomicBool,
) {
    let mut after = Duration::ZERO;
    for number in 0.. {
        after += schedule.gap(number);
        if after >= schedule.time || is_stopped.load(Ordering::Relaxed) {
            return;
        }
        let due = begun + after;
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if to.send(due).is_err() {
            return;
        }
    }
}

impl Schedule {
    /// Between the request before and this one.
    fn gap(&self, number: u64) -> Duration {
        let share = match self.spacing {
            Spacing::Even => 1.0,
            Spacing::Poisson => -(1.0 - fraction(number)).ln(),
        };
        Duration::try_from_secs_f64(share / self.per_second).unwrap_or(self.time)
    }
}

/// A number from zero to below one that looks random.
fn fraction(number: u64) -> f64 {
    let bits = crate::bodies::mix(number) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Pace, Rc, Schedule, Semaphore, Spacing};

    fn schedule(spacing: Spacing) -> Schedule {
        Schedule { per_second: 2_000.0, spacing, time: Duration::from_millis(100) }
    }

    #[test]
    fn gaps_have_the_mean_of_their_rate() {
        for spacing in [Spacing::Even, Spacing::Poisson] {
            let gaps = (0..20_000).map(|number| schedule(spacing).gap(number).as_secs_f64());
            let mean = gaps.sum::<f64>() / 20_000.0;
            assert!((0.000_49..0.000_51).contains(&mean), "{spacing:?}: {mean}");
        }
    }

    #[tokio::test]
    async fn every_arrival_is_taken_up_or_counted() {
        let pace = Pace::open(schedule(Spacing::Even));
        let mut taken = 0.0;
        let mut before = None;
        while let Some(due) = pace.next().await {
            assert!(before.replace(due) < Some(due), "out of order");
            taken += 1.0;
        }
        let [_, (_, dropped)] = pace.missed().unwrap();
        assert_eq!(taken + dropped, 199.0);
    }

    #[tokio::test]
    async fn permits_that_are_left_begin_nothing_when_the_time_is_over() {
        let permits = Rc::new(Semaphore::new(2));
        let until = Instant::now() + Duration::from_secs(60);
        let pace = Pace::Permits { permits: Rc::clone(&permits), until };
        assert!(pace.next().await.is_some());
        let pace = Pace::Permits { permits, until: Instant::now() };
        assert_eq!(pace.next().await, None);
    }
}
