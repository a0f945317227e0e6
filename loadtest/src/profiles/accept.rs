//! Durable accepts per second on one core, in turns with a handler that stores nothing: the noise
//! of the machine hits both, and their ratio stays.
//!
//! The gateway is paused while the other is measured: it may still be deciding what it accepted.
//! This must never fail because something was slow, only because something was lost or doubled.

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::bench::{Bench, Round};
use super::verdicts;
use super::verification::Verification;
use crate::bodies::Bodies;
use crate::document::Output;
use crate::gateway::{Gateway, Setting};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long each server is loaded in a round.
    #[arg(long, default_value_t = 5)]
    pub(super) seconds: u64,
    /// How often both are loaded.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests in flight.
    #[arg(long, default_value_t = 256)]
    pub(super) connections: usize,
    #[command(flatten)]
    output: Output,
    /// The binary to measure, instead of the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where the temporary folder is made, and with it which disk is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) pinned: bool,
    pub(crate) connections: usize,
    pub(crate) body_bytes: [usize; 3],
    pub(crate) rounds: Vec<Round>,
    pub(crate) resident_mib: f64,
    pub(crate) bytes_per_delivery: f64,
    pub(crate) verification: Verification,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options, pinned: bool) -> anyhow::Result<ExitCode> {
    let folder = tempfile::Builder::new().prefix("loadtest-").tempdir_in(&options.folder)?;
    let program = match &options.gateway {
        Some(program) => program.clone(),
        None => std::env::current_exe()?.with_file_name("azdo-gateway"),
    };
    let gateway = Gateway::prepare(&program, folder.path(), Setting::of_nobody()?)?;
    let bodies = Rc::new(Bodies::new());
    let body_bytes = bodies.sizes();
    verdicts::print_setting(pinned, options.connections, body_bytes);
    let mut bench = Bench::start(options, &gateway, folder.path(), bodies, pinned).await?;
    let mut rounds = Vec::new();
    for number in 1..=options.rounds {
        let round = bench.round().await.with_context(|| {
            let log = std::fs::read_to_string(gateway.log()).unwrap_or_default();
            format!("round {number} ended early; the gateway said last: {}", end_of(&log))
        })?;
        verdicts::print_round(number, &round);
        rounds.push(round);
    }
    let measured = bench.finish(&gateway, rounds, pinned, body_bytes).await?;
    verdicts::print(&measured);
    let failed = !measured.verification.problems.is_empty();
    let (judged, charts) = (verdicts::verdicts(&measured), verdicts::charts(&measured));
    options.output.write("accept", folder.path(), !failed, &judged, &measured, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn end_of(log: &str) -> &str {
    log.trim_end().lines().next_back().unwrap_or("nothing")
}
