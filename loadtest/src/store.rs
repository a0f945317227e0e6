//! Where a gateway under measurement keeps its state, and what is known of that from outside.

use std::path::Path;

use crate::postgres::Postgres;
use crate::sqlite;
use crate::system::System;

/// See the module.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) system: System,
    /// None with SQLite, whose file is in the folder of the gateway.
    pub(crate) postgres: Option<Postgres>,
}

impl Store {
    pub(crate) fn sqlite() -> Self {
        Self { system: System::SQLITE, postgres: None }
    }

    /// The keys of `[storage]` for a gateway in `folder`.
    pub(crate) fn keys(&self, folder: &Path) -> String {
        match &self.postgres {
            Some(postgres) => postgres.storage(),
            None => format!("url = \"{}\"\n", sqlite::url(folder)),
        }
    }

    /// The secret that the keys name.
    pub(crate) fn secret(&self) -> Option<(&'static str, &str)> {
        Some(("AZDO_GATEWAY_DB_PASSWORD", self.postgres.as_ref()?.password()))
    }

    /// What the stored deliveries take on the disk.
    pub(crate) fn bytes(&self, folder: &Path) -> anyhow::Result<u64> {
        match &self.postgres {
            Some(postgres) => postgres.bytes(),
            None => Ok(sqlite::files(folder)?.all()),
        }
    }

    /// Copies the decided deliveries until there are `count`, while no gateway runs.
    pub(crate) fn multiply(&self, folder: &Path, count: u64) -> anyhow::Result<()> {
        match &self.postgres {
            Some(postgres) => postgres.multiply(count),
            None => sqlite::multiply(folder, count),
        }
    }
}
