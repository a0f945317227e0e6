//! Arrivals at a given rate, whatever becomes of those before: open loop.
//!
//! A thread of its own keeps the time, because the runtime's timer counts in milliseconds. Each
//! arrival carries the moment at which it was due, from which its latency is to be measured: what
//! waits for a free connection waits at the cost of the server that kept the others busy. It must
//! never know what arrives.

use std::cell::Cell;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Whoever is taken up later than this waited for a connection.
const LATE: Duration = Duration::from_millis(5);
/// How long before the first.
const LEAD: Duration = Duration::from_millis(20);

/// How arrivals follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spacing {
    /// Independent of each other, as from many sources.
    Poisson,
    /// At equal distances.
    Even,
}

/// What to offer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Schedule {
    /// Per second.
    pub(crate) rate: f64,
    pub(crate) spacing: Spacing,
    pub(crate) seed: u64,
    pub(crate) time: Duration,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) due: Instant,
}

/// Shared by everybody who takes arrivals up; how many do is what may be in flight.
#[derive(Debug)]
pub(crate) struct Arrivals {
    waiting: Mutex<UnboundedReceiver<Arrival>>,
    until: Instant,
    late: Cell<u64>,
    dropped: Cell<u64>,
}

impl Arrivals {
    /// They begin at once.
    pub(crate) fn begin(schedule: Schedule) -> Self {
        let (sender, waiting) = unbounded_channel();
        let begun = Instant::now() + LEAD;
        std::thread::spawn(move || send(schedule, begun, &sender));
        Self {
            waiting: Mutex::new(waiting),
            until: begun + schedule.time,
            late: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    /// The next one, when it is due; none when the time is over. What nobody had taken up by then
    /// is given up.
    pub(crate) async fn next(&self) -> Option<Arrival> {
        let mut waiting = self.waiting.lock().await;
        loop {
            let arrival = waiting.recv().await?;
            let now = Instant::now();
            if now > self.until + LATE {
                self.dropped.set(self.dropped.get() + 1);
                continue;
            }
            if now > arrival.due + LATE {
                self.late.set(self.late.get() + 1);
            }
            return Some(arrival);
        }
    }

    /// Taken up late, because everybody was busy.
    pub(crate) fn late(&self) -> u64 {
        self.late.get()
    }

    /// Never taken up.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.get()
    }
}

/// Until the time is over or nobody listens any more.
fn send(schedule: Schedule, begun: Instant, to: &UnboundedSender<Arrival>) {
    let mut after = Duration::ZERO;
    for number in 0.. {
        after += schedule.gap(number);
        if after >= schedule.time {
            return;
        }
        let due = begun + after;
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
        if to.send(Arrival { due }).is_err() {
            return;
        }
    }
}

impl Schedule {
    /// Between the arrival before and this one.
    fn gap(&self, number: u64) -> Duration {
        let share = match self.spacing {
            Spacing::Even => 1.0,
            Spacing::Poisson => -(1.0 - fraction(self.seed ^ number)).ln(),
        };
        Duration::try_from_secs_f64(share / self.rate).unwrap_or(self.time)
    }
}

/// From zero to below one; looks random.
fn fraction(number: u64) -> f64 {
    let bits = crate::bodies::mix(number) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Arrivals, Schedule, Spacing};

    fn schedule(spacing: Spacing) -> Schedule {
        Schedule { rate: 2_000.0, spacing, seed: 7, time: Duration::from_millis(100) }
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
        let arrivals = Arrivals::begin(schedule(Spacing::Even));
        let mut taken = 0;
        let mut before = None;
        while let Some(arrival) = arrivals.next().await {
            assert!(before.replace(arrival.due) < Some(arrival.due), "out of order");
            taken += 1;
        }
        assert_eq!(taken + arrivals.dropped(), 199);
    }
}
