//! Options that all profiles have in common.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use tempfile::TempDir;

use crate::postgres::{self, Postgres};
use crate::store::Store;
use crate::system::{Storage, System};

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

/// What is measured, by profiles that know more than SQLite.
#[derive(Clone, Debug, Args)]
pub(crate) struct Systems {
    /// Where the state is; several are measured in turns.
    #[arg(long, value_delimiter = ',', default_value = "sqlite")]
    storage: Vec<Storage>,
    /// How many replicas share PostgreSQL, behind a proxy of this program where there are several;
    /// several numbers are measured in turns.
    #[arg(long, value_delimiter = ',', default_value = "1")]
    replicas: Vec<usize>,
    /// A further line of postgresql.conf, such as log_min_duration_statement=0; any number of them.
    #[arg(long = "database-setting", value_name = "LINE")]
    database_settings: Vec<String>,
    /// Show how often PostgreSQL carried out each statement, which costs a little.
    #[arg(long)]
    pub(crate) statements: bool,
}

impl Systems {
    /// In the order in which they were asked for.
    pub(crate) fn all(&self) -> anyhow::Result<Vec<System>> {
        ensure!(self.replicas.iter().all(|count| *count > 0), "--replicas begins at 1");
        ensure!(
            self.storage.contains(&Storage::Postgres) || self.replicas == [1],
            "several replicas share PostgreSQL: add --storage postgres"
        );
        let mut all = Vec::new();
        for storage in &self.storage {
            match storage {
                Storage::Sqlite => all.push(System::SQLITE),
                Storage::Postgres => {
                    all.extend(self.replicas.iter().copied().map(System::postgres))
                }
            }
        }
        Ok(all)
    }

    /// The empty store of a system. A database server is started, on cores of its own if `pinned`.
    pub(crate) fn create(
        &self,
        system: System,
        common: &Common,
        pinned: bool,
    ) -> anyhow::Result<Store> {
        let options = postgres::Options {
            folder: &common.folder,
            settings: &self.database_settings,
            counts_statements: self.statements,
            pinned,
        };
        let postgres = match system.storage {
            Storage::Postgres => Some(Postgres::create(&options)?),
            Storage::Sqlite => None,
        };
        Ok(Store { system, postgres })
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
