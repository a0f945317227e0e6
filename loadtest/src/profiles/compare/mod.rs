//! What a user would otherwise run: the gateway and other receivers of hooks, in turns, with the
//! same bodies, on the same core, each with as many connections as suit it best.
//!
//! Each is configured as its documentation says and does the least that it can. What each stored is
//! counted afterwards. Who is not installed is not measured. This must never claim of another what
//! was not seen here.

/// How each is started, and where what it keeps is counted.
mod contestant;
/// The load, for whatever answers with success.
mod load;
/// Programs of others: whether they are there, and how they come here.
mod programs;
/// How programs of others are configured.
mod settings;
/// What is printed.
mod table;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::bodies::Bodies;
use crate::document::Output;
use crate::ground::Ground;
use crate::machine::Machine;
use contestant::{Contestant, Kind};
use load::Load;

/// Requests in flight that are tried for each.
const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
const TRIAL: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each receiver is loaded in a round.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often each is loaded.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    #[command(flatten)]
    programs: programs::Options,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    ground: Ground,
}

/// One receiver.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) kind: Kind,
    pub(crate) version: String,
    /// The number that gave the most, of those that were tried.
    pub(crate) connections: usize,
    pub(crate) rounds: Vec<Load>,
    /// Answers of success, trials included.
    pub(crate) acknowledged: u64,
    /// Answers of another kind, and connections that broke.
    pub(crate) others: u64,
    /// What it says or shows that it kept.
    pub(crate) kept: u64,
    /// What was added when one delivery came twice more.
    pub(crate) kept_of_two: u64,
}

/// Measures and reports; it fails only if the gateway lost or doubled something.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    let machine = Machine::look(&options.ground.folder)?;
    options.programs.install_if_wanted()?;
    table::print_setting(options, pinned, &machine);
    let folder = options.ground.folder()?;
    let bodies = Rc::new(Bodies::new());
    let (mut contestants, mut missing) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        match options.programs.found(kind, &options.ground)? {
            Err(how) => missing.push((kind, how)),
            Ok(program) => {
                let own = folder.path().join(kind.name());
                std::fs::create_dir(&own)?;
                let started = Contestant::start(kind, &program, &own, &bodies, pinned).await;
                contestants.push(started.with_context(|| contestant::last_words(kind, &own))?);
            }
        }
    }
    for contestant in &mut contestants {
        contestant.find_connections(&CONNECTIONS, TRIAL).await?;
    }
    for round in 0..options.rounds {
        for position in 0..contestants.len() {
            let place = (round + position) % contestants.len().max(1);
            let contestant = contestants.get_mut(place).context("no such receiver")?;
            contestant.round(Duration::from_secs(options.seconds)).await?;
        }
        table::print_round(round, contestants.iter().map(|contestant| &contestant.measured));
    }
    let mut measured = Vec::new();
    for contestant in contestants {
        measured.push(contestant.finish().await?);
    }
    let judged = table::print(&measured, &missing);
    let ours = measured.iter().filter(|measured| measured.kind == Kind::Gateway);
    let verified = ours.into_iter().all(|ours| ours.is_kept() && ours.kept_of_two == 0);
    let charts = table::charts(&measured);
    options.output.write("compare", folder.path(), verified, &judged, &measured, &charts)?;
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Measured {
    /// Whether as much is there as was acknowledged, and no more than was sent.
    pub(crate) fn is_kept(&self) -> bool {
        (self.acknowledged..=self.acknowledged + self.others).contains(&self.kept)
    }
}
