//! Where a gateway under measurement keeps its state, and what is known of that from outside.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

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

    /// Adds a green check, as if Azure DevOps had been shown it: without one the pages begin with
    /// setting up. While no gateway runs.
    pub(crate) fn add_green_check(&self, folder: &Path) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the row is to be as new as the deliveries")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
        let sql = format!(
            r#"INSERT INTO status
            (slot, organization, body, queued_at, posted_at, outcome, reason)
            VALUES (0, 'contoso', '{{"organization":"contoso","project":"Logistics",
            "repository":"warehouse","target":{{"kind":"commit","commit":"c0ffee"}},
            "context":{{"genre":"ci","name":"build"}},"state":"succeeded","description":"",
            "url":null,"run":null}}', {now}, {now}, 'posted', '')"#
        );
        match &self.postgres {
            Some(postgres) => postgres.execute(&sql),
            None => sqlite::execute(folder, &sql),
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
