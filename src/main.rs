//! The binary: parses the command line and hands over to `cli`.

use std::process::ExitCode;

use azdo_gateway::cli::{self, Cli};
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
