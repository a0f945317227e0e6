//! The options of this profile.

use std::path::PathBuf;

use clap::Args;

use super::mode::Mode;
use crate::options::{Common, Systems};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Deliveries per second of the open loop.
    #[arg(long, default_value_t = 300.0)]
    pub(super) rate: f64,
    /// How long the open loop lasts in each round.
    #[arg(long, default_value_t = 6)]
    pub(super) open_seconds: u64,
    /// How long the closed loop lasts in each round.
    #[arg(long, default_value_t = 6)]
    pub(super) closed_seconds: u64,
    /// How long the gateway is loaded before, without being measured.
    #[arg(long, default_value_t = 1)]
    pub(super) warm_up_seconds: u64,
    /// How long the bare handler is loaded before and after that.
    #[arg(long, default_value_t = 2)]
    pub(super) bare_seconds: u64,
    /// Flows under way in the closed loop.
    #[arg(long, default_value_t = 256)]
    pub(super) flows: usize,
    /// Deliveries per second while calls to Azure DevOps are slow; each causes four statuses.
    #[arg(long, default_value_t = 5.0)]
    pub(super) slow_rate: f64,
    /// How long calls are slow in each round; 0 leaves this out.
    #[arg(long, default_value_t = 15)]
    pub(super) slow_seconds: u64,
    /// How long they are slow before that; token pools are sized by the demand of 5 s.
    #[arg(long, default_value_t = 15)]
    pub(super) slow_warm_up_seconds: u64,
    /// How long each slow call takes.
    #[arg(long, default_value_t = 20)]
    pub(super) delay_ms: u64,
    /// How often every mode is loaded.
    #[arg(long, default_value_t = 3)]
    pub(super) rounds: usize,
    /// The ways to get a token; ratios to the call alone need by-hand among them.
    #[arg(long, value_delimiter = ',', default_values_t = [Mode::ByHand, Mode::Ahead])]
    pub(super) modes: Vec<Mode>,
    /// The binary of the fakes, instead of the one beside this program.
    #[arg(long)]
    pub(super) fakes: Option<PathBuf>,
    #[command(flatten)]
    pub(super) systems: Systems,
    #[command(flatten)]
    pub(crate) common: Common,
}
