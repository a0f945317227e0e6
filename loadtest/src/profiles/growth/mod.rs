//! What it costs that much is stored already: accepts, decisions and the lists of operators, with
//! databases of several sizes in turns, so that the noise of the machine hits all of them.
//!
//! All gateways run throughout, each on a folder of its own, and all but one are paused. The rows
//! are made by `filler`. This must never fail because something was slow, only because something
//! was lost or doubled.

/// One gateway for one round.
mod turn;
/// The budgets, and what is printed.
mod verdicts;

use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use super::verification::Verification;
use crate::bodies::Bodies;
use crate::document::Output;
use crate::filler;
use crate::gateway::Setting;
use crate::ground::{Ground, Stocked};
use crate::machine::Machine;
use turn::{Contestant, Turn};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries stored before, for each gateway; the others are compared with the first.
    #[arg(long, value_delimiter = ',', default_value = "0,1000000,5000000")]
    stored: Vec<u64>,
    /// How long each gateway is loaded in a round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// How often each is loaded.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    connections: usize,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    ground: Ground,
}

/// One size.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) stored: u64,
    pub(crate) fill_seconds: f64,
    /// From the start of the process to its first answer.
    pub(crate) start_ms: f64,
    pub(crate) database_mib: f64,
    pub(crate) rounds: Vec<Turn>,
    pub(crate) peak_mib: f64,
    pub(crate) verification: Verification,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    ensure!(!options.stored.is_empty(), "--stored names no size");
    let machine = Machine::look(&options.ground.folder)?;
    let bodies = Rc::new(Bodies::new());
    verdicts::print_setting(options, pinned, &machine, bodies.sizes());
    let mut contestants = Vec::new();
    for stored in &options.stored {
        let stocked = Stocked::prepare(&options.ground, *stored, Setting::of_nobody()?).await?;
        contestants.push(Contestant::start(stocked, &bodies, options.connections, pinned).await?);
    }
    verdicts::print_sizes(&contestants);
    for round in 0..options.rounds {
        // Each is first, second and last in turn.
        for position in 0..contestants.len() {
            let place = (round + position) % contestants.len().max(1);
            let contestant = contestants.get_mut(place).context("no such size")?;
            contestant.round(options.connections, options.seconds).await?;
        }
        verdicts::print_round(round, &contestants);
    }
    let mut sizes = Vec::new();
    for contestant in contestants {
        sizes.push(contestant.finish().await?);
    }
    let judged = verdicts::print(&sizes);
    let failed = sizes.iter().any(|size| !size.verification.problems.is_empty());
    let charts = verdicts::charts(&sizes, options.connections);
    options.output.write("growth", &options.ground.folder, !failed, &judged, &sizes, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
