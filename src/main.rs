//! The binary: parses the command line and hands over to `cli`.

use std::process::ExitCode;

use azdo_gateway::cli::{self, Cli};
use clap::Parser;
use mimalloc::MiMalloc;

/// Every delivery allocates on one thread and frees on another, where the C library is slow.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
