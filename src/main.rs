//! The binary: parses the command line and runs the subcommand on a runtime.

use std::process::ExitCode;

use azdo_gateway::cli::{self, Cli};
use azdo_gateway::{priority, process, telemetry};
use mimalloc::MiMalloc;

/// Every delivery is allocated on one thread and freed on another, which the C library's allocator
/// does slowly.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    process::forbid_dumps();
    process::raise_open_files();
    let version = version::version!();
    telemetry::set_version(version);
    let arguments = Cli::read(version);
    // The threads that accept deliveries are started from this thread and keep its priority.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(priority::lower_current_thread)
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::run(arguments)),
        Err(error) => {
            eprintln!("error: cannot start threads: {error}");
            ExitCode::FAILURE
        }
    }
}
