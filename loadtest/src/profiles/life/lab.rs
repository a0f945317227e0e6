//! Two stretches of load: at a rate, and as much as the machine gives; with what they cost each
//! process. It must never know who plays the neighbours.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::Serialize;

use super::Load;
use super::delivering::{Deliveries, Missed};
use super::ledger::Ledger;
use super::record::{Curves, Hops};
use super::scene;
use crate::arrivals::Schedule;
use crate::fakes::Fakes;
use crate::processor;
use crate::tally::as_float;

/// How long lives may take to end that were begun.
const SETTLED_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// With more cores in other hands, a stretch says little.
const DISTURBED: f64 = 0.2;
/// Whatever comes too often comes within this.
const QUIET: Duration = Duration::from_millis(500);
/// Pull requests for one second of warming up, above the fastest that is to be expected.
const WARM_UP_PER_SECOND: usize = 3_000;
/// So much faster than while it warmed up the gateway may become.
const FASTER_MAX: f64 = 3.0;

/// A part of a turn.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Stretch {
    /// Begun meanwhile.
    pub(crate) lives: u64,
    /// Ended meanwhile.
    pub(crate) per_second: f64,
    pub(crate) hops: Hops,
    pub(crate) curves: Curves,
    /// Of the open loop: taken up late, and not at all.
    pub(crate) late: u64,
    pub(crate) dropped: u64,
    pub(crate) costs: Costs,
}

/// Microseconds of processor time for each life that ended.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Costs {
    pub(crate) gateway_us: f64,
    pub(crate) fakes_us: f64,
    pub(crate) loadtest_us: f64,
    /// Cores that all three used together.
    pub(crate) cores: f64,
    /// Cores that others took: builds, the hypervisor's other guests.
    pub(crate) others_cores: f64,
}

/// What both stretches need.
#[derive(Debug)]
pub(super) struct Lab<'a> {
    pub(super) load: &'a Load,
    pub(super) fakes: &'a Fakes,
    pub(super) ledger: &'a Rc<RefCell<Ledger>>,
    pub(super) deliveries: &'a Deliveries,
    /// The gateway's process.
    pub(super) gateway: u32,
}

impl Stretch {
    pub(super) fn is_disturbed(&self) -> bool {
        self.costs.others_cores > DISTURBED
    }
}

impl Costs {
    pub(super) fn all_us(&self) -> f64 {
        self.gateway_us + self.fakes_us + self.loadtest_us
    }
}

/// Processor time used so far.
#[derive(Clone, Copy)]
struct Used {
    at: Instant,
    gateway: Duration,
    fakes: Duration,
    loadtest: Duration,
    /// By anybody, on any core.
    busy: Duration,
}

impl Lab<'_> {
    /// At a rate, then as much as the machine gives.
    pub(super) async fn both(&self) -> anyhow::Result<(Stretch, Stretch)> {
        let per_second = self.warm_up().await?;
        let open = self.open().await?;
        let closed = self.closed(per_second).await?;
        ensure!(closed.lives > 0, "no life was begun");
        Ok((open, closed))
    }

    /// Lives per second, roughly.
    async fn warm_up(&self) -> anyhow::Result<f64> {
        let Load { lives, warm_up_seconds, .. } = *self.load;
        let time = Duration::from_secs(warm_up_seconds);
        let seconds = usize::try_from(warm_up_seconds)?;
        self.prepare(0, seconds * WARM_UP_PER_SECOND + lives).await?;
        let begun = Instant::now();
        self.deliveries.closed(lives, time).await?;
        self.settle().await?;
        Ok(as_float(self.ledger.borrow().begun() as u64) / begun.elapsed().as_secs_f64())
    }

    async fn open(&self) -> anyhow::Result<Stretch> {
        let Load { rate, spacing, seed, open_seconds, .. } = *self.load;
        let time = Duration::from_secs(open_seconds);
        // Independent arrivals are never twice as many as expected, for long.
        self.prepare(1, (2.0 * rate * time.as_secs_f64()) as usize + 100).await?;
        let (used, from) = (self.used()?, self.ledger.borrow().begun());
        let missed = self.deliveries.open(Schedule { rate, spacing, seed, time }).await?;
        self.settle().await?;
        self.stretch(used, self.used()?, from, missed)
    }

    async fn closed(&self, per_second: f64) -> anyhow::Result<Stretch> {
        let Load { lives, closed_seconds, .. } = *self.load;
        let time = Duration::from_secs(closed_seconds);
        let enough = per_second * FASTER_MAX * time.as_secs_f64();
        self.prepare(2, enough as usize + 4 * lives).await?;
        let from = self.ledger.borrow().begun();
        // The lives that are begun at once come to their ends at once: they are left out.
        let watch = async {
            tokio::time::sleep(time / 8).await;
            let before = self.used()?;
            tokio::time::sleep(time * 7 / 8).await;
            anyhow::Ok((before, self.used()?))
        };
        let ((before, after), ()) = tokio::try_join!(watch, self.deliveries.closed(lives, time))?;
        ensure!(self.ledger.borrow().left() > 0, "there were too few pull requests");
        self.settle().await?;
        tokio::time::sleep(QUIET).await;
        self.stretch(before, after, from, Missed::default())
    }

    /// Sees to it that so many lives can be begun.
    async fn prepare(&self, batch: usize, lives: usize) -> anyhow::Result<()> {
        let lacking = lives.saturating_sub(self.ledger.borrow().left());
        let subjects = scene::open(self.fakes, batch, lacking).await?;
        self.ledger.borrow_mut().add(subjects);
        Ok(())
    }

    /// Waits until every life that was begun has ended, or time is up, which is a problem.
    async fn settle(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.ledger.borrow().is_settled() {
            if begun.elapsed() > SETTLED_MAX {
                let problem = "some lives had not ended after a minute".to_owned();
                self.ledger.borrow_mut().complain(problem);
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    fn used(&self) -> anyhow::Result<Used> {
        let cores = std::thread::available_parallelism()?.get();
        let busy = (0..cores).map(processor::busy_time_of).sum::<anyhow::Result<Duration>>()?;
        Ok(Used {
            busy,
            at: Instant::now(),
            gateway: processor::time_of(self.gateway)?,
            fakes: processor::time_of(self.fakes.id())?,
            loadtest: processor::time_of(std::process::id())?,
        })
    }

    fn stretch(
        &self,
        before: Used,
        after: Used,
        from: usize,
        missed: Missed,
    ) -> anyhow::Result<Stretch> {
        let ledger = self.ledger.borrow();
        let seconds = (after.at - before.at).as_secs_f64();
        let ended = as_float(ledger.ended_between(before.at, after.at));
        let spent =
            |of: fn(&Used) -> Duration| of(&after).saturating_sub(of(&before)).as_secs_f64();
        let each = |of| spent(of) * 1e6 / ended.max(1.0);
        let all = spent(|used| used.gateway + used.fakes + used.loadtest);
        let (hops, curves) = ledger.hops(from..ledger.begun())?;
        Ok(Stretch {
            lives: (ledger.begun() - from) as u64,
            per_second: ended / seconds,
            hops,
            curves,
            late: missed.late,
            dropped: missed.dropped,
            costs: Costs {
                gateway_us: each(|used| used.gateway),
                fakes_us: each(|used| used.fakes),
                loadtest_us: each(|used| used.loadtest),
                cores: all / seconds,
                others_cores: (spent(|used| used.busy) - all).max(0.0) / seconds,
            },
        })
    }
}
