//! Full lives: a delivery is accepted, its run started, the run reported, both statuses shown at
//! Azure DevOps. First at a rate, each hop timed; then as many as the machine gives, in turns with
//! the handler that stores nothing.
//!
//! The gateway, its neighbours and this process share the same cores, as the budget has it: what
//! the neighbours cost counts against the gateway. Each turn has processes of its own. This must
//! never fail because something was slow, only because something was lost, doubled or wrong.

/// The handler that stores nothing.
mod bare;
/// Begins lives.
mod delivering;
/// Two stretches of load.
mod lab;
/// What has become of each life.
mod ledger;
/// The CI.
mod receiver;
/// The moments of a life.
mod record;
/// What the lives are about.
mod scene;
/// The gateway and its configuration.
mod setup;
/// One way to come by tokens, for one round.
mod turn;
/// The budgets, and what is printed.
mod verdicts;
/// What Azure DevOps was told.
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;

use crate::arrivals::Spacing;
use crate::document::Output;
use crate::phase::Phase;
use crate::profiles::credentials::mode::Mode;
use bare::Bare;
use turn::Turn;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries per second of the open loop.
    #[arg(long, default_value_t = 300.0)]
    rate: f64,
    /// How deliveries of the open loop follow each other.
    #[arg(long, value_enum, default_value_t = Spacing::Poisson)]
    spacing: Spacing,
    /// Of the open loop.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long the open loop lasts in each turn.
    #[arg(long, default_value_t = 6)]
    open_seconds: u64,
    /// How long the closed loop lasts in each turn.
    #[arg(long, default_value_t = 6)]
    closed_seconds: u64,
    /// How long the gateway is loaded before, without being measured.
    #[arg(long, default_value_t = 1)]
    warm_up_seconds: u64,
    /// How long the bare handler is loaded between turns.
    #[arg(long, default_value_t = 2)]
    bare_seconds: u64,
    /// Lives under way in the closed loop.
    #[arg(long, default_value_t = 256)]
    lives: usize,
    /// How often every mode is loaded.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Measure only these.
    #[arg(long, value_delimiter = ',', default_values_t = [Mode::ByHand, Mode::Ahead])]
    modes: Vec<Mode>,
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

/// How each mode is loaded.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Load {
    pub(crate) rate: f64,
    pub(crate) spacing: Spacing,
    pub(crate) seed: u64,
    pub(crate) open_seconds: u64,
    pub(crate) closed_seconds: u64,
    pub(crate) warm_up_seconds: u64,
    pub(crate) lives: usize,
}

/// The programs.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) gateway: PathBuf,
    pub(crate) fakes: PathBuf,
}

/// A turn between two looks at the bare handler.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) turn: Turn,
    pub(crate) bare: [Phase; 2],
}

/// Everything, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) load: Load,
    /// Each with every mode.
    pub(crate) rounds: Vec<Vec<Compared>>,
}

/// Measures, verifies and reports.
pub(crate) async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(options.rate >= 0.1 && options.lives > 0, "--rate begins at 0.1, --lives at 1");
    let beside = |given: &Option<PathBuf>, name| match given {
        Some(program) => Ok(program.clone()),
        None => std::env::current_exe().map(|own| own.with_file_name(name)),
    };
    let programs = Programs {
        gateway: beside(&options.gateway, "azdo-gateway")?,
        fakes: beside(&options.fakes, "fakes")?,
    };
    let mut measured = Measured { load: load(options), rounds: Vec::new() };
    verdicts::print_setting(&measured.load);
    let folder = || tempfile::Builder::new().prefix("loadtest-").tempdir_in(&options.folder);
    let of_bare = folder()?;
    let bare = Bare::start(of_bare.path()).await?;
    let time = Duration::from_secs(options.bare_seconds);
    let mut before = bare.measure(time).await?;
    for number in 1..=options.rounds {
        let mut round = Vec::new();
        for mode in options.modes.iter().copied() {
            let folder = folder()?;
            let turn = turn::measure(mode, &measured.load, &programs, folder.path());
            let turn = Box::pin(turn).await?;
            let after = bare.measure(time).await?;
            let between = std::mem::replace(&mut before, after.clone());
            round.push(Compared { turn, bare: [between, after] });
        }
        verdicts::print_round(number, &round);
        measured.rounds.push(round);
    }
    verdicts::print(&measured);
    let (judged, charts) = (verdicts::verdicts(&measured), verdicts::charts(&measured));
    let verified = measured.problems().next().is_none();
    options.output.write("loop", &options.folder, verified, &judged, &measured, &charts)?;
    Ok(if verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Measured {
    fn problems(&self) -> impl Iterator<Item = &String> {
        self.rounds.iter().flatten().flat_map(|compared| &compared.turn.problems)
    }
}

fn load(options: &Options) -> Load {
    Load {
        rate: options.rate,
        spacing: options.spacing,
        seed: options.seed,
        open_seconds: options.open_seconds,
        closed_seconds: options.closed_seconds,
        warm_up_seconds: options.warm_up_seconds,
        lives: options.lives,
    }
}
