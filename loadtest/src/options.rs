//! Options that all profiles have in common.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use tempfile::TempDir;

/// See the module.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Write everything that was measured to this file.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// The binary to measure, instead of the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where the temporary folder is made; this decides which disk is measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    pub(crate) folder: PathBuf,
}

impl Common {
    pub(crate) fn temporary_folder(&self) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix("loadtest-").tempdir_in(&self.folder)
    }

    pub(crate) fn gateway(&self) -> anyhow::Result<PathBuf> {
        let how = "cargo build --release --no-default-features --bin azdo-gateway";
        program(self.gateway.as_ref(), "azdo-gateway", how)
    }
}

/// The given program, or the one of this name beside this program, which `how` builds.
pub(crate) fn program(given: Option<&PathBuf>, name: &str, how: &str) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name(name),
    };
    ensure!(
        path.is_file(),
        "there is no {}: build it with `{how}`, or give its path with an option",
        path.display()
    );
    Ok(path)
}
