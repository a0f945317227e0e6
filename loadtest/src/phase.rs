//! One stretch of load on one server, with what it cost both sides. It must never compare servers.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use crate::connections::{Target, load};
use crate::latencies::Curve;
use crate::processor;
use crate::tally::{Latency, Tally, as_float};

/// Above this share of a core, whoever has it cannot go faster.
const FULL: f64 = 0.95;

/// Above this share of the servers' core in other hands, a phase says little.
const DISTURBED: f64 = 0.10;

/// What was seen in a phase.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) accepted: u64,
    /// Whatever was no 202, by kind.
    pub(crate) others: BTreeMap<String, u64>,
    pub(crate) accepts_per_second: f64,
    pub(crate) latency: Latency,
    pub(crate) curve: Curve,
    /// Cores that the server's process used.
    pub(crate) server_cores: f64,
    /// Share of the servers' core that others took: builds, the hypervisor's other guests.
    pub(crate) others_cores: f64,
    /// Cores that the generator used.
    pub(crate) generator_cores: f64,
    /// Microseconds of the server's processor time for each delivery, everything included.
    pub(crate) server_us_per_accept: f64,
}

impl Phase {
    /// Whether the server could have taken more.
    pub(crate) fn is_limited_by_generator(&self) -> bool {
        self.generator_cores >= FULL && self.server_cores < FULL
    }

    pub(crate) fn is_disturbed(&self) -> bool {
        self.others_cores > DISTURBED
    }
}

/// Processor time used so far.
struct Used {
    server: Duration,
    generator: Duration,
    core: Duration,
}

impl Used {
    fn now(server: u32) -> anyhow::Result<Self> {
        Ok(Self {
            server: processor::time_of(server)?,
            generator: processor::time_of(std::process::id())?,
            core: processor::busy_time_of(processor::SERVERS)?,
        })
    }
}

/// Loads `target`, whose process is `server`.
pub(crate) async fn measure(
    target: &Rc<Target>,
    server: u32,
    connections: usize,
    time: Duration,
) -> anyhow::Result<(Phase, Tally)> {
    let before = Used::now(server)?;
    let tally = load(target, connections, time).await?;
    let after = Used::now(server)?;
    let spent = |of: fn(&Used) -> Duration| of(&after).saturating_sub(of(&before)).as_secs_f64();
    let (server, core) = (spent(|used| used.server), spent(|used| used.core));
    let phase = Phase {
        accepted: tally.accepted,
        others: tally.others.clone(),
        accepts_per_second: tally.per_second(),
        latency: tally.latency(),
        curve: tally.curve(),
        server_cores: server / tally.seconds,
        others_cores: (core - server).max(0.0) / tally.seconds,
        generator_cores: spent(|used| used.generator) / tally.seconds,
        server_us_per_accept: server * 1e6 / as_float(tally.accepted.max(1)),
    };
    Ok((phase, tally))
}
