//! The command line: `loadtest PROFILE` measures the gateway against one of its budgets.
//!
//! It drives the real binary from outside, and shares no code with it. A run fails when something
//! was lost, doubled or wrong, and never because something was slow.

// What is measured, and which budgets are judged.
mod options;
mod profiles;

// The servers, and whether they keep what they promise.
mod bare;
mod cores;
mod drive;
mod fakes;
mod filling;
mod gateway;
mod loaded_gateway;
mod metrics;
mod postgres;
mod proxy;
mod replicas;
mod server;
mod sqlite;
mod store;
mod system;

// The load.
mod bodies;
mod deliveries;
mod http;
mod load;
mod open_pages;
mod pace;
mod phase;

// Figures, verdicts and the report.
mod latencies;
mod machine;
mod processes;
mod procfs;
mod report;
mod rounds;
mod table;
mod verdict;

use std::process::ExitCode;

use anyhow::bail;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use profiles::{accept, flow, growth, rate, recovery, soak};

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
    Accept(accept::Options),
    /// How long accepting takes at given rates.
    Rate(rate::Options),
    /// The whole flow: delivery, CI started, reported, both statuses at Azure DevOps.
    Loop(flow::Options),
    /// What many stored deliveries cost: accepts, decisions, lists and memory.
    Growth(growth::Options),
    /// kill -9 under load: how long until it works again, and whether anything is lost.
    Recovery(recovery::Options),
    /// Minutes of steady load while retention deletes: what grows, and what it does to latency.
    Soak(soak::Options),
    /// Loads any receiver of hooks; compare.py uses it.
    #[command(hide = true)]
    Drive(drive::Options),
    /// The handler that stores nothing; profiles start it.
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
    // Where it can, the generator takes one core and leaves the other to the server. Threads
    // inherit the core, so this comes before there are any.
    let wants_core = !matches!(command, Command::Loop(_) | Command::Bare(_));
    let pinned = wants_core && procfs::can_pin() && procfs::pin_generator();
    if wants_core && !pinned {
        eprintln!("NOT PINNED to cores (no taskset, or one core only): not as the budgets have it");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let command = Box::pin(execute(command, pinned));
    runtime.block_on(LocalSet::new().run_until(until_interrupted(command)))
}

async fn execute(command: &Command, pinned: bool) -> anyhow::Result<ExitCode> {
    let (report, common) = match command {
        Command::Accept(options) => (accept::run(options, pinned).await?, &options.common),
        Command::Rate(options) => (rate::run(options, pinned).await?, &options.common),
        Command::Growth(options) => (growth::run(options, pinned).await?, &options.common),
        Command::Recovery(options) => (recovery::run(options, pinned).await?, &options.common),
        Command::Soak(options) => (soak::run(options, pinned).await?, &options.common),
        Command::Loop(options) => (flow::run(options).await?, &options.common),
        Command::Drive(options) => return drive::run(options).await.map(|()| ExitCode::SUCCESS),
        Command::Bare(options) => return bare::serve(options).await.map(|()| ExitCode::SUCCESS),
    };
    report.finish(common.json.as_ref(), &common.folder)
}

/// On a signal the command is dropped, which ends its child processes and removes their folders.
async fn until_interrupted(
    command: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        code = command => code,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}
