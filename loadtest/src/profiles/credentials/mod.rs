//! What a token of its own costs each status: requests to Azure DevOps and time until it is shown,
//! in turns with a token made by hand, which is the call alone.
//!
//! Each turn has processes of its own, so that it begins with nothing minted and can be asked at
//! its end what was left over. This must never fail because something was slow, only because a
//! status was lost or a token was used twice or left over.

/// What the neighbours saw.
mod accounts;
/// Signing the service user in.
pub(super) mod linking;
/// Where the token comes from.
pub(super) mod mode;
/// Where statuses are shown.
mod place;
/// The load, and how long it took.
mod posting;
/// One mode for one round.
mod turn;
/// The budgets, and what is printed.
mod verdicts;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

pub(super) use accounts::{expect_single_use, seen};
use mode::Mode;
use turn::{Load, Programs, Turn};

use crate::document::Output;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Statuses per second; less than one is possible.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Statuses at once.
    #[arg(long, default_value_t = 1)]
    burst: u32,
    /// How long each mode is loaded in a round.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How long it is loaded before, without being measured.
    #[arg(long, default_value_t = 6)]
    warm_up_seconds: u64,
    /// How often every mode is loaded.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure only these; there is nothing to compare with where by-hand is not among them.
    #[arg(long, value_delimiter = ',', default_values_t = Mode::ALL)]
    modes: Vec<Mode>,
    /// How long each call to Azure DevOps takes at least.
    #[arg(long, default_value_t = 20)]
    delay_ms: u64,
    /// Post to a pull request instead of a commit.
    #[arg(long)]
    pull_request: bool,
    #[command(flatten)]
    output: Output,
    /// The binary to measure, instead of the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// The binary of the neighbours, instead of the one beside this program.
    #[arg(long)]
    fakes: Option<PathBuf>,
    /// Where the temporary folder is made, and with it which disk is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) load: Load,
    /// Each with every mode.
    pub(crate) rounds: Vec<Vec<Turn>>,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let load = load(options);
    ensure!(load.rate >= 0.001 && load.burst > 0, "--rate begins at 0.001, --burst at 1");
    let beside = |given: &Option<PathBuf>, name| match given {
        Some(program) => Ok(program.clone()),
        None => std::env::current_exe().map(|own| own.with_file_name(name)),
    };
    let programs = Programs {
        gateway: beside(&options.gateway, "azdo-gateway")?,
        fakes: beside(&options.fakes, "fakes")?,
    };
    verdicts::print_setting(&load);
    let mut measured = Measured { load, rounds: Vec::new() };
    for number in 1..=options.rounds {
        let mut turns = Vec::new();
        for mode in options.modes.iter().copied() {
            let folder =
                tempfile::Builder::new().prefix("loadtest-").tempdir_in(&options.folder)?;
            turns.push(turn::measure(mode, &load, &programs, folder.path()).await?);
        }
        verdicts::print_round(number, &turns);
        measured.rounds.push(turns);
    }
    verdicts::print(&measured);
    let failed = measured.rounds.iter().flatten().any(|turn| !turn.problems.is_empty());
    let (judged, chart) = (verdicts::verdicts(&measured), verdicts::chart(&measured));
    let charts = [("latency", chart)];
    options.output.write("status", &options.folder, !failed, &judged, &measured, &charts)?;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn load(options: &Options) -> Load {
    Load {
        rate: options.rate,
        burst: options.burst,
        seconds: options.seconds,
        warm_up_seconds: options.warm_up_seconds,
        delay_ms: options.delay_ms,
        pull_request: options.pull_request,
    }
}
