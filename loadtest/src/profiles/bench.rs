//! Both servers side by side, and one round of load on each. It must never judge what it saw.

use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;

use super::accept::{Measured, Options};
use super::verification::Verification;
use crate::bodies::Bodies;
use crate::children::{Server, free_address};
use crate::connections::{Target, load};
use crate::gateway::Gateway;
use crate::phase::{Phase, measure};
use crate::tally::{Tally, as_float};
use crate::{disk, gauges, processor};

const WARM_UP: Duration = Duration::from_secs(1);
const ALONE: Duration = Duration::from_secs(1);
/// How long the gateway may take to decide what it accepted, before a round goes on.
const SETTLED_MAX: Duration = Duration::from_secs(20);
/// Remembered deliveries that are sent again, from each end of the run.
const RESENT: usize = 500;

/// What was seen in one round.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) fsync_ms: f64,
    pub(crate) gateway_alone: Phase,
    pub(crate) bare_alone: Phase,
    pub(crate) gateway: Phase,
    pub(crate) bare: Phase,
    /// Decisions per second while the gateway was loaded.
    pub(crate) decisions_per_second: f64,
    /// Undecided at the end of the load, and how long it took to decide them if that was awaited.
    pub(crate) undecided: f64,
    pub(crate) settled_seconds: Option<f64>,
}

/// Both servers and what they were sent.
pub(super) struct Bench<'a> {
    options: &'a Options,
    folder: &'a Path,
    gateway: (Server, Rc<Target>),
    bare: (Server, Rc<Target>),
    verification: Verification,
    remembered: Vec<u64>,
}

impl<'a> Bench<'a> {
    pub(super) async fn start(
        options: &'a Options,
        gateway: &Gateway,
        folder: &'a Path,
        bodies: Rc<Bodies>,
        pinned: bool,
    ) -> anyhow::Result<Self> {
        let hook = gateway.hook()?;
        let mut ours = gateway.serve(pinned)?;
        ours.wait_until_alive().await?;
        let mut other = start_bare(folder, pinned)?;
        other.wait_until_alive().await?;
        let target = |server: &Server| {
            let (path, authorization) = (&hook.path, &hook.authorization);
            Rc::new(Target::new(server.address, path, authorization, Rc::clone(&bodies)))
        };
        let (to_ours, to_other) = (target(&ours), target(&other));
        let mut bench = Self {
            options,
            folder,
            gateway: (ours, to_ours),
            bare: (other, to_other),
            verification: Verification::default(),
            remembered: Vec::new(),
        };
        bench.warm_up().await?;
        Ok(bench)
    }

    async fn warm_up(&mut self) -> anyhow::Result<()> {
        load(&self.bare.1, self.options.connections, WARM_UP).await?;
        let tally = load(&self.gateway.1, self.options.connections, WARM_UP).await?;
        self.remember(&tally);
        gauges::settled(self.gateway.0.address, SETTLED_MAX).await?;
        Ok(())
    }

    pub(super) async fn round(&mut self) -> anyhow::Result<Round> {
        let fsync_ms = disk::median_fsync_ms(self.folder)?;
        let gateway_alone = self.gateway(1, ALONE).await?;
        let bare_alone = self.bare(1, ALONE).await?;
        let address = self.gateway.0.address;
        let (connections, time) =
            (self.options.connections, Duration::from_secs(self.options.seconds));
        let before = gauges::read(address).await?;
        let gateway = self.gateway(connections, time).await?;
        let after = gauges::read(address).await?;
        let bare = self.bare(connections, time).await?;
        let settled = gauges::settled(address, SETTLED_MAX).await?;
        Ok(Round {
            fsync_ms,
            gateway_alone,
            bare_alone,
            gateway,
            bare,
            decisions_per_second: (after.decided - before.decided) / time.as_secs_f64().max(1.0),
            undecided: after.undecided,
            settled_seconds: settled.map(|took| took.as_secs_f64()),
        })
    }

    async fn gateway(&mut self, connections: usize, time: Duration) -> anyhow::Result<Phase> {
        let (server, target) = &self.gateway;
        let (phase, tally) = measure(target, server.id(), connections, time).await?;
        self.remember(&tally);
        Ok(phase)
    }

    async fn bare(&mut self, connections: usize, time: Duration) -> anyhow::Result<Phase> {
        self.gateway.0.pause()?;
        let (server, target) = &self.bare;
        let measured = measure(target, server.id(), connections, time).await;
        self.gateway.0.resume()?;
        Ok(measured?.0)
    }

    fn remember(&mut self, tally: &Tally) {
        self.verification.acknowledged += tally.accepted;
        self.verification.uncertain += tally.others();
        self.remembered.extend(&tally.remembered);
    }

    pub(super) async fn finish(
        self,
        gateway: &Gateway,
        rounds: Vec<Round>,
        pinned: bool,
        body_bytes: [usize; 3],
    ) -> anyhow::Result<Measured> {
        let (server, target) = self.gateway;
        let mut verification = self.verification;
        let resident_mib = processor::resident_mib(server.id())?;
        let oldest = self.remembered.iter().take(RESENT);
        let newest = self.remembered.iter().skip(RESENT).rev().take(RESENT);
        let again: Vec<u64> = oldest.chain(newest).copied().collect();
        verification.resend(&target, &again).await?;
        verification.count(gateway, server).await?;
        let bytes = as_float(gateway.bytes_on_disk()?);
        Ok(Measured {
            pinned,
            connections: self.options.connections,
            body_bytes,
            rounds,
            resident_mib,
            bytes_per_delivery: bytes / as_float(verification.stored.max(1)),
            verification,
        })
    }
}

fn start_bare(folder: &Path, pinned: bool) -> anyhow::Result<Server> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bare", "--listen", &address.to_string()]);
    let errors_to = std::fs::File::create(folder.join("bare.log"))?;
    Server::start("the bare handler", &command, address, pinned, errors_to)
}
