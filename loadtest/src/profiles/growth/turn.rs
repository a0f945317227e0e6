//! One gateway with so many deliveries stored, and a round of it. It must never compare sizes.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;

use super::{Size, Verification, filler};
use crate::bodies::Bodies;
use crate::caller::Caller;
use crate::children::Server;
use crate::connections::{Target, load};
use crate::gateway::OPERATOR;
use crate::ground::Stocked;
use crate::phase::{Phase, measure};
use crate::report::Spread;
use crate::tally::{Tally, as_float};
use crate::{gauges, processor};

const WARM_UP: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_secs(1);
/// How long the gateway may decide what it accepted, before a round goes on; what is left then
/// stays with the gateway, which is paused.
const SETTLED_MAX: Duration = Duration::from_secs(6);
/// Deliveries that are sent again, from each end of the run.
const RESENT: usize = 300;
/// How often each list is asked for in a round, unless that takes too long.
const LOOKS: usize = 5;
const LOOKS_TIME_MAX: Duration = Duration::from_secs(1);
/// Fewer are decided before anybody has looked twice.
const DECIDED_MIN: f64 = 1_000.0;
const MIB: f64 = 1024.0 * 1024.0;

/// What an operator looks at. The third finds nothing, however far it looks, and
/// nothing here starts a run.
pub(super) const LISTS: [(&str, &str); 4] = [
    ("deliveries", "/v1/deliveries?limit=50"),
    ("deliveries of an organization", "/v1/deliveries?limit=50&organization=contoso"),
    ("quarantined deliveries (none)", "/v1/deliveries?limit=50&outcome=quarantined"),
    ("runs (none)", "/v1/runs?limit=50"),
];

/// What was seen in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Turn {
    /// At the beginning of the round, with what the rounds before added.
    pub(crate) stored: u64,
    pub(crate) alone: Phase,
    pub(crate) loaded: Phase,
    /// While nothing else was asked for; nothing if there was hardly anything to decide.
    pub(crate) decisions_per_second: Option<f64>,
    /// Median of a few looks, by list.
    pub(crate) lists_ms: BTreeMap<&'static str, f64>,
    pub(crate) resident_mib: f64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(super) size: Size,
    stocked: Stocked,
    server: Server,
    target: Rc<Target>,
    remembered: Vec<u64>,
}

impl Contestant {
    /// Warmed up, and paused.
    pub(super) async fn start(
        stocked: Stocked,
        bodies: &Rc<Bodies>,
        connections: usize,
        pinned: bool,
    ) -> anyhow::Result<Self> {
        let (server, took) = stocked.serve(pinned).await?;
        let target = stocked.target(&server, bodies)?;
        let mut verification =
            Verification { acknowledged: stocked.stored, ..Verification::default() };
        verification.problems = filler::check(server.address, stocked.stored).await?;
        let size = Size {
            stored: stocked.stored,
            fill_seconds: stocked.fill_seconds,
            start_ms: took.as_secs_f64() * 1e3,
            database_mib: as_float(stocked.gateway.bytes_on_disk()?) / MIB,
            rounds: Vec::new(),
            peak_mib: 0.0,
            verification,
        };
        let mut started = Self { size, stocked, server, target, remembered: Vec::new() };
        let tally = load(&started.target, connections, WARM_UP).await?;
        started.remember(&tally);
        gauges::settled(started.server.address, SETTLED_MAX).await?;
        started.server.pause()?;
        Ok(started)
    }

    pub(super) async fn round(&mut self, connections: usize, seconds: u64) -> anyhow::Result<()> {
        self.server.resume()?;
        let turn = self.turn(connections, Duration::from_secs(seconds)).await;
        let turn =
            turn.with_context(|| format!("the gateway said last: {}", self.stocked.last_words()))?;
        self.server.pause()?;
        self.size.rounds.push(turn);
        Ok(())
    }

    async fn turn(&mut self, connections: usize, time: Duration) -> anyhow::Result<Turn> {
        let address = self.server.address;
        let stored = self.size.verification.acknowledged;
        let alone = self.load(1, ALONE).await?;
        gauges::settled(address, SETTLED_MAX).await?;
        let loaded = self.load(connections, time).await?;
        let resident_mib = processor::resident_mib(self.server.id())?;
        let (before, begun) = (gauges::read(address).await?, Instant::now());
        gauges::settled(address, SETTLED_MAX).await?;
        let decided = gauges::read(address).await?.decided - before.decided;
        let decisions_per_second =
            (before.undecided > DECIDED_MIN).then(|| decided / begun.elapsed().as_secs_f64());
        let lists_ms = self.look().await?;
        Ok(Turn { stored, alone, loaded, decisions_per_second, lists_ms, resident_mib })
    }

    async fn load(&mut self, connections: usize, time: Duration) -> anyhow::Result<Phase> {
        let (phase, tally) = measure(&self.target, self.server.id(), connections, time).await?;
        self.remember(&tally);
        Ok(phase)
    }

    async fn look(&self) -> anyhow::Result<BTreeMap<&'static str, f64>> {
        let caller = Caller::with_token(self.server.address, OPERATOR);
        let mut lists = BTreeMap::new();
        for (name, path) in LISTS {
            let (mut took, first) = (Vec::new(), Instant::now());
            while took.len() < LOOKS && (took.is_empty() || first.elapsed() < LOOKS_TIME_MAX) {
                let begun = Instant::now();
                caller.get(path).await?;
                took.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            lists.insert(name, Spread::of(took).median);
        }
        Ok(lists)
    }

    fn remember(&mut self, tally: &Tally) {
        self.size.verification.acknowledged += tally.accepted;
        self.size.verification.uncertain += tally.others();
        self.remembered.extend(&tally.remembered);
    }

    pub(super) async fn finish(mut self) -> anyhow::Result<Size> {
        self.server.resume()?;
        self.size.peak_mib = processor::resident_peak_mib(self.server.id())?;
        let oldest = self.remembered.iter().take(RESENT);
        let newest = self.remembered.iter().skip(RESENT).rev().take(RESENT);
        let again: Vec<u64> = oldest.chain(newest).copied().collect();
        let verification = &mut self.size.verification;
        verification.resend(&self.target, &again).await?;
        gauges::settled_at_last(self.server.address).await?;
        verification.count(&self.stocked.gateway, self.server).await?;
        Ok(self.size)
    }
}
