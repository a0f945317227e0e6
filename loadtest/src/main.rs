//! The command line: `loadtest PROFILE` measures the gateway against one of its budgets.
//!
//! It drives the real binary from outside and says what it saw; it must never use the gateway's
//! code, and never fail because something was slow.

mod arrivals;
mod bare;
mod bodies;
mod caller;
mod chart;
mod children;
mod connections;
mod disk;
mod document;
mod fakes;
mod filler;
mod gateway;
mod gauges;
mod ground;
mod latencies;
mod machine;
mod phase;
mod processor;
mod profiles;
mod report;
mod response;
mod stream;
mod tally;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

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
    /// What it costs that much is stored already: accepts, decisions, lists and memory.
    Growth(profiles::growth::Options),
    /// kill -9 under load: how long until it works again, and whether anything is lost.
    Recovery(profiles::recovery::Options),
    /// Minutes of steady load while retention deletes: what grows, and who notices.
    Soak(profiles::soak::Options),
    /// What a user would otherwise run: other receivers of hooks, in turns with the gateway.
    Compare(profiles::compare::Options),
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
            runtime()?.block_on(until_interrupted(profiles::accept::run(options, pinned())))
        }
        Command::Growth(options) => {
            runtime()?.block_on(until_interrupted(profiles::growth::run(options, pinned())))
        }
        Command::Recovery(options) => {
            runtime()?.block_on(until_interrupted(profiles::recovery::run(options, pinned())))
        }
        Command::Soak(options) => {
            runtime()?.block_on(until_interrupted(profiles::soak::run(options, pinned())))
        }
        Command::Compare(options) => {
            runtime()?.block_on(until_interrupted(profiles::compare::run(options, pinned())))
        }
        Command::Rate(options) => {
            runtime()?.block_on(until_interrupted(profiles::rate::run(options, pinned())))
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

/// Whether servers and generator have a core each. Asked before there are threads, so that all of
/// them inherit it.
fn pinned() -> bool {
    processor::can_pin() && processor::pin_generator()
}

/// Ends the children too, and removes their folders, when somebody loses patience.
async fn until_interrupted(
    profile: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut ended = signal(SignalKind::terminate())?;
    tokio::select! {
        code = profile => code,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = ended.recv() => bail!("told to end"),
    }
}
