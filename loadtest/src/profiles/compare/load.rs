//! Load in a closed loop on anything that answers with success. It must never know who that is.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::task::LocalSet;

use crate::connections::{Target, answer};
use crate::latencies::{Curve, Latencies};
use crate::processor;
use crate::tally::as_float;

/// Somebody who closes connections must not keep us from ending.
const PAUSE: Duration = Duration::from_millis(2);

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) succeeded: u64,
    /// Any other answer, by status, and connections that broke.
    pub(crate) others: BTreeMap<String, u64>,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) curve: Curve,
    /// Microseconds of processor time that the receiver and its children took for each success.
    pub(crate) us_per_success: f64,
    /// Share of the servers' core that the receiver did not take, and others did.
    pub(crate) others_core: f64,
}

struct Shared {
    target: Rc<Target>,
    next: Cell<u64>,
    until: Instant,
    latencies: RefCell<Latencies>,
    others: RefCell<BTreeMap<String, u64>>,
}

/// Sends deliveries from number `from` on; the second is the number after the last.
pub(super) async fn load(
    target: &Rc<Target>,
    receiver: u32,
    from: u64,
    connections: usize,
    time: Duration,
) -> anyhow::Result<(Load, u64)> {
    let used = || {
        let all = processor::busy_time_of(processor::SERVERS)?;
        anyhow::Ok((all, processor::time_of_family(receiver)?))
    };
    let before = used()?;
    let begun = Instant::now();
    let shared = Rc::new(Shared {
        target: Rc::clone(target),
        next: Cell::new(from),
        until: begun + time,
        latencies: RefCell::new(Latencies::new()?),
        others: RefCell::default(),
    });
    let local = LocalSet::new();
    let running: Vec<_> =
        (0..connections).map(|_| local.spawn_local(Rc::clone(&shared).repeat())).collect();
    for ended in local.run_until(futures_util::future::join_all(running)).await {
        ended.context("a connection panicked")??;
    }
    drop(local);
    let seconds = begun.elapsed().as_secs_f64();
    let after = used()?;
    let (all, own) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
    let latencies = shared.latencies.borrow();
    let load = Load {
        succeeded: latencies.count(),
        others: shared.others.borrow().clone(),
        per_second: as_float(latencies.count()) / seconds,
        p50_ms: latencies.at_ms(0.5),
        p99_ms: latencies.at_ms(0.99),
        curve: latencies.curve(),
        us_per_success: own.as_secs_f64() * 1e6 / as_float(latencies.count().max(1)),
        others_core: all.saturating_sub(own).as_secs_f64() / seconds,
    };
    Ok((load, shared.next.get()))
}

impl Shared {
    async fn repeat(self: Rc<Self>) -> anyhow::Result<()> {
        let mut open = None;
        let mut request = Vec::new();
        loop {
            let number = self.next.get();
            self.next.set(number + 1);
            self.target.render(number, &mut request)?;
            let begun = Instant::now();
            let answer = answer(&mut open, &self.target, &request).await;
            let ended = Instant::now();
            let other = match answer {
                Ok(200..=299) => {
                    self.latencies.borrow_mut().record(ended - begun);
                    None
                }
                Ok(status) => Some(status.to_string()),
                Err(error) => {
                    open = None;
                    Some(format!("broken: {}", error.kind()))
                }
            };
            if let Some(other) = other {
                *self.others.borrow_mut().entry(other).or_default() += 1;
                tokio::time::sleep(PAUSE).await;
            }
            if ended >= self.until {
                return Ok(());
            }
        }
    }
}
