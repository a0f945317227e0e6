//! The command line: `loadtest PROFILE` measures the gateway against one of its budgets.
//!
//! It drives the real binary from outside and says what it saw; it must never use the gateway's
//! code, and never fail because something was slow.

mod arrivals;
mod bare;
mod bodies;
mod caller;
mod children;
mod connections;
mod disk;
mod fakes;
mod gateway;
mod gauges;
mod phase;
mod processor;
mod profiles;
mod report;
mod response;
mod tally;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};

/// Drives azdo-gateway over HTTP and measures it against its budgets.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Durable accepts per second, in turns with a handler that stores nothing.
    Accept(profiles::accept::Options),
    /// How long accepting takes at given rates, whatever becomes of the deliveries before.
    Rate(profiles::rate::Options),
    /// What a token of its own costs each status, in turns with a token made by hand.
    Credentials(profiles::credentials::Options),
    /// Full lives: delivery, CI started, reported, both statuses at Azure DevOps; each hop timed.
    Loop(profiles::life::Options),
    /// The handler that stores nothing; other profiles start it.
    #[command(hide = true)]
    Bare(bare::Options),
}

fn main() -> ExitCode {
    match run(&Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    match command {
        Command::Accept(options) => {
            // Before there are threads, so that all of them inherit it.
            let pinned = processor::can_pin() && processor::pin_generator();
            runtime()?.block_on(until_interrupted(profiles::accept::run(options, pinned)))
        }
        Command::Rate(options) => {
            let pinned = processor::can_pin() && processor::pin_generator();
            runtime()?.block_on(until_interrupted(profiles::rate::run(options, pinned)))
        }
        Command::Credentials(options) => {
            runtime()?.block_on(until_interrupted(profiles::credentials::run(options)))
        }
        Command::Loop(options) => {
            runtime()?.block_on(until_interrupted(profiles::life::run(options)))
        }
        Command::Bare(options) => {
            runtime()?.block_on(bare::run(options))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Ends the children too when somebody loses patience.
async fn until_interrupted(
    profile: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        code = profile => code,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}
