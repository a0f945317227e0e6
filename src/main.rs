//! The binary: parses the command line and hands over to `cli`.

use std::process::ExitCode;

use azdo_gateway::cli::{self, Cli};
use azdo_gateway::priority;
use clap::Parser;
use mimalloc::MiMalloc;

/// Every delivery allocates on one thread and frees on another, where the C library is slow.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = Cli::parse();
    // Whoever accepts is started from this thread, and all others from those of the runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(priority::give_way)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::run(arguments)),
        Err(error) => {
            eprintln!("error: no threads can be started: {error}");
            ExitCode::FAILURE
        }
    }
}
