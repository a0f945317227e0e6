//! One way to come by tokens, for one round: a gateway and neighbours of its own, loaded at a rate
//! and then as much as it can take. It must never compare turns.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::LocalSet;

use super::delivering::Deliveries;
use super::lab::{Lab, Stretch};
use super::ledger::Ledger;
use super::receiver::{Pool, Receiver};
use super::scene::{self, ORGANIZATIONS};
use super::setup::prepare;
use super::watching::watch;
use super::{Load, Programs};
use crate::children::{Server, free_address};
use crate::fakes::Fakes;
use crate::gateway::Gateway;
use crate::gauges;
use crate::profiles::credentials::mode::Mode;
use crate::profiles::credentials::{self, linking::link};
use crate::tally::as_float;

const STOP_MAX: Duration = Duration::from_secs(60);

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Turn {
    pub(crate) mode: Mode,
    pub(crate) open: Stretch,
    pub(crate) closed: Stretch,
    /// Statuses that Azure DevOps was told, for each life.
    pub(crate) statuses_per_life: f64,
    /// Calls that Azure DevOps got, for each life.
    pub(crate) calls_per_life: f64,
    pub(crate) tokens: Value,
    /// What must not be; empty if everything is as it should be.
    pub(crate) problems: Vec<String>,
}

/// Measures one mode in `folder`.
pub(super) async fn measure(
    mode: Mode,
    load: &Load,
    programs: &Programs,
    folder: &Path,
) -> anyhow::Result<Turn> {
    let address = free_address()?;
    let fakes = Fakes::start(&programs.fakes, folder, address, Duration::ZERO).await?;
    credentials::expect_single_use(&fakes, mode.is_single()).await?;
    scene::found(&fakes).await?;
    let ci = TcpListener::bind("127.0.0.1:0").await?;
    let program = &programs.gateway;
    let gateway = prepare(mode, &fakes, program, folder, (address, ci.local_addr()?)).await?;
    let mut server = gateway.serve(false)?;
    let local = LocalSet::new();
    let lived = Box::pin(lived(mode, load, &fakes, &gateway, &mut server, ci));
    let mut turn = local.run_until(lived).await.with_context(|| {
        let log = std::fs::read_to_string(gateway.log()).unwrap_or_default();
        let last = log.trim_end().lines().next_back().unwrap_or("nothing");
        format!("{} ended early; the gateway said last: {last}", mode.name())
    })?;
    let ended = server.stop(STOP_MAX).await?;
    if !ended.success() {
        turn.problems.push(format!("the gateway ended with {ended} after SIGTERM"));
    }
    turn.tokens = fakes.control.get("/_fake/pats/count").await?;
    let count = |key| turn.tokens.get(key).and_then(Value::as_u64).unwrap_or_default();
    for (count, what) in [(count("active"), "left over"), (count("used_more"), "used twice")] {
        if count > 0 && mode.is_single() {
            turn.problems.push(format!("{count} tokens were {what}"));
        }
    }
    let violations = fakes.control.get("/_fake/violations").await?;
    let violations = violations.as_array().into_iter().flatten().take(3);
    turn.problems.extend(violations.map(Value::to_string));
    Ok(turn)
}

/// Everything but the end.
async fn lived(
    mode: Mode,
    load: &Load,
    fakes: &Fakes,
    gateway: &Gateway,
    server: &mut Server,
    ci: TcpListener,
) -> anyhow::Result<Turn> {
    server.wait_until_alive().await?;
    if mode.is_linked() {
        for organization in ORGANIZATIONS {
            link(server.address, organization).await?;
        }
    }
    let calls_before = credentials::seen(fakes).await?;
    let ledger = Rc::new(RefCell::new(Ledger::new()));
    let room = Rc::new(Semaphore::new(0));
    let deliveries = Deliveries::new(gateway, server.address, &ledger, &room)?;
    let to_gateway = Rc::new(Pool::new(server.address));
    let receiver = Receiver { ledger: Rc::clone(&ledger), gateway: to_gateway };
    let gateway = server.id();
    let lab = Lab { load, fakes, ledger: &ledger, deliveries: &deliveries, gateway };
    let (open, closed) = tokio::select! {
        both = lab.both() => both?,
        ended = receiver.serve(ci) => return Err(ended.err().context("the CI ended")?),
        ended = watch(fakes.address, Rc::clone(&ledger), Rc::clone(&room)) => {
            return Err(ended.err().context("nobody watches any more")?);
        }
    };
    let begun = ledger.borrow().begun() as u64;
    let calls = credentials::seen(fakes).await? - calls_before;
    let mut problems = ledger.borrow_mut().problems();
    let gauges = gauges::read(server.address).await?;
    if gauges.decided as u64 != begun || gauges.undecided > 0.0 {
        let (decided, undecided) = (gauges.decided, gauges.undecided);
        problems.push(format!("{begun} accepted, {decided} decided, {undecided} undecided"));
    }
    let lives = as_float(begun.max(1));
    Ok(Turn {
        mode,
        open,
        closed,
        statuses_per_life: as_float(ledger.borrow().shown) / lives,
        calls_per_life: as_float(calls) / lives,
        tokens: Value::Null,
        problems,
    })
}
